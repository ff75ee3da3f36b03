"""The demo's books as events, day by day, in the order in which company systems would have sent them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Final, Literal, cast
from zlib import crc32
from zoneinfo import ZoneInfo

from contracts.envelope import Event
from contracts.events.customers import CustomerRegistered, OwnerAssigned
from contracts.events.sales import PurchaseMade
from contracts.events.staff import Channel, Digest, Hours, StaffRegistered
from contracts.events.trade import SourceCompleted
from contracts.money import Money
from contracts.payload import Payload
from deploy.demo.courses import CHANGE, ISSUE, RECEIVE, SETTLE, course_of, invoice_for
from deploy.demo.data import CURRENCY, Purchase, purchases
from deploy.demo.limits import limits_of
from deploy.demo.people import Colleague, Language, customer_name, manager_of, staff

ERP: Final = "erp/demo"
CRM: Final = "crm/demo"
SHOP: Final = "shop/demo"
HR: Final = "hr/demo"
REGISTER: Final = 0
BUY: Final = -1

# When each part of a day begins, and how many seconds it lasts: business hours in the company's zone.
HOURS: Final = {
    REGISTER: (time(8, 0), 3000),
    BUY: (time(8, 55), 9000),
    ISSUE: (time(9, 0), 9000),
    CHANGE: (time(11, 45), 3600),
    RECEIVE: (time(13, 0), 9000),
    SETTLE: (time(16, 0), 6000),
}
STARTS: Final = "08:30"  # the colleagues' working hours
ENDS: Final = "18:00"
# All customers are invoiced; of one in so many the shop also sends the purchases, so that the demo takes minutes.
FOLLOWED: Final = 3
DAY_ENDS: Final = time(23, 59, 59)

ABOUT: Final = (
    "Purchases: real, of the CD shop CDNOW (January 1997 to June 1998, from the PyPI package lifetimes). "
    "Made: names, account managers and their addresses, credit limits, due dates, payments and all other documents."
)


@dataclass(frozen=True, slots=True)
class Day:
    """A simulated day: its events in order of time, and the watermark that ends it (the ERP has delivered it all)."""

    date: date
    events: tuple[Event, ...]
    watermark: Event


class Books:
    """The books of all customers, or of `customers` of them, spread evenly over the register.

    The same seed gives the same events, and a customer's are the same in every subset. Raises DemoDataError when the
    purchases cannot be read.
    """

    def __init__(
        self,
        seed: int = 1,
        customers: int | None = None,
        zone: ZoneInfo | None = None,
        data: Path | None = None,
    ) -> None:
        self.seed = seed
        self.zone = zone or ZoneInfo("Asia/Shanghai")
        everything = purchases(data)
        self.last_day = max(purchase.bought_on for purchase in everything)
        self.first_day = min(purchase.bought_on for purchase in everything) - timedelta(days=1)
        chosen = _spread(sorted({purchase.customer for purchase in everything}), customers)
        self.whole = all(purchase.customer in chosen for purchase in everything)
        self.purchases = [purchase for purchase in everything if purchase.customer in chosen]
        self.invoiced = [purchase for purchase in self.purchases if purchase.amount > 0]
        self.staff = staff()
        self._managers = tuple(colleague for colleague in self.staff if colleague.supervisor)

    @property
    def given_away(self) -> int:
        """Purchases at no price: they get no invoice."""
        return len(self.purchases) - len(self.invoiced)

    @property
    def customers(self) -> int:
        """How many customers the books have."""
        return len({purchase.customer for purchase in self.purchases})

    def days(self) -> Iterator[Day]:
        """Every day from the eve of the first purchase, which registers the staff, to the day of the last one.

        What would happen later is not told: at the end some invoices are not due yet, some are overdue.
        """
        waiting: dict[date, list[Event]] = defaultdict(list)
        waiting[self.first_day] = [self._hired(colleague, at) for at, colleague in enumerate(self.staff)]
        bought: dict[date, list[Purchase]] = defaultdict(list)
        for purchase in self.purchases:
            bought[purchase.bought_on].append(purchase)
        largest: dict[str, Decimal] = defaultdict(Decimal)
        for purchase in self.invoiced:
            largest[purchase.customer] = max(largest[purchase.customer], purchase.amount)
        known: set[str] = set()
        day = self.first_day
        while day <= self.last_day:
            for event in self._consequences(bought.pop(day, []), known, largest):
                waiting[event.time.date()].append(event)
            yield Day(day, tuple(sorted(waiting.pop(day, []), key=_order)), self._watermark(day))
            day += timedelta(days=1)

    def _consequences(self, bought: list[Purchase], known: set[str], largest: Mapping[str, Decimal]) -> Iterator[Event]:
        for customer, same_day in groupby(bought, lambda purchase: purchase.customer):
            lines = list(same_day)
            if customer not in known:
                known.add(customer)
                yield from self._registered(customer, lines[0].bought_on)
                yield from self._limited(customer, lines[0].bought_on, largest.get(customer, Decimal(0)))
            if crc32(customer.encode()) % FOLLOWED == 0:
                yield from self._bought(customer, lines)
            invoices = [invoice_for(self.seed, line) for line in lines if line.amount > 0]
            if invoices:
                for at, step in enumerate(course_of(invoices)):
                    moment = self._moment(account(customer), step.day, step.part, at)
                    yield _event(ERP, step.id, account(customer), moment, step.data)

    def _registered(self, customer: str, day: date) -> Iterator[Event]:
        name, language = customer_name(self.seed, customer)
        owner = manager_of(self.seed, customer, self._managers)
        registered = CustomerRegistered(
            kind="person",
            name=name,
            relation="current",
            external_role="consumer",
            sales_channel="direct",
            timezone=_zone(language),
            language=language,
        )
        assigned = OwnerAssigned(owner_id=owner.number, since=day)
        subject = account(customer)
        yield _event(CRM, f"{subject}/registered", subject, self._moment(subject, day, REGISTER, 0), registered)
        yield _event(CRM, f"{subject}/owner", subject, self._moment(subject, day, REGISTER, 1), assigned)

    def _limited(self, customer: str, day: date, largest: Decimal) -> Iterator[Event]:
        subject = account(customer)
        for one in limits_of(self.seed, customer, day, largest):
            moment = self._moment(subject, one.day, REGISTER, 2)
            yield _event(CRM, f"{subject}/limit/{one.day.isoformat()}", subject, moment, one.data)

    def _bought(self, customer: str, lines: list[Purchase]) -> Iterator[Event]:
        for at, line in enumerate(lines):
            number = f"PUR-{customer}-{line.nth:03}"
            data = PurchaseMade(purchase_id=number, purchased_on=line.bought_on, total=Money(line.amount, CURRENCY))
            moment = self._moment(account(customer), line.bought_on, BUY, at)
            yield _event(SHOP, f"{number}/made", account(customer), moment, data)

    def _hired(self, colleague: Colleague, at: int) -> Event:
        data = StaffRegistered(
            name=colleague.name,
            mail=colleague.mail,
            unit=f"unit/sales-{colleague.team}",
            position="position/account-manager" if colleague.supervisor else "position/team-lead",
            supervisor=colleague.supervisor,
            zone=_zone(colleague.language),
            language=colleague.language,
            hours=[Hours(days=[1, 2, 3, 4, 5], start=STARTS, end=ENDS)],
            channels=[Channel(kind="mail")],
            digest=self._digest(colleague),
        )
        # Team leads first: a supervisor is known before those who report to him.
        moment = self._moment("staff", self.first_day, REGISTER, at)
        return _event(HR, f"{colleague.number}/registered", colleague.number, moment, data)

    def _digest(self, colleague: Colleague) -> Digest:
        """One mail a week, on the weekday of the last day, so that nothing is left to tell at the end: in the company's
        own zone once the day's books are closed, elsewhere in the morning, which comes later.
        """
        weekday = cast("Literal[1, 2, 3, 4, 5, 6, 7]", self.last_day.isoweekday())
        return Digest(days=[weekday], at=ENDS if _zone(colleague.language) == self.zone.key else None)

    def _watermark(self, day: date) -> Event:
        moment = datetime.combine(day, DAY_ENDS, self.zone)
        data = SourceCompleted(source=ERP, up_to=moment)
        return _event(ERP, f"completed/{day.isoformat()}", f"source/{ERP.replace('/', '-')}", moment, data)

    def _moment(self, who: str, day: date, part: int, at: int) -> datetime:
        begins, seconds = HOURS[part]
        # Everyone has a moment of his own in each part of a day; `at` keeps the order of what follows one another.
        offset = timedelta(seconds=crc32(who.encode()) % seconds + at)
        return datetime.combine(day, begins, self.zone) + offset


def account(customer: str) -> str:
    """The customer's account in the demo's systems."""
    return f"C{customer}"


def _event(source: str, id_: str, subject: str, moment: datetime, data: Payload) -> Event:
    return Event(id=id_, source=source, type=data.TYPE, subject=subject, time=moment, data=data)


def _order(event: Event) -> tuple[datetime, str]:
    return event.time, event.subject


def _zone(language: Language) -> str:
    return "Asia/Shanghai" if language == "zh-CN" else "America/New_York"


def _spread(customers: list[str], wanted: int | None) -> frozenset[str]:
    if wanted is None or wanted >= len(customers):
        return frozenset(customers)
    if wanted < 1:
        raise ValueError(f"customers is {wanted}; expected 1 or more")
    return frozenset(customers[at * len(customers) // wanted] for at in range(wanted))


def events_of(days: Iterable[Day]) -> Iterator[Event]:
    """All events of the days without their watermarks."""
    for day in days:
        yield from day.events

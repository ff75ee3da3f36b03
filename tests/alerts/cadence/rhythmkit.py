"""A customer's purchases through the alerts service's folds, without broker and database, day by day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from zoneinfo import ZoneInfo

from contracts.envelope import Event
from contracts.events.sales import GoodsReturned, PurchaseCorrected, PurchaseMade
from contracts.money import Money
from services.alerts.cadence import Cadence
from services.alerts.churn import Churn
from services.alerts.handlers import alerts_service
from services.alerts.model.activity.silence import Dated as DatedActivity
from services.alerts.model.alert import Alert
from services.alerts.model.cadence.priors import Dated
from services.alerts.model.rules.purchase_slowdown import RULE
from services.alerts.rules import Rules
from services.alerts.store import ACCOUNTS, ALERTS, NOTIFICATIONS, RHYTHMS, RhythmCard
from services.alerts.watch.rhythm import priors_changed
from tests.desk import Sender, TestDesk

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = time(12)
DAY = timedelta(days=1)
Alarm = tuple[date, str]  # the day of crossing, and the kind


def yuan(amount: str | int) -> Money:
    """So much money."""
    return Money(Decimal(amount), "CNY")


def bought(purchase_id: str, on: date, total: str | int = 100) -> PurchaseMade:
    """A purchase."""
    return PurchaseMade(purchase_id=purchase_id, purchased_on=on, total=yuan(total))


def corrected(purchase_id: str, on: date, total: str | int = 100) -> PurchaseCorrected:
    """The same as it was."""
    return PurchaseCorrected(purchase_id=purchase_id, purchased_on=on, total=yuan(total))


def returned(return_id: str, purchase_id: str | None, on: date, total: str | int = 100) -> GoodsReturned:
    """Goods brought back."""
    return GoodsReturned(return_id=return_id, purchase_id=purchase_id, returned_on=on, total=yuan(total))


@dataclass
class Customer:
    """One customer at a desk of his own, in a company's zone; priors of `timeline` become known the day before they
    hold (the first ones at once), and so do the parameters of `activity`.
    """

    timeline: Sequence[Dated]
    zone: ZoneInfo = SHANGHAI
    subject: str = "C-1"
    shop: Sender = field(default_factory=lambda: Sender("shop"))
    activity: Sequence[DatedActivity] = ()
    least_purchases: int = 3
    learnt: date = date.min  # priors that hold from later days are not known yet

    def __post_init__(self) -> None:
        self.cadence = Cadence()
        self.churn = Churn(least_purchases=self.least_purchases)
        self.rules = Rules(self.zone, cadence=self.cadence, churn=self.churn)
        self.cadence.learn(self.timeline[:1])
        self.churn.learn(self.activity[:1])
        self.desk = TestDesk(alerts_service(self.rules), datetime(1990, 1, 1, tzinfo=UTC))

    def at(self, day: date, hour: time = NOON) -> datetime:
        """A moment in the company's zone."""
        return datetime.combine(day, hour, self.zone).astimezone(UTC)

    def wait(self, until: datetime) -> list[Event]:
        """Let time pass up to a moment; priors are learnt on the way."""
        before = len(self.desk.said)
        starts = {one.valid_from for one in self.timeline[1:]} | {one.valid_from for one in self.activity[1:]}
        for start in sorted(starts):
            known = self.at(start - DAY)
            if start <= self.learnt or known > until:
                continue
            self.learnt = start
            self.desk.advance(known)
            self.cadence.learn([*self.timeline[:1], *(one for one in self.timeline[1:] if one.valid_from <= start)])
            self.churn.learn([*self.activity[:1], *(one for one in self.activity[1:] if one.valid_from <= start)])
            self.desk.act(ACCOUNTS, self.subject, partial(priors_changed, self.rules))
        self.desk.advance(until)
        return self.desk.said[before:]

    def take(self, *payloads: PurchaseMade | GoodsReturned, at: datetime) -> list[Event]:
        """A batch that comes at a moment; returns what was said from the last call on."""
        before = len(self.desk.said)
        self.wait(at)
        self.desk.take(*(self.shop.event(one, self.subject, at) for one in payloads), at=at)
        return self.desk.said[before:]

    @property
    def card(self) -> RhythmCard:
        """His rhythm."""
        return self.desk.value(RHYTHMS, self.subject) or RhythmCard()

    @property
    def alerts(self) -> list[Alert]:
        """His alerts of purchase_slowdown, by the day of crossing."""
        return self.of(RULE)

    def of(self, rule: str) -> list[Alert]:
        """His alerts of a rule, by the day on which they began."""
        found = [owned.alert for owned in self.desk.every(ALERTS, self.subject).values()]
        return sorted((one for one in found if one.rule == rule), key=lambda one: (one.opened_on, one.opening_fact))

    @property
    def reasons(self) -> list[tuple[str, str]]:
        """The rules of which there were messages, and why, in their order."""
        rules = {name: owned.alert.rule for name, owned in self.desk.every(ALERTS, self.subject).items()}
        found = sorted(self.desk.every(NOTIFICATIONS, self.subject).values(), key=lambda one: one.created_at)
        return [(rules[one.alert_id], one.reason) for one in found]

    @property
    def standing(self) -> list[Alarm]:
        """The alarms that were not withdrawn, whether they are over by now or not."""
        return [alarm_of(one) for one in self.alerts if one.outcome != "withdrawn"]

    @property
    def withdrawn(self) -> list[Alarm]:
        """Those that were."""
        return [alarm_of(one) for one in self.alerts if one.outcome == "withdrawn"]


def alarm_of(alert: Alert) -> Alarm:
    """Crossing day and kind."""
    return alert.opened_on, alert.figures["kind"]


def streamed(timeline: Sequence[Dated], purchases: Iterable[tuple[date, date]], until: date) -> Customer:
    """A customer whose purchases (day, and day on which it became known) came in that order, at the end of `until`."""
    customer = Customer(timeline)
    for n, (on, known) in enumerate(sorted(purchases, key=lambda one: one[1])):
        customer.take(bought(f"P{n}-{on}", on), at=customer.at(known))
    customer.wait(customer.at(until + DAY, time(0, 0, 1)))
    return customer

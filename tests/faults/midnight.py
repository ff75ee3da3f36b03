"""The company's midnight on the wall clock, as in production: invoices fall due, lower limits take hold and days of
alarm end while the service cannot read what denies it, once because it is down, once because its process is frozen.
Nobody may be told of what was paid, or bought, in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

from contracts.envelope import Event
from contracts.events.lifecycle import LimitChanged, OwnerChanged
from contracts.events.sales import PurchaseMade
from contracts.events.trade import AppliedTo, InvoiceIssued, PaymentReceived
from contracts.money import Amount, Money
from contracts.payload import Payload
from deploy.local import ports
from deploy.local.stack import Stack
from services.alerts.model.cadence.course import retold
from services.alerts.model.facts import FactKey
from services.alerts.model.purchase import Bought
from services.alerts.rules import Rules
from tests.faults import terms, zone
from tests.faults.hand import BOOKS, PROFILES, event_of
from tests.faults.load import Load, colleague, name_of, staff, wire_of
from tests.faults.run import FIRST, Run, opened
from tests.faults.size import Size
from tests.faults.table import Table
from tests.faults.verdict import verdict
from tests.faults.wait import until

How = Literal["down", "frozen"]
LEADS_S: Final = (14, 30, 90)  # how long before midnight it begins; more where the machine is slow
PAID, GRANTED, UNPAID = 1000, 100, 60
DENIED, TRUE = 150, 20  # of the limits and rhythms
EVERY: Final = 3  # days between two purchases
AFTER_S = 0.5  # after midnight it comes back
BEFORE_GRANTS = 7  # other facts of each customer that lie before the grace periods, so that those are read last
SUM: Final = Decimal("88.00")


class TooSlowError(AssertionError):
    """Midnight came before everything was in place."""


@dataclass(frozen=True, slots=True)
class Eve:
    """The evening before: what is known, and what comes while the service cannot see it."""

    midnight: datetime
    rules: Rules
    load: Load
    before: list[Event]
    meanwhile: list[Event]


async def midnight(
    number: int, stack: Stack, how: How, *, say: Callable[[str], None], env: Mapping[str, str] | None = None
) -> Table:
    """One midnight; tried again with more time where the machine was too slow for it.

    Raises:
        TooSlowError: it always was.
    """
    for lead in LEADS_S:
        at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=lead)
        eve = _eve(number, stack.home / "zones", at)
        zoned = {
            "RAPPORT_CLOCK": "log",
            "RAPPORT_COMPANY_ZONE": zone.NAME,
            "PYTHONTZPATH": str(stack.home / "zones"),
            **(env or {}),
        }
        async with opened(stack, eve.load, f"{how}{number}x{lead}", say=say, env=zoned) as run:
            try:
                await _live(run, eve, how)
            except TooSlowError:
                say(f"midnight after {lead} s was too soon for this machine")
                continue
            return await verdict(run, rules=eve.rules, simulated=False)
    raise TooSlowError(f"midnight came too soon, even after {LEADS_S[-1]} s")


async def _live(run: Run, eve: Eve, how: How) -> None:
    run.crew.join(FIRST)
    await run.bus.send(map(wire_of, eve.before))
    await run.quiet()
    if how == "down":
        await run.crew.kill(FIRST)
    else:
        run.crew.freeze(FIRST, frozen=True)
        await asyncio.sleep(0.3)  # the fetch that lies at the broker is answered, and its answer lies unread
    await run.bus.send(map(wire_of, eve.meanwhile))
    if datetime.now(UTC) > eve.midnight - timedelta(seconds=0.2):
        if how == "frozen":
            run.crew.freeze(FIRST, frozen=False)
        raise TooSlowError
    await asyncio.sleep((eve.midnight - datetime.now(UTC)).total_seconds() + AFTER_S)
    if how == "down":
        run.crew.join(FIRST)
    else:
        run.crew.freeze(FIRST, frozen=False)
    await _past(run, eve.midnight)
    await run.quiet()
    await run.crew.leave(FIRST)


async def _past(run: Run, moment: datetime) -> None:
    """Wait until the service's clock has passed a moment."""

    async def passed() -> bool:
        run.crew.well()
        clocks = [clock for _, clock in (await run.store.places()).values()]
        return bool(clocks) and min(clocks) > moment

    await until(passed, 120, "the clock to pass midnight")


def _eve(number: int, zones: Path, at: datetime) -> Eve:
    rules = terms.rules(zone.with_midnight(zones, at))
    today = rules.day(at - timedelta(seconds=1))
    said = datetime.now(UTC) - timedelta(minutes=5)
    scene = _Scene(number, today, said)
    load = Load(Size(number, 0, 9, 0, 0, 0, 0), ports.choose())
    scene.before = [_at(made.event, said) for made in staff(load.size, load.port)]
    _invoices(scene)
    _limits(scene)
    _rhythms(scene, rules)
    meanwhile = scene.others + scene.meanwhile
    load.accepted = {name_of(event): event for event in (*scene.before, *meanwhile)}
    load.days[0] = [wire_of(event) for event in load.accepted.values()]
    return Eve(at, rules, load, scene.before, meanwhile)


@dataclass
class _Scene:
    """What is known before midnight, what comes meanwhile, and what else lies before that in the log."""

    number: int
    today: date
    said: datetime
    before: list[Event] = field(default_factory=list)
    others: list[Event] = field(default_factory=list)
    meanwhile: list[Event] = field(default_factory=list)

    def tell(self, where: list[Event], subject: str, data: Payload, turn: int = 9) -> None:
        source = PROFILES if isinstance(data, OwnerChanged | LimitChanged) else BOOKS
        where.append(event_of(subject, source, data, self.said, turn))

    def customer(self, kind: str, n: int) -> str:
        """A customer with an owner."""
        subject = f"made-{self.number}-{kind}{n:05}"
        self.tell(self.before, subject, OwnerChanged(owner_id=colleague(n % 5), valid_from=self.ago(9)))
        return subject

    def others_first(self, subject: str) -> None:
        """Facts of his that come meanwhile, before all else."""
        for turn in range(BEFORE_GRANTS):
            self.tell(self.others, subject, OwnerChanged(owner_id=colleague(turn), valid_from=self.ago(8 - turn)), turn)

    def ago(self, days: int) -> date:
        return self.today - timedelta(days=days)

    def owes(self, subject: str, due: date) -> None:
        issued = InvoiceIssued(invoice_id="I-1", issued_on=self.ago(3), due_on=due, total=Money(SUM, "CNY"))
        self.tell(self.before, subject, issued)

    def pays(self, subject: str) -> None:
        applied = [AppliedTo(invoice_id="I-1", amount=Amount(SUM))]
        paid = PaymentReceived(
            document_id="D-1", dated_on=self.today, total=Money(SUM, "CNY"), applied_to=applied
        )  # fmt: skip
        self.tell(self.meanwhile, subject, paid)


def _invoices(scene: _Scene) -> None:
    """They fall due today; most are paid meanwhile, some are given time."""
    for n in range(PAID + GRANTED + UNPAID):
        subject = scene.customer("M", n)
        scene.others_first(subject)
        scene.owes(subject, scene.today)
        if n < PAID:
            scene.pays(subject)
        elif n < PAID + GRANTED:
            scene.tell(scene.meanwhile, subject, LimitChanged(limit=None, valid_from=scene.today, grace_days=30))


def _limits(scene: _Scene) -> None:
    """Limits that take hold at midnight and are less than what is owed, of which most is paid meanwhile."""
    for n in range(DENIED + TRUE):
        subject = scene.customer("L", n)
        lower = LimitChanged(limit=Money(SUM - 1, "CNY"), valid_from=scene.ago(-1))
        scene.tell(scene.before, subject, lower)
        scene.owes(subject, scene.ago(-30))
        if n < DENIED:
            scene.pays(subject)


def _rhythms(scene: _Scene, rules: Rules) -> None:
    """Customers whose day of alarm is today; most have bought."""
    days = _alarmed(rules, scene.today)
    for n in range(DENIED + TRUE if days else 0):
        subject = scene.customer("B", n)
        for turn, day in enumerate(days):
            scene.tell(scene.before, subject, _bought(day), turn)
        if n < DENIED:
            scene.tell(scene.meanwhile, subject, _bought(scene.today))


def _alarmed(rules: Rules, today: date) -> list[date]:
    """Purchase days that make this the day of alarm; none on a holiday, when nobody is expected to buy."""
    for last in range(1, 90):
        days = [today - timedelta(days=last + EVERY * step) for step in range(8)]
        key = FactKey(time=datetime.now(UTC), source=BOOKS, id="")
        if retold([Bought(on=day, key=key) for day in days], rules.cadence.times)[0].alarm_on == today:
            return days[::-1]
    return []


def _bought(day: date) -> PurchaseMade:
    return PurchaseMade(purchase_id=f"P-{day}", purchased_on=day, total=Money(SUM, "CNY"))


def _at(event: Event, moment: datetime) -> Event:
    return Event(id=event.id, source=event.source, type=event.type, subject=event.subject, time=moment, data=event.data)

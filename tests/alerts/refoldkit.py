"""Made histories of one customer for the alerts service's folds: facts, how they come, and what people do meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from contracts.envelope import Event
from contracts.events import alerts, trade
from contracts.events.lifecycle import LimitChanged, OwnerChanged
from contracts.money import Amount, Money
from contracts.payload import Payload
from services.alerts.handlers import alerts_service
from services.alerts.rules import Rules
from services.alerts.store import ALERTS, Owned
from tests.desk import TestDesk

RULES = Rules(ZoneInfo("Asia/Shanghai"))
SERVICE = alerts_service(RULES)
CUSTOMER = "C-1"
START = datetime(2026, 3, 10, 4, tzinfo=UTC)
LATER = START + timedelta(days=200)
FIRST = date(2026, 2, 1)
INVOICES, DOCUMENTS = ("I1", "I2"), ("P1", "P2", "N1", "W1")
KINDS = {"P": trade.PaymentReceived, "N": trade.CreditNoteIssued, "W": trade.DebtWrittenOff}

# Before, at and after the moments at which the events come; some share a day.
days = st.integers(0, 100).map(lambda n: FIRST + timedelta(n))
moments = st.builds(
    lambda n, finer: datetime(2026, 3, 1, 15, 30, tzinfo=UTC) + timedelta(hours=9 * n, microseconds=finer),
    st.integers(0, 60),
    st.sampled_from([0, 0, 100, 900]),
)
sums = st.integers(1, 200).map(lambda n: Decimal(n * 50).scaleb(-2))


def money(amount: Decimal) -> Money:
    return Money(amount, "CNY")


@st.composite
def invoices(draw: st.DrawFn) -> list[Payload]:
    """What is said of the invoices: each issued once at most, for another content would be refused."""
    said: list[Payload] = []
    for name in INVOICES:
        issued, due, total = draw(days), draw(days), money(draw(sums))
        if draw(st.integers(0, 5)):
            said.append(trade.InvoiceIssued(invoice_id=name, issued_on=issued, due_on=due, total=total))
        for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
            again = trade.InvoiceCorrected(
                invoice_id=name, issued_on=draw(days), due_on=draw(days), total=money(draw(sums))
            )
            said.append(again)
        for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
            said.append(
                trade.InvoiceDisputed(
                    invoice_id=name, disputed=draw(st.booleans()), stated_on=draw(st.one_of(st.none(), days))
                )
            )
        if not draw(st.integers(0, 6)):
            said.append(trade.InvoiceCancelled(invoice_id=name, cancelled_on=draw(days)))
    return said


@st.composite
def parts(draw: st.DrawFn, most: Decimal) -> list[trade.AppliedTo]:
    """Parts of a document that come to `most` at most."""
    found: list[trade.AppliedTo] = []
    left = most
    for name in draw(st.lists(st.sampled_from(INVOICES), max_size=2)):
        amount = min(left, draw(sums))
        if amount:
            found.append(trade.AppliedTo(invoice_id=name, amount=Amount(amount)))
            left -= amount
    return found


@st.composite
def documents(draw: st.DrawFn) -> list[Payload]:
    """What is said of payments, credit notes and write-offs."""
    said: list[Payload] = []
    for name in DOCUMENTS:
        total = draw(sums)
        if draw(st.integers(0, 5)):
            used = draw(parts(total)) or None
            said.append(KINDS[name[0]](document_id=name, dated_on=draw(days), total=money(total), applied_to=used))
        for _ in range(draw(st.sampled_from([0, 0, 1]))):
            used = draw(parts(Decimal(100)))
            if used:
                said.append(trade.PaymentApplied(document_id=name, applied_to=used, applied_on=draw(days)))
        for _ in range(draw(st.sampled_from([0, 0, 1]))):
            back = draw(st.one_of(st.none(), sums.map(Amount)))
            said.append(trade.PaymentReversed(document_id=name, dated_on=draw(days), amount=back))
    return said


owned = st.builds(
    OwnerChanged, owner_id=st.sampled_from(["staff/1", "staff/2", None]), valid_from=days, deputy_id=st.none()
)
limited = st.builds(
    LimitChanged,
    limit=st.one_of(st.none(), st.integers(0, 6).map(lambda n: money(Decimal(n * 25)))),
    valid_from=days,
    company=st.sampled_from([None, None, "east"]),
)
stated = st.builds(
    trade.BalanceStated,
    as_of=days,
    open=st.dictionaries(st.sampled_from(["CNY", "USD"]), st.integers(-40, 200), max_size=2).map(
        lambda sums: [Money(Decimal(n * 50).scaleb(-2), code) for code, n in sums.items()]
    ),
    company=st.sampled_from([None, None, "east"]),
)
graced = st.builds(LimitChanged, limit=st.just(None), valid_from=days, grace_days=st.sampled_from([None, 0, 5, 40]))


@dataclass(frozen=True)
class Step:
    """What happens next: facts that come in one batch, or a person who decides; then so many hours pass. `lazy`: the
    clock is late, and has not looked when the next step comes.
    """

    facts: list[int]
    hours: int
    lazy: bool = False
    decision: tuple[str, int] | None = None


@dataclass(frozen=True)
class Story:
    """Facts, and one way in which they come: places in `facts`, some of them twice."""

    facts: list[Event]
    steps: list[Step]


@st.composite
def stories(
    draw: st.DrawFn,
    *,
    people: bool = True,
    accounts: bool = True,
    lazy: bool = True,
    limits: bool = False,
    books: bool = False,
) -> Story:
    """A customer's story."""
    said = draw(invoices()) + draw(documents())
    if accounts:
        said += draw(st.lists(st.one_of(owned, graced), max_size=3))
    if limits:
        said += draw(st.lists(limited, min_size=1, max_size=4))
    if books:
        said += draw(st.lists(stated, min_size=1, max_size=4))
    facts = [
        Event(id=f"e{n}", source=draw(st.sampled_from(["erp", "bank"])), type=data.TYPE, subject=CUSTOMER,
              time=draw(moments), data=data)
        for n, data in enumerate(said)
    ]  # fmt: skip
    order = list(draw(st.permutations(range(len(facts)))))
    order += draw(st.lists(st.sampled_from(order), max_size=3)) if order else []
    steps: list[Step] = []
    batch: list[int] = []
    for place in order:
        batch.append(place)
        if draw(st.booleans()):
            steps.append(Step(batch, draw(st.sampled_from([0, 1, 30, 200])), lazy and draw(st.booleans())))
            batch = []
        if people and not draw(st.integers(0, 4)):
            what = draw(st.sampled_from(sorted(DECISIONS)))
            steps.append(Step([], draw(st.sampled_from([1, 30])), False, (what, draw(st.integers(0, 3)))))
    return Story(facts, [*steps, Step(batch, 1)])


DECISIONS: dict[str, Any] = {
    "acknowledge": lambda name, now: alerts.AlertAcknowledged(alert_id=name, by="staff/1", acknowledged_at=now),
    "assign": lambda name, now: alerts.AlertAssigned(alert_id=name, owner_id="staff/3", by="staff/1", assigned_at=now),
    "comment": lambda name, now: alerts.AlertCommented(alert_id=name, by="staff/1", commented_at=now, comment_id="c"),
    "snooze": lambda name, now: alerts.AlertSnoozed(
        alert_id=name, by="staff/1", snoozed_at=now, until=now + timedelta(days=2)
    ),
    "resolve": lambda name, now: alerts.AlertResolved(
        alert_id=name, by="staff/1", resolved_at=now, outcome="by_person"
    ),
}


@dataclass
class Told:
    """A desk on which a story was told."""

    desk: TestDesk = field(default_factory=lambda: TestDesk(SERVICE, START))
    decided: int = 0

    def take(self, story: Story, steps: list[Step]) -> Told:
        """Tell these steps."""
        for step in steps:
            self.desk.take(*(story.facts[place] for place in step.facts), at=self.desk.now)
            if step.decision is not None:
                self._decide(*step.decision)
            moment = self.desk.now + timedelta(hours=step.hours, milliseconds=1)
            if step.lazy:
                self.desk.now = moment
            else:
                self.desk.advance(moment)
        return self

    def _decide(self, what: str, which: int) -> None:
        known = sorted(self.alerts)
        if known:
            self.decided += 1
            data = DECISIONS[what](known[which % len(known)], self.desk.now)
            event = Event(
                id=f"d{self.decided}", source="rapport/alerts", type=data.TYPE, subject=CUSTOMER,
                time=self.desk.now, data=data,
            )  # fmt: skip
            self.desk.take(event, at=self.desk.now)

    @property
    def alerts(self) -> dict[str, Owned]:
        """All alerts by id."""
        return self.desk.every(ALERTS, CUSTOMER)


def told(story: Story) -> Told:
    """The story, told to its end."""
    end = Told().take(story, story.steps)
    end.desk.advance(LATER)
    return end


def in_order(story: Story) -> Told:
    """The same facts in the order of their times, the clock going on in between."""
    end = Told()
    for n, fact in enumerate(sorted(story.facts, key=lambda one: (one.time, one.source, one.id))):
        moment = START + timedelta(hours=7 * n)
        end.desk.advance(moment)
        end.desk.take(fact, at=moment)
    end.desk.advance(LATER)
    return end

"""The running sums of what a customer owes: whatever comes, in whatever order, they are what his documents say."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.envelope import Event
from contracts.events import sales, trade
from contracts.events.lifecycle import LimitChanged
from contracts.money import Amount, Money
from services.alerts.handlers import alerts_service
from services.alerts.model.account import Account
from services.alerts.model.ageing import Limit, age
from services.alerts.model.credit import NOTHING, Sum, counted, net_on, owed_by_order, settled, shifted
from services.alerts.model.rules.receivable_over_limit import DEFAULTS, weigh
from services.alerts.store import ACCOUNTS, CREDIT, ITEMS, ORDERS, SETTLEMENTS
from services.chassis.aggregate import Desk, Part
from tests.alerts.refoldkit import (
    CUSTOMER,
    FIRST,
    LATER,
    RULES,
    START,
    Story,
    Told,
    days,
    in_order,
    stories,
    sums,
    told,
)
from tests.desk import TestDesk

LIMIT = Decimal("30.00")


def held(end: Told) -> Account:
    return end.desk.value(ACCOUNTS, CUSTOMER) or Account()


def documents(desk: TestDesk) -> tuple[list[Any], list[Any]]:
    items = [card.item for card in desk.every(ITEMS, CUSTOMER).values()]
    return items, list(desk.every(SETTLEMENTS, CUSTOMER).values())


@settings(max_examples=60, deadline=None)
@given(stories(people=False), st.data())
def test_at_every_point_of_a_story_the_sums_are_those_of_the_documents(story: Story, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(story.steps)))
    end = Told().take(story, story.steps[:cut])
    today = RULES.day(end.desk.now)
    assert settled(held(end).owed, today) == counted(*documents(end.desk), today)


@settings(max_examples=60, deadline=None)
@given(stories(people=False))
def test_the_exposure_is_that_of_rapport_age_on_every_day_to_come(story: Story) -> None:
    end = told(story)
    items, settlements = documents(end.desk)
    owed = held(end).owed
    for on in (RULES.day(START), *(RULES.day(LATER) + timedelta(days=n) for n in (0, 40))):
        if on < RULES.day(end.desk.now):
            continue
        rows = age(items, settlements, on, {CUSTOMER: Limit(amount=LIMIT, currency="CNY")}).exposure
        (row,) = (row for row in rows if row.customer == CUSTOMER)
        assert net_on(owed, "", on).get("CNY", Decimal(0)) == row.net


@settings(max_examples=60, deadline=None)
@given(stories(people=False, accounts=False, lazy=False))
def test_in_any_order_the_sums_are_the_same_in_the_end(story: Story) -> None:
    day = RULES.day(LATER)
    assert settled(held(told(story)).owed, day) == settled(held(in_order(story)).owed, day)


@st.composite
def order_stories(draw: st.DrawFn) -> list[Event]:
    """Orders of two companies, changed and closed, in any order."""
    said: list[Any] = []
    for name, company in (("O1", None), ("O2", "east")):
        base = {"order_id": name, "company": company}
        total = Money(draw(sums), draw(st.sampled_from(["CNY", "USD"])))
        said.append(sales.OrderPlaced(**base, ordered_on=draw(days), total=total))  # type: ignore[arg-type]
        for _ in range(draw(st.integers(0, 2))):
            total = Money(draw(sums), "CNY")
            said.append(sales.OrderChanged(**base, ordered_on=draw(days), total=total))  # type: ignore[arg-type]
        if draw(st.booleans()):
            said.append(sales.OrderDelivered(**base, delivered_on=draw(days)))  # type: ignore[arg-type]
        if draw(st.booleans()):
            closed_on = draw(st.one_of(st.none(), days))
            said.append(sales.OrderClosed(**base, reason="invoiced", closed_on=closed_on))  # type: ignore[arg-type]
    events = [
        Event(id=f"o{n}", source="erp", type=data.TYPE, subject=CUSTOMER, time=START + timedelta(hours=n), data=data)
        for n, data in enumerate(said)
    ]
    return list(draw(st.permutations(events)))


@settings(max_examples=60, deadline=None)
@given(order_stories())
def test_orders_are_summed_whatever_their_order(events: list[Event]) -> None:
    desk = TestDesk(alerts_service(RULES), START)
    for n, event in enumerate(events):
        desk.take(event, at=START + timedelta(days=7 * n))
    today = RULES.day(desk.now)
    fresh: tuple[Sum, ...] = ()
    for order in desk.every(ORDERS, CUSTOMER).values():
        fresh = shifted(fresh, order.company, NOTHING, owed_by_order(order, today), today)
    account = desk.value(ACCOUNTS, CUSTOMER) or Account()
    assert settled(account.ordered, today) == fresh
    assert desk.dead == []


SOME = Money.of("100.00", "CNY")
ON = RULES.day(START)


def ahead(n: int) -> date:
    return ON + timedelta(days=n)


def used(amount: str, **more: Any) -> list[trade.AppliedTo]:
    return [trade.AppliedTo(invoice_id="I1", amount=Amount(Decimal(amount)), **more)]


ISSUED = trade.InvoiceIssued(invoice_id="I1", issued_on=FIRST, due_on=FIRST, total=SOME)
PAID = trade.PaymentReceived(document_id="P1", dated_on=ON, total=Money.of("60.00", "CNY"), applied_to=used("60.00"))
BOOKS: list[tuple[str, list[Any], int, str]] = [
    ("an invoice", [ISSUED], 0, "100.00"),
    ("paid in part", [ISSUED, PAID], 0, "40.00"),
    ("paid in part and on account", [ISSUED, trade.PaymentReceived(document_id="P2", dated_on=ON, total=SOME)], 0, "0"),
    ("paid and taken back", [ISSUED, PAID, trade.PaymentReversed(document_id="P1", dated_on=ON)], 0, "100.00"),
    (
        "taken back later",
        [ISSUED, PAID, trade.PaymentReversed(document_id="P1", dated_on=ahead(3))],
        2,
        "40.00",
    ),
    ("taken back ahead", [ISSUED, PAID, trade.PaymentReversed(document_id="P1", dated_on=ahead(3))], 3, "100.00"),
    ("disputed, which changes nothing", [ISSUED, trade.InvoiceDisputed(invoice_id="I1", disputed=True)], 0, "100.00"),
    (
        "corrected",
        [ISSUED, trade.InvoiceCorrected(invoice_id="I1", issued_on=ON, due_on=ON, total=Money.of("70.00", "CNY"))],
        0,
        "70.00",
    ),
    ("cancelled ahead, before", [ISSUED, trade.InvoiceCancelled(invoice_id="I1", cancelled_on=ahead(9))], 8, "100.00"),
    ("cancelled ahead", [ISSUED, trade.InvoiceCancelled(invoice_id="I1", cancelled_on=ahead(9))], 9, "0"),
    (
        "paid and cancelled",
        [ISSUED, PAID, trade.InvoiceCancelled(invoice_id="I1", cancelled_on=ON)],
        0,
        "-60.00",
    ),
    (
        "written off",
        [ISSUED, trade.DebtWrittenOff(document_id="W1", dated_on=ON, total=SOME, applied_to=used("100.00"))],
        0,
        "0",
    ),
    (
        "invoiced ahead",
        [trade.InvoiceIssued(invoice_id="I1", issued_on=ahead(5), due_on=ahead(9), total=SOME)],
        4,
        "0",
    ),
    (
        "invoiced ahead, come",
        [trade.InvoiceIssued(invoice_id="I1", issued_on=ahead(5), due_on=ahead(9), total=SOME)],
        5,
        "100.00",
    ),
    ("money for an invoice that is not known", [PAID], 0, "-60.00"),
]


@pytest.mark.parametrize(("said", "after", "net"), [row[1:] for row in BOOKS], ids=[row[0] for row in BOOKS])
def test_the_service_and_rapport_age_have_the_same_figure(said: list[Any], after: int, net: str) -> None:
    desk = TestDesk(alerts_service(RULES), START)
    limit = LimitChanged(limit=Money.of("50.00", "CNY"), valid_from=FIRST)
    for n, data in enumerate([limit, *said]):
        desk.take(Event(id=f"e{n}", source="erp", type=data.TYPE, subject=CUSTOMER, time=START, data=data))
    desk.advance(START + timedelta(days=after, hours=1))
    day = ahead(after)
    (row,) = age(*documents(desk), day, {CUSTOMER: Limit(amount=Decimal("50.00"), currency="CNY")}).exposure
    account = desk.value(ACCOUNTS, CUSTOMER) or Account()
    weighed = weigh(account, account.limits[0], day, DEFAULTS)
    assert weighed is not None
    assert (weighed.exposure, weighed.utilisation) == (row.net, row.utilisation)
    assert row.net == Decimal(net)
    assert (weighed.stage == 2) is row.over_limit


def test_no_event_of_a_dealer_reads_all_his_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = TestDesk(alerts_service(RULES), START)

    def refuse(_: Desk, kind: Part[Any]) -> None:
        raise AssertionError(f"all {kind.name} were asked for")

    monkeypatch.setattr(Desk, "all", refuse)
    limit = LimitChanged(limit=Money.of("50.00", "CNY"), valid_from=FIRST)
    order = sales.OrderPlaced(order_id="O1", ordered_on=ON, total=SOME)
    back = trade.PaymentReversed(document_id="P1", dated_on=ahead(3))
    for n, data in enumerate([limit, ISSUED, order, PAID, back]):
        desk.take(Event(id=f"e{n}", source="erp", type=data.TYPE, subject=CUSTOMER, time=START, data=data))
        desk.advance(desk.now + timedelta(seconds=1))
    desk.advance(START + timedelta(days=9))
    assert desk.dead == []
    assert desk.every(CREDIT, CUSTOMER)["limit/"].standing is not None

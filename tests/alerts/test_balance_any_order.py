"""What the books state and what we have of that day: the same in whatever order statements and documents come."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings

from contracts.envelope import Event
from contracts.events import trade
from contracts.money import Amount, Money
from contracts.payload import Payload
from services.alerts.handlers import alerts_service
from services.alerts.model.account import Account
from services.alerts.model.ageing import age
from services.alerts.model.balance import Stated
from services.alerts.store import ACCOUNTS, ITEMS, SETTLEMENTS
from tests.alerts.refoldkit import CUSTOMER, FIRST, RULES, START, Story, Told, in_order, stories, told
from tests.desk import TestDesk

DAY = date(2026, 3, 5)


def held(end: Told | TestDesk) -> tuple[Stated, ...]:
    desk = end.desk if isinstance(end, Told) else end
    return (desk.value(ACCOUNTS, CUSTOMER) or Account()).stated


def net_of_books(desk: TestDesk, company: str, as_of: date) -> dict[str, Decimal]:
    """What `rapport age` makes of the documents of a company (empty: of all)."""
    items = [card.item for card in desk.every(ITEMS, CUSTOMER).values() if company in ("", card.item.company)]
    papers = [one for one in desk.every(SETTLEMENTS, CUSTOMER).values() if company in ("", one.company)]
    return {row.currency: row.net for row in age(items, papers, as_of).ageing if row.net}


@settings(max_examples=80, deadline=None)
@given(stories(people=False, books=True))
def test_ours_is_the_net_of_rapport_age_on_the_day_of_the_books(story: Story) -> None:
    end = told(story)
    assert end.desk.dead == []
    for one in held(end):
        ours = {side.currency: side.ours for side in one.sides if side.ours}
        assert ours == net_of_books(end.desk, one.company, one.as_of)
        assert one.out == any(side.apart for side in one.sides)
        assert all(side.apart == (side.ours != side.stated) for side in one.sides)


@settings(max_examples=80, deadline=None)
@given(stories(people=False, accounts=False, lazy=False, books=True))
def test_in_any_order_the_comparison_is_the_same_in_the_end(story: Story) -> None:
    assert held(told(story)) == held(in_order(story))


@settings(max_examples=50, deadline=None)
@given(stories(books=True))
def test_a_refold_changes_no_comparison(story: Story) -> None:
    end = told(story)
    before = held(end)
    end.desk.refold(ACCOUNTS, CUSTOMER)
    assert held(end) == before


def desk_with(*said: Payload, days: int = 0) -> TestDesk:
    desk = TestDesk(alerts_service(RULES), START)
    for n, data in enumerate(said):
        moment = START + timedelta(days=days, minutes=n)
        desk.take(Event(id=f"e{n}", source="erp", type=data.TYPE, subject=CUSTOMER, time=moment, data=data), at=moment)
    assert desk.dead == []
    return desk


def books(*open_: str, as_of: date = DAY, company: str | None = None) -> trade.BalanceStated:
    sums = [Money.of(*one.split()) for one in open_]
    return trade.BalanceStated(as_of=as_of, open=sums, company=company)


def invoice(number: str, total: str, on: date = FIRST, **more: Any) -> trade.InvoiceIssued:
    return trade.InvoiceIssued(invoice_id=number, issued_on=on, due_on=on, total=Money.of(*total.split()), **more)


def paid(number: str, total: str, on: date = DAY, **more: Any) -> trade.PaymentReceived:
    return trade.PaymentReceived(document_id=number, dated_on=on, total=Money.of(*total.split()), **more)


def used(number: str, amount: str) -> list[trade.AppliedTo]:
    return [trade.AppliedTo(invoice_id=number, amount=Amount(Decimal(amount)))]


def differences(desk: TestDesk) -> dict[str, Decimal]:
    return {side.currency: side.difference for one in held(desk) for side in one.sides if side.apart}


AGREEING: list[tuple[str, list[Payload]]] = [
    ("an open invoice", [invoice("I1", "100.00 CNY"), books("100.00 CNY")]),
    ("nothing at all", [books()]),
    ("nothing stated as zero", [books("0.00 CNY")]),
    (
        "a payment that nobody has applied yet",
        [invoice("I1", "100.00 CNY"), paid("P1", "40.00 CNY"), books("60.00 CNY")],
    ),
    ("more paid than owed", [paid("P1", "40.00 CNY"), books("-40.00 CNY")]),
    (
        "what is dated on the next day does not count",
        [invoice("I1", "9.00 CNY"), books("9.00 CNY"), paid("P1", "9.00 CNY", DAY + timedelta(days=1))],
    ),
    ("what comes late does", [books("60.00 CNY"), invoice("I1", "100.00 CNY"), paid("P1", "40.00 CNY")]),
    (
        "applied on another day, which moves no money",
        [
            invoice("I1", "9.00 CNY"),
            paid("P1", "9.00 CNY"),
            books(),
            trade.PaymentApplied(document_id="P1", applied_to=used("I1", "9.00"), applied_on=DAY + timedelta(days=2)),
        ],
    ),
    (
        "the later day holds, whenever it is said",
        [books("1.00 CNY"), books("2.00 CNY", as_of=FIRST), invoice("I1", "1.00 CNY")],
    ),
    ("of one day what is said last", [books("1.00 CNY"), books("2.00 CNY"), invoice("I1", "2.00 CNY")]),
    (
        "an entity is held against its own",
        [
            invoice("I1", "1.00 CNY", company="east"),
            invoice("I2", "2.00 CNY"),
            books("1.00 CNY", company="east"),
            books("3.00 CNY"),
        ],
    ),
]


@pytest.mark.parametrize(("said"), [said for _, said in AGREEING], ids=[name for name, _ in AGREEING])
def test_they_agree(said: list[Payload]) -> None:
    assert differences(desk_with(*said)) == {}
    assert not any(one.out for one in held(desk_with(*said)))


def test_a_currency_that_the_books_do_not_name_is_nothing_to_them() -> None:
    desk = desk_with(invoice("I1", "5.00 USD"), invoice("I2", "7.00 CNY"), books("7.00 CNY"))
    assert differences(desk) == {"USD": Decimal("5.00")}


def test_a_currency_that_only_the_books_have_is_missing_here() -> None:
    assert differences(desk_with(books("5.00 USD"))) == {"USD": Decimal("-5.00")}


def test_a_withdrawn_statement_gives_its_place_back() -> None:
    wrong = Event(
        id="imp-1/0000002",
        source="erp",
        type=trade.BalanceStated.TYPE,
        subject=CUSTOMER,
        time=START,
        data=books("9.00 CNY"),
    )
    desk = desk_with(invoice("I1", "1.00 CNY"), books("1.00 CNY", as_of=FIRST))
    desk.take(wrong)
    assert differences(desk) == {"CNY": Decimal("-8.00")}
    back = trade.TradeWithdrawn(under="imp-1/")
    desk.take(Event(id="u", source="erp", type=back.TYPE, subject=CUSTOMER, time=START, data=back))
    desk.refold(ACCOUNTS, CUSTOMER)
    assert [one.as_of for one in held(desk)] == [FIRST] and differences(desk) == {}

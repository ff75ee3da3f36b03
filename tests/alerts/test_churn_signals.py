"""The signals beside a likely loss: from facts to figures, day and sentence."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from contracts.events.sales import GoodsReturned, OrderClosed, OrderPlaced, PurchaseMade
from contracts.events.trade import AppliedTo, InvoiceCancelled, InvoiceDisputed, InvoiceIssued, PaymentReceived
from contracts.money import Amount, Money
from contracts.payload import Payload
from services.alerts.channels.render_churn import said_signals
from services.alerts.channels.words import LANGUAGES, WORDS
from services.alerts.model.signals import LOOK_BACK_DAYS, SIGNALS, Code, Signal, Trade, of_churn, signals
from services.alerts.store import ITEMS, ORDERS, PURCHASES
from tests.alerts.cadence.cadencekit import day
from tests.alerts.cadence.rhythmkit import SHANGHAI, Customer, yuan
from tests.alerts.cadence.test_churn_risk_alerts import ALWAYS, CADENCE, LOST, SELDOM, ends, known


def cny(amount: str) -> Money:
    return Money.of(amount, "CNY")


def tell(one: Customer, *said: Payload) -> None:
    """Facts come before he is lost."""
    at = one.at(day(60))
    for payload in said:
        one.desk.take(one.shop.event(payload, one.subject, at), at=at)


def pointing(one: Customer) -> dict[str, Signal]:
    """The signals of the one alert he has in the end, by code."""
    ends(one, day(LOST))
    (alert,) = [alert for alert in one.of("churn_risk") if of_churn(alert)]
    done = Trade(
        one.card.course,
        list(one.desk.every(ORDERS, one.subject).values()),
        list(one.desk.every(PURCHASES, one.subject).values()),
        [card.item for card in one.desk.every(ITEMS, one.subject).values()],
    )
    found = signals(alert, done)
    assert [name.code for name in found] == sorted((one.code for one in found), key=list(CODES).index)
    return {one.code: one for one in found}


CODES: tuple[Code, ...] = (
    "stop", "slowdown", "longest_gap", "falling_amounts", "cancelled_orders", "returns", "disputes", "overdue",
)  # fmt: skip
LAST = sum(SELDOM)
EDGE = LAST - LOOK_BACK_DAYS  # the first day that counts


def order(on: int, reason: Any = "cancelled", total: str = "50.00") -> list[Payload]:
    return [
        OrderPlaced(order_id=f"O{on}", ordered_on=day(min(0, on)), total=cny(total)),
        OrderClosed(order_id=f"O{on}", reason=reason, closed_on=day(on)),
    ]


def invoice(number: str, due: int, total: str = "80.00") -> InvoiceIssued:
    return InvoiceIssued(invoice_id=number, issued_on=day(0), due_on=day(due), total=cny(total))


def disputed(number: str, on: int, holds: bool = True) -> InvoiceDisputed:
    return InvoiceDisputed(invoice_id=number, disputed=holds, stated_on=day(on))


def paid(number: str, on: int, total: str = "80.00") -> PaymentReceived:
    used = [AppliedTo(invoice_id=number, amount=Amount(cny(total).amount))]
    return PaymentReceived(document_id=f"P{number}", dated_on=day(on), total=cny(total), applied_to=used)


FACTS: list[tuple[str, list[Payload], Signal | None]] = [
    ("cancelled_orders", order(EDGE), Signal("cancelled_orders", 1, day(EDGE), (cny("50.00"),))),
    ("cancelled_orders", order(EDGE - 1), None),
    ("cancelled_orders", order(LOST), Signal("cancelled_orders", 1, day(LOST), (cny("50.00"),))),
    ("cancelled_orders", order(LOST + 1), None),
    ("cancelled_orders", order(EDGE, "invoiced"), None),
    (
        "cancelled_orders",
        [*order(EDGE), *order(EDGE + 2, total="7.00")],
        Signal("cancelled_orders", 2, day(EDGE + 2), (cny("57.00"),)),
    ),
    (
        "returns",
        [GoodsReturned(return_id="R", purchase_id=f"P-{day(50)}", returned_on=day(EDGE), total=cny("9.00"))],
        Signal("returns", 1, day(EDGE), (cny("9.00"),)),
    ),
    ("disputes", [invoice("I", 900), disputed("I", EDGE)], Signal("disputes", 1, day(EDGE), (cny("80.00"),))),
    ("disputes", [invoice("I", 900), disputed("I", EDGE - 1)], None),
    ("disputes", [invoice("I", 900), disputed("I", EDGE, holds=False)], None),
    ("overdue", [invoice("I", LOST - 1)], Signal("overdue", 1, day(LOST - 1), (cny("80.00"),))),
    ("overdue", [invoice("I", LOST)], None),
    ("overdue", [invoice("I", 90), paid("I", LOST)], None),
    ("overdue", [invoice("I", 90), paid("I", LOST, "30.00")], Signal("overdue", 1, day(90), (cny("50.00"),))),
    ("overdue", [invoice("I", 90), disputed("I", 95)], None),
    ("overdue", [invoice("I", 90), InvoiceCancelled(invoice_id="I", cancelled_on=day(91))], None),
    (
        "overdue",
        [invoice("I", 90), invoice("J", 70, "5.00")],
        Signal("overdue", 2, day(70), (cny("85.00"),)),
    ),
]


@pytest.mark.parametrize(("code", "said", "signal"), FACTS)
def test_a_signal_has_its_figures_and_its_day_within_the_half_year(
    code: str, said: list[Payload], signal: Signal | None
) -> None:
    one = known(gaps=SELDOM)
    tell(one, *said)
    assert pointing(one).get(code) == signal


AMOUNTS = [
    (("90.00", "90.00", "60.00"), None),  # exactly two thirds are no signal
    (("90.00", "90.00", "59.99"), (1, "59.99", "90.00")),
    (("30.00", "90.00", "39.00"), (1, "39.00", "60.00")),
    (("10.00", "20.00", "90.00"), None),
]


@pytest.mark.parametrize(("totals", "signal"), AMOUNTS)
def test_amounts_that_fall_below_two_thirds_of_those_before_are_a_signal(
    totals: tuple[str, ...], signal: tuple[int, str, str] | None
) -> None:
    one = nobody()
    buy(one, [(on, cny(total)) for on, total in zip((0, 20, 50), totals, strict=True)])
    expected = Signal("falling_amounts", signal[0], day(50), (cny(signal[1]),), cny(signal[2])) if signal else None
    assert pointing(one).get("falling_amounts") == expected


def test_amounts_of_one_currency_alone_are_held_against_each_other_by_day() -> None:
    one = nobody()
    euros = Money.of("500.00", "EUR")
    buy(one, [(0, cny("45.00")), (0, cny("45.00")), (20, euros), (50, cny("20.00")), (50, cny("20.00"))])
    assert pointing(one)["falling_amounts"] == Signal("falling_amounts", 1, day(50), (cny("40.00"),), cny("90.00"))


def nobody() -> Customer:
    """Who has not bought yet."""
    return Customer(CADENCE, SHANGHAI, activity=ALWAYS, least_purchases=2)


def buy(one: Customer, days: list[tuple[int, Money]]) -> None:
    for n, (on, total) in enumerate(days):
        made = PurchaseMade(purchase_id=f"Q{n}", purchased_on=day(on), total=total)
        at = one.at(day(on))
        one.desk.take(one.shop.event(made, one.subject, at), at=at)


def test_what_comes_after_the_day_on_which_he_was_lost_changes_no_signal() -> None:
    one = known(gaps=SELDOM)
    tell(one, invoice("I", 90))
    before = pointing(one)
    one.desk.take(one.shop.event(paid("I", LOST + 3), one.subject, one.desk.now + timedelta(days=3)))
    assert pointing(one) == before


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_signal_has_a_sentence_with_all_its_figures(language: Any) -> None:
    full = [
        Signal(code, 7, date(2026, 5, 6), (yuan(123),), yuan(456) if code == "falling_amounts" else None, "8.5")
        for code in CODES
    ]
    for signal, text in zip(full, said_signals(full, "购买", language), strict=True):
        assert "7" in text and (("6" in text and "5" in text) or "May" in text)
        if signal.code not in ("stop", "slowdown", "longest_gap"):
            assert "123.00" in text
        assert ("456.00" in text) is (signal.before is not None)
        assert ("8.5" in text) is (signal.code in ("stop", "slowdown"))
    assert {name for name in WORDS if name.startswith("churn.signal.")} == {f"churn.signal.{code}" for code in CODES}
    assert len(SIGNALS) == len(CODES) - 1, "stop and slowdown are one"

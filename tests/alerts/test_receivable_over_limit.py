"""Rule receivable_over_limit, from facts to alert to resolution."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from contracts.events import alerts, sales, trade
from contracts.money import Amount, Money
from services.alerts.model.rules.receivable_over_limit import DEFAULTS, OVER, Params, stage
from services.alerts.store import CREDIT
from tests.alerts.creditkit import CUSTOMER, Credit
from tests.desk import payloads

BOUNDARIES = [
    ("79.99", "100.00", "none"),
    ("80.00", "100.00", "1 notice"),
    ("100.00", "100.00", "1 notice"),
    ("100.01", "100.00", "2 warning"),
    ("0.01", "0.00", "2 warning"),
    ("0.00", "0.00", "none"),
    ("1000000.00", None, "none"),
]


@pytest.mark.parametrize(("owed", "limit", "state"), BOUNDARIES)
def test_a_notice_begins_at_eighty_per_cent_and_the_limit_is_passed_above_it(
    owed: str, limit: str | None, state: str
) -> None:
    one = Credit()
    one.limit(limit)
    one.invoice("I1", owed)
    assert one.state == state


@pytest.mark.parametrize("money", ["0", "79", "80", "81", "100", "101"])
def test_the_alert_is_the_same_whether_the_limit_or_the_invoice_came_first(money: str) -> None:
    first, last = Credit(), Credit()
    first.limit("100.00")
    first.invoice("I1", money)
    last.invoice("I1", money)
    last.limit("100.00")
    assert first.state == last.state


def paid(one: Credit) -> str:
    return one.pay("P1", "50.00", "I1")


def on_account(one: Credit) -> str:
    return one.pay("P1", "50.00")


def credited(one: Credit) -> str:
    return one.tell(trade.CreditNoteIssued(document_id="N1", dated_on=one.day(0), total=Money.of("50.00", "CNY")))


def written_off(one: Credit) -> str:
    used = [trade.AppliedTo(invoice_id="I1", amount=Amount(Decimal("50.00")))]
    note = trade.DebtWrittenOff(document_id="W1", dated_on=one.day(0), total=Money.of("50.00", "CNY"), applied_to=used)
    return one.tell(note)


def corrected(one: Credit) -> str:
    return one.tell(
        trade.InvoiceCorrected(invoice_id="I1", issued_on=one.day(0), due_on=one.day(9), total=Money.of("60.00", "CNY"))
    )


def cancelled(one: Credit) -> str:
    return one.tell(trade.InvoiceCancelled(invoice_id="I1", cancelled_on=one.day(0)))


def raised(one: Credit) -> str:
    return one.limit("200.00")


def lifted(one: Credit) -> str:
    return one.limit(None)


ENDS: list[tuple[Callable[[Credit], str], str]] = [
    (paid, "paid"),
    (on_account, "paid"),
    (credited, "credited"),
    (written_off, "written_off"),
    (corrected, "corrected"),
    (cancelled, "cancelled"),
    (raised, "limit_raised"),
    (lifted, "limit_lifted"),
]


@pytest.mark.parametrize(("end", "outcome"), ENDS, ids=[end.__name__ for end, _ in ENDS])
def test_it_is_raised_mailed_and_resolved_by_itself_naming_the_fact(end: Callable[[Credit], str], outcome: str) -> None:
    one = Credit()
    limit = one.limit("100.00")
    opener = one.invoice("I1", "120.00")
    assert (one.state, one.only.opened_by, one.only.cause, one.messages) == ("2 warning", (opener,), "limit/", 1)
    assert opener != limit
    assert one.only.figures == {
        "limit": "100.00", "exposure": "120.00", "currency": "CNY", "utilisation": "1.2000",
    }  # fmt: skip
    closer = end(one)
    assert (one.state, one.only.because, one.only.closed_on) == (outcome, (closer,), one.day(0))
    (told,) = payloads(one.desk.said, alerts.AlertResolved)
    assert (told.outcome, told.because, told.withdrawn) == (outcome, [closer], False)


def test_the_payment_that_lies_unread_beside_the_invoice_keeps_it_quiet() -> None:
    one = Credit()
    one.limit("100.00")
    one.invoice("I1", "120.00", look=False)
    one.pay("P1", "120.00", "I1", look=False)
    one.wait(3)
    assert (one.state, one.messages) == ("none", 0)


def test_money_that_only_moves_from_the_account_to_an_invoice_ends_nothing() -> None:
    one = Credit()
    one.limit("100.00")
    one.pay("P1", "50.00")
    one.invoice("I1", "170.00")
    assert one.state == "2 warning"
    used = [trade.AppliedTo(invoice_id="I1", amount=Amount(Decimal("50.00")))]
    one.tell(trade.PaymentApplied(document_id="P1", applied_to=used))
    assert [entry.what for entry in one.only.timeline] == ["raised"]


def test_a_bounced_payment_opens_another_alert_of_its_own() -> None:
    one = Credit()
    one.limit("100.00")
    one.invoice("I1", "120.00")
    one.pay("P1", "120.00", "I1")
    one.wait(2)
    back = one.tell(trade.PaymentReversed(document_id="P1", dated_on=one.day(2)))
    first, second = one.alerts
    assert (first.outcome, second.opened_by, second.opened_on) == ("paid", (back,), one.day(2))
    assert one.messages == 2


def test_a_lower_limit_takes_hold_on_its_day_and_opens_it_itself() -> None:
    one = Credit()
    one.limit("200.00")
    one.invoice("I1", "120.00")
    lower = one.limit("100.00", on=5)
    one.wait(4)
    assert one.state == "none"
    one.wait(5)
    assert (one.state, one.only.opened_by, one.only.opened_on) == ("2 warning", (lower,), one.day(5))
    higher = one.limit("500.00", on=8)
    one.wait(7)
    assert one.state == "2 warning"
    one.wait(8)
    assert (one.state, one.only.because, one.only.closed_on) == ("limit_raised", (higher,), one.day(8))


def test_money_dated_ahead_counts_from_its_day() -> None:
    one = Credit()
    one.limit("100.00")
    one.invoice("I1", "120.00", on=3)
    one.pay("P1", "110.00", on=6)
    one.wait(2)
    assert one.state == "none"
    one.wait(3)
    assert (one.state, one.only.opened_on) == ("2 warning", one.day(3))
    one.wait(6)
    assert (one.state, one.only.closed_on) == ("within_limit", one.day(6))


def test_what_comes_and_goes_on_one_day_ahead_is_no_alert() -> None:
    one = Credit()
    one.limit("100.00")
    one.invoice("I1", "120.00", on=3)
    one.pay("P1", "120.00", "I1", on=3)
    one.wait(9)
    assert (one.state, one.messages) == ("none", 0)


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        ("Asia/Shanghai", datetime(2026, 3, 14, 15, 59, tzinfo=UTC), datetime(2026, 3, 14, 16, 1, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 3, 15, 3, 59, tzinfo=UTC), datetime(2026, 3, 15, 4, 1, tzinfo=UTC)),
    ],
)
def test_a_day_begins_at_midnight_of_the_company(zone: str, before: datetime, after: datetime) -> None:
    one = Credit(zone=ZoneInfo(zone))
    one.limit("200.00")
    one.invoice("I1", "120.00")
    one.limit("100.00", on=5)
    one.desk.advance(before)
    assert one.state == "none"
    one.desk.advance(after)
    assert (one.state, one.only.opened_on) == ("2 warning", one.day(5))


def test_a_limit_of_a_company_is_held_against_what_is_owed_to_it_and_one_without_against_all() -> None:
    one = Credit()
    one.limit("100.00")
    one.limit("50.00", company="east/1")
    one.invoice("I1", "45.00", company="east/1")
    one.invoice("I2", "60.00", company="west")
    found = {alert.cause: (alert.stage, alert.figures.get("company")) for alert in one.alerts}
    assert found == {"limit/east%2F1": (1, "east/1"), "limit/": (2, None)}
    (east, _) = sorted(payloads(one.desk.said, alerts.AlertRaised), key=lambda said: said.severity)
    assert (east.company, east.cause) == ("east/1", "limit/east%2F1")


def test_money_of_another_currency_is_named_and_not_added() -> None:
    one = Credit()
    one.limit("100.00")
    one.invoice("I1", "12.00", currency="USD")
    assert one.state == "none"
    one.invoice("I2", "90.00")
    assert (one.state, one.only.figures["exposure"]) == ("1 notice", "90.00")
    assert one.only.figures["not_counted"] == "12.00 USD"


def test_open_orders_count_where_the_setting_says_so_until_they_are_closed() -> None:
    one = Credit(orders=True)
    one.limit("100.00")
    one.invoice("I1", "50.00")
    order = one.order("O1", "60.00")
    assert (one.state, one.only.opened_by, one.only.figures["orders"]) == ("2 warning", (order,), "60.00")
    one.tell(sales.OrderDelivered(order_id="O1", delivered_on=one.day(0), complete=True))
    assert one.state == "2 warning"
    closed = one.tell(sales.OrderClosed(order_id="O1", reason="cancelled"))
    assert (one.state, one.only.because) == ("order_closed", (closed,))


def test_open_orders_do_not_count_by_default() -> None:
    one = Credit()
    one.limit("100.00")
    one.order("O1", "600.00")
    assert one.state == "none"


def test_an_order_placed_again_with_other_content_is_refused() -> None:
    one = Credit()
    one.order("O1", "60.00")
    one.order("O1", "61.00")
    assert [dead.reason for dead in one.desk.dead] == ["conflict"]
    assert "order.changed" in one.desk.dead[0].message


def test_a_late_limit_from_before_it_began_with_room_for_the_most_that_was_owed_withdraws_it() -> None:
    one = Credit()
    one.limit("100.00", on=-20)
    one.invoice("I1", "120.00")
    one.pay("P1", "30.00")
    late = one.limit("160.00", on=-10)
    assert (one.state, one.only.because) == ("withdrawn", (late,))


@pytest.mark.parametrize(("amount", "on"), [("140.00", -10), ("160.00", 0)])
def test_a_late_limit_that_proves_nothing_resolves_it(amount: str, on: int) -> None:
    one = Credit()
    one.limit("100.00", on=-20)
    one.invoice("I1", "120.00")
    one.pay("P1", "30.00")
    one.limit(amount, on=on)
    assert one.state == "limit_raised"


def test_a_customer_without_a_limit_leaves_nothing_to_look_after() -> None:
    one = Credit()
    one.limit(None)
    one.invoice("I1", "120.00")
    assert one.desk.every(CREDIT, CUSTOMER) == {}


def test_what_a_person_resolved_stays_so_while_it_stands_and_opens_anew_when_it_begins_anew() -> None:
    one = Credit()
    one.limit("100.00")
    one.invoice("I1", "120.00")
    done = alerts.AlertResolved(alert_id=one.only.alert_id, by="staff/1", resolved_at=one.desk.now, outcome="by_person")
    one.tell(done)
    one.invoice("I2", "50.00")
    assert one.state == "by_person"
    one.pay("P1", "170.00")
    assert one.state == "paid"
    one.wait(1)
    one.invoice("I3", "150.00", on=1)
    assert (len(one.alerts), one.state) == (2, "2 warning")


def test_stages_are_told_apart_to_the_cent() -> None:
    cents = [Decimal(n).scaleb(-2) for n in range(7990, 10020)]
    assert next(at for at in cents if stage(at, Decimal(100), DEFAULTS) == OVER) == Decimal("100.01")
    assert next(at for at in cents if stage(at, Decimal(100), DEFAULTS)) == Decimal("80.00")
    with pytest.raises(ValueError, match="notice"):
        Params(notice=Decimal(80))


def test_nothing_is_said_again_when_nothing_changes() -> None:
    one = Credit()
    one.limit("100.00")
    one.invoice("I1", "120.00")
    said = len(one.desk.said)
    one.tell(trade.InvoiceDisputed(invoice_id="I1", disputed=True))
    one.desk.advance(one.desk.now + timedelta(days=40))
    assert len(one.desk.said) == said


def test_a_clock_that_comes_late_judges_the_day_it_finds_and_no_day_before() -> None:
    one = Credit()
    one.limit("100.00")
    one.invoice("I1", "70.00")
    one.limit("500.00", on=5)
    one.pay("P1", "1.00", on=4)
    one.desk.now = one.noon(6)
    one.invoice("I2", "300.00", on=6, look=False)
    one.wait(9)
    assert (one.state, one.messages) == ("none", 0)


def test_a_limit_that_took_hold_unseen_is_passed_once_the_clock_looks() -> None:
    one = Credit()
    one.limit("500.00")
    one.invoice("I1", "120.00")
    one.limit("100.00", on=5)
    one.desk.now = one.noon(7)
    last = one.invoice("I2", "10.00", on=7, look=False)
    assert one.state == "none"
    one.desk.advance(one.noon(7) + timedelta(seconds=1))
    assert (one.state, one.only.opened_by, one.only.opened_on) == ("2 warning", (last,), one.day(7))

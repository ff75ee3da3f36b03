"""What an invoice says of itself, and what was open of it on a day."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest

from services.alerts.model.exchange import convert
from services.alerts.model.facts import Conflict, FactKey
from services.alerts.model.open_item import (
    Entry,
    InvoiceFacts,
    OpenItem,
    SettlementKind,
    applied_on,
    bucket,
    days_past_due,
    disputed_on,
    excess_on,
    open_on,
    returned_on,
    unusable,
    with_cancelled,
    with_corrected,
    with_dispute,
    with_entries,
    with_issued,
)

ISSUED, DUE = date(2026, 1, 10), date(2026, 1, 31)
NIL = Decimal(0)


def key(n: int) -> FactKey:
    return FactKey(time=datetime(2026, 1, 1, 0, n, tzinfo=UTC), source="erp", id=f"e{n}")


def facts(n: int, total: str = "100.00", currency: str = "CNY", due: date = DUE) -> InvoiceFacts:
    return InvoiceFacts(key=key(n), issued_on=ISSUED, due_on=due, total=Decimal(total), currency=currency)


def invoice(total: str = "100.00", currency: str = "CNY") -> OpenItem:
    return with_issued(OpenItem(subject="c1", invoice_id="INV1"), facts(1, total, currency))


def entry(
    n: int,
    amount: str,
    on: date,
    kind: SettlementKind = "payment",
    currency: str = "CNY",
    rate: str | None = None,
    application: str = "",
) -> Entry:
    return Entry(
        document_id=f"P{n}",
        kind=kind,
        on=on,
        amount=Decimal(amount),
        currency=currency,
        rate=Decimal(rate) if rate else None,
        key=key(n),
        application=application or key(n).ref,
    )


def settled(item: OpenItem, *entries: Entry) -> OpenItem:
    for document in {one.document_id for one in entries}:
        item = with_entries(item, document, [one for one in entries if one.document_id == document])
    return item


def test_an_invoice_is_open_from_its_issue_on_and_not_the_day_before() -> None:
    assert open_on(invoice(), date(2026, 1, 9)) == 0
    assert open_on(invoice(), ISSUED) == Decimal("100.00")


def test_an_entry_reduces_from_its_day_on() -> None:
    item = settled(invoice(), entry(2, "30.01", date(2026, 2, 5)))
    assert open_on(item, date(2026, 2, 4)) == Decimal("100.00")
    assert open_on(item, date(2026, 2, 5)) == Decimal("69.99")


def test_what_was_paid_before_the_issue_counts_from_the_issue() -> None:
    item = settled(invoice(), entry(2, "30.00", date(2026, 1, 5)))
    assert returned_on(item, date(2026, 1, 9)) == {"CNY": Decimal("30.00")}
    assert (open_on(item, ISSUED), returned_on(item, ISSUED)) == (Decimal("70.00"), {})


def test_the_same_issue_again_changes_nothing_and_the_earlier_fact_keeps_the_name() -> None:
    item = invoice()
    assert with_issued(item, facts(7)) == item
    assert with_issued(with_issued(OpenItem(subject="c1", invoice_id="INV1"), facts(7)), facts(1)) == item


def test_an_issue_with_other_content_is_a_conflict_that_says_what_to_send() -> None:
    with pytest.raises(Conflict, match=r"100\.00 CNY.*99\.00 CNY.*invoice\.corrected"):
        with_issued(invoice(), facts(2, "99.00"))


def test_of_two_corrections_the_later_fact_holds_whichever_comes_first_even_before_the_issue() -> None:
    empty = OpenItem(subject="c1", invoice_id="INV1")
    first, second = facts(2, "80.00"), facts(3, "90.00")
    one = with_issued(with_corrected(with_corrected(empty, second), first), facts(1))
    other = with_corrected(with_corrected(with_issued(empty, facts(1)), first), second)
    assert one == other
    assert open_on(one, DUE) == Decimal("90.00")


def test_a_cancelled_invoice_is_open_up_to_the_day_before_and_its_money_goes_back() -> None:
    item = settled(invoice(), entry(2, "30.00", date(2026, 1, 20)))
    item = with_cancelled(item, key(3), date(2026, 2, 10))
    assert open_on(item, date(2026, 2, 9)) == Decimal("70.00")
    assert open_on(item, date(2026, 2, 10)) == 0
    assert returned_on(item, date(2026, 2, 9)) == {}
    assert returned_on(item, date(2026, 2, 10)) == {"CNY": Decimal("30.00")}
    assert with_cancelled(item, key(4), date(2026, 2, 11)) == item
    assert open_on(with_corrected(item, facts(9, "500.00")), date(2026, 2, 10)) == 0


def test_what_is_paid_beyond_the_total_is_the_customers_again() -> None:
    item = settled(invoice(), entry(2, "70.00", DUE), entry(3, "50.00", DUE, "credit_note"))
    assert (open_on(item, DUE), excess_on(item, DUE)) == (NIL, Decimal("20.00"))


def test_a_write_off_beyond_the_total_is_nobodys_money() -> None:
    only = settled(invoice(), entry(2, "130.00", DUE, "write_off"))
    assert (open_on(only, DUE), excess_on(only, DUE)) == (NIL, NIL)
    mixed = settled(invoice(), entry(2, "20.00", DUE, "write_off"), entry(3, "100.00", DUE))
    assert excess_on(mixed, DUE) == Decimal("20.00")


def test_another_currency_reduces_only_with_a_rate_and_is_listed_without() -> None:
    item = settled(invoice("712.35"), entry(2, "100.00", DUE, currency="USD"))
    assert open_on(item, DUE) == Decimal("712.35")
    assert [one.document_id for one in unusable(item)] == ["P2"]
    assert returned_on(item, DUE) == {"USD": Decimal("100.00")}
    rated = settled(invoice("712.35"), entry(2, "100.00", DUE, currency="USD", rate="7.123456"))
    assert open_on(rated, DUE) == NIL
    assert not unusable(rated)
    assert not returned_on(rated, DUE)


@pytest.mark.parametrize(
    ("amount", "rate", "currency", "expected"),
    [
        ("1.00", "0.125", "CNY", "0.12"),  # half goes to the even neighbour
        ("1.00", "0.135", "CNY", "0.14"),
        ("1.01", "155.5", "JPY", "157"),
        ("1.00", "0.30855", "KWD", "0.309"),
    ],
)
def test_conversion_rounds_half_to_even_at_the_minor_unit(amount: str, rate: str, currency: str, expected: str) -> None:
    item = settled(invoice("500", currency), entry(2, amount, DUE, currency="USD", rate=rate))
    assert applied_on(item, DUE) == Decimal(expected)


def test_conversion_rounds_once_however_long_the_product_is() -> None:
    product = convert(Decimal("100000000000000.01"), Decimal("100000000.500000000001"), "CNY")
    assert product == Decimal("10000000050000001000100.01")


def test_a_foreign_payment_taken_back_in_parts_leaves_no_stray_cent() -> None:
    back = [entry(2, amount, DUE, currency="USD", rate="7.123456") for amount in ("-33.33", "-33.33", "-33.34")]
    whole = entry(2, "100.00", DUE, currency="USD", rate="7.123456")
    assert applied_on(settled(invoice("712.35"), whole, *back), DUE) == 0


def test_a_payment_on_an_unknown_invoice_waits_for_it() -> None:
    item = settled(OpenItem(subject="c1", invoice_id="INV9"), entry(2, "40.00", DUE))
    assert item.waiting
    assert (open_on(item, DUE), returned_on(item, DUE)) == (NIL, {"CNY": Decimal("40.00")})
    assert days_past_due(item, DUE) is None
    known = with_issued(item, facts(5))
    assert (known.waiting, open_on(known, DUE), returned_on(known, DUE)) == (False, Decimal("60.00"), {})


def test_a_settlement_replaces_all_its_own_entries_and_no_others() -> None:
    item = settled(invoice(), entry(2, "10.00", DUE), entry(3, "20.00", DUE))
    item = with_entries(item, "P2", [entry(2, "15.00", DUE)])
    assert open_on(item, DUE) == Decimal("65.00")
    assert open_on(with_entries(item, "P3", []), DUE) == Decimal("85.00")


def test_of_disputes_the_last_word_up_to_the_day_holds() -> None:
    item = with_dispute(invoice(), key(5), date(2026, 2, 9), False)
    item = with_dispute(item, key(4), date(2026, 2, 5), True)
    days = [date(2026, 2, day) for day in (4, 5, 8, 9)]
    assert [disputed_on(item, day) for day in days] == [False, True, True, False]
    assert with_dispute(item, key(4), date(2026, 2, 5), True) == item


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (-400, "current"),
        (0, "current"),
        (1, "1-30"),
        (30, "1-30"),
        (31, "31-60"),
        (60, "31-60"),
        (61, "61-90"),
        (90, "61-90"),
        (91, "91+"),
        (4000, "91+"),
    ],
)
def test_buckets_have_their_limits_where_methods_says(days: int, expected: str) -> None:
    assert bucket(days) == expected


def test_an_item_comes_back_from_a_store_that_keeps_days_as_text_as_it_was() -> None:
    item = settled(invoice(), entry(2, "10.00", DUE, currency="USD", rate="7.1"))
    item = with_dispute(with_cancelled(item, key(3), DUE), key(4), DUE, True)
    kept = msgspec.to_builtins(item, builtin_types=(Decimal, datetime))
    assert msgspec.convert(kept, type=OpenItem) == item


def test_fact_keys_sort_the_same_before_and_after_a_store_that_keeps_milliseconds() -> None:
    finer = FactKey(time=datetime(2026, 1, 1, 0, 0, 0, 123999, tzinfo=UTC), source="erp", id="b")
    assert finer.time.microsecond == 123000
    assert finer > FactKey(time=datetime(2026, 1, 1, 0, 0, 0, 123500, tzinfo=UTC), source="erp", id="a")


def test_causes_of_different_invoices_never_look_alike() -> None:
    one = OpenItem(subject="c1", company="a/b", invoice_id="c").cause
    other = OpenItem(subject="c1", company="a", invoice_id="b/c").cause
    assert one != other

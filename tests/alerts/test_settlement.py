"""What a payment, credit note or write-off does to invoices, and what is left of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.alerts.model.facts import Conflict, FactKey
from services.alerts.model.open_item import InvoiceFacts, OpenItem, SettlementKind, open_on, with_issued
from services.alerts.model.settlement import (
    Application,
    Part,
    Receipt,
    Reversal,
    Settlement,
    credit_on,
    entries_for,
    misfits,
    on_account,
    over_applied,
    reenter,
    reversed_on,
    with_application,
    with_receipt,
    with_reversal,
)

START = date(2026, 2, 1)
NIL = Decimal(0)


def day(n: int) -> date:
    return START + timedelta(days=n)


def key(n: int) -> FactKey:
    return FactKey(time=datetime(2026, 2, 1, 0, n, tzinfo=UTC), source="erp", id=f"e{n}")


def part(invoice: str, amount: str, rate: str | None = None) -> Part:
    return Part(invoice_id=invoice, amount=Decimal(amount), rate=Decimal(rate) if rate else None)


def received(
    total: str, *parts: Part, n: int = 1, kind: SettlementKind = "payment", currency: str = "CNY"
) -> Settlement:
    empty = Settlement(subject="c1", document_id="P1")
    receipt = Receipt(
        key=key(n), kind=kind, dated_on=START, total=Decimal(total), currency=currency, applied_to=tuple(parts)
    )
    return with_receipt(empty, receipt)


def applied(settlement: Settlement, n: int, on: date, *parts: Part) -> Settlement:
    return with_application(settlement, Application(key=key(n), on=on, parts=tuple(parts)))


def reversed_(settlement: Settlement, n: int, on: date, amount: str | None = None) -> Settlement:
    return with_reversal(settlement, Reversal(key=key(n), dated_on=on, amount=Decimal(amount) if amount else None))


def on_invoices(settlement: Settlement, on: date) -> dict[str, Decimal]:
    return {
        invoice: sum((entry.amount for entry in entries if entry.on <= on), Decimal(0))
        for invoice, entries in entries_for(settlement).items()
    }


def test_what_is_not_applied_lies_on_account_from_the_documents_day() -> None:
    payment = received("100.00", part("INV1", "60.00"))
    assert on_invoices(payment, START) == {"INV1": Decimal("60.00")}
    assert [on_account(payment, on) for on in (day(-1), START)] == [0, Decimal("40.00")]


def test_what_is_applied_later_comes_off_the_account_on_its_day() -> None:
    payment = applied(received("100.00", part("INV1", "60.00")), 2, day(3), part("INV2", "25.00"))
    assert [on_account(payment, day(n)) for n in (2, 3)] == [Decimal("40.00"), Decimal("15.00")]
    assert on_invoices(payment, day(3)) == {"INV1": Decimal("60.00"), "INV2": Decimal("25.00")}


def test_an_application_said_to_be_earlier_than_the_document_counts_from_its_day() -> None:
    payment = applied(received("100.00"), 2, day(-9), part("INV1", "100.00"))
    assert [entry.on for entry in entries_for(payment)["INV1"]] == [START]


def test_an_application_that_comes_before_its_document_waits() -> None:
    early = applied(Settlement(subject="c1", document_id="P1"), 2, day(3), part("INV1", "25.00"))
    assert early.waiting
    assert not entries_for(early)
    assert on_account(early, day(9)) == NIL
    receipt = received("100.00").receipt
    assert receipt is not None
    assert with_receipt(early, receipt) == applied(received("100.00"), 2, day(3), part("INV1", "25.00"))


def test_the_same_document_again_changes_nothing_and_other_content_is_a_conflict() -> None:
    payment = received("100.00", part("INV1", "60.00"))
    again = received("100.00", part("INV1", "60.00"), n=5).receipt
    other = received("100.01", part("INV1", "60.00"), n=5).receipt
    assert again is not None
    assert other is not None
    assert with_receipt(payment, again) == payment
    with pytest.raises(Conflict, match=r"100\.00 CNY.*100\.01 CNY.*payment\.applied"):
        with_receipt(payment, other)


def test_a_full_reversal_undoes_all_at_its_date() -> None:
    payment = reversed_(received("100.00", part("INV1", "60.00"), part("INV2", "15.00")), 3, day(5))
    assert on_invoices(payment, day(4)) == {"INV1": Decimal("60.00"), "INV2": Decimal("15.00")}
    assert on_invoices(payment, day(5)) == {"INV1": 0, "INV2": 0}
    assert (on_account(payment, day(5)), reversed_on(payment, day(5))) == (NIL, Decimal("100.00"))


def test_a_partial_reversal_takes_the_account_first_and_then_the_latest_applications() -> None:
    payment = applied(
        received("100.00", part("INV1", "40.00"), part("INV2", "30.00")), 2, day(2), part("INV3", "20.00")
    )
    payment = reversed_(payment, 3, day(5), "45.00")
    # 10.00 lay on account, then INV3 gives its 20.00 and INV2, the last part of the document itself, 15.00.
    assert on_invoices(payment, day(5)) == {"INV1": Decimal("40.00"), "INV2": Decimal("15.00"), "INV3": 0}
    assert on_account(payment, day(5)) == 0


def test_more_applied_than_there_was_is_kept_flagged_and_owed_by_the_account() -> None:
    payment = applied(received("100.00", part("INV1", "100.00")), 2, day(2), part("INV2", "20.00"))
    assert over_applied(payment)
    assert on_account(payment, day(2)) == Decimal("-20.00")
    assert not over_applied(received("100.00", part("INV1", "100.00")))


def test_a_partial_reversal_of_an_over_applied_one_leaves_what_the_account_owes() -> None:
    payment = applied(received("100.00", part("INV1", "100.00")), 2, day(2), part("INV2", "20.00"))
    payment = reversed_(payment, 3, day(5), "30.00")
    assert on_invoices(payment, day(5)) == {"INV1": Decimal("90.00"), "INV2": NIL}
    assert on_account(payment, day(5)) == Decimal("-20.00")


def test_reversals_take_back_no_more_than_there_was() -> None:
    payment = reversed_(reversed_(received("100.00", part("INV1", "100.00")), 2, day(1), "70.00"), 3, day(2), "70.00")
    assert reversed_on(payment, day(2)) == Decimal("100.00")
    assert on_invoices(payment, day(2)) == {"INV1": 0}


def test_a_write_off_on_account_is_no_credit_of_the_customer() -> None:
    assert credit_on(received("100.00", part("INV1", "60.00"), kind="write_off"), START) == 0
    assert credit_on(received("100.00", part("INV1", "60.00"), kind="credit_note"), START) == Decimal("40.00")


def test_a_part_named_in_another_currency_than_its_document_is_set_aside() -> None:
    wrong = Part(invoice_id="INV1", amount=Decimal("10.00"), currency="USD")
    payment = applied(received("100.00"), 2, day(1), wrong)
    assert (misfits(payment), on_account(payment, day(1))) == ((wrong,), Decimal("100.00"))


def test_a_part_finer_than_the_currency_is_rounded_and_its_rest_stays_on_account() -> None:
    payment = applied(received("100.00"), 2, day(1), part("INV1", "10.005"))
    assert on_invoices(payment, day(1)) == {"INV1": Decimal("10.00")}
    assert on_account(payment, day(1)) == Decimal("90.00")


def test_a_changed_settlement_changes_only_the_items_it_touches_and_makes_the_missing_one() -> None:
    facts = InvoiceFacts(key=key(0), issued_on=day(-9), due_on=day(9), total=Decimal("100.00"), currency="CNY")
    items = {name: with_issued(OpenItem(subject="c1", invoice_id=name), facts) for name in ("INV1", "INV2")}
    before = received("100.00", part("INV1", "60.00"))
    items |= reenter(items, None, before)
    changed = reenter(items, before, applied(before, 2, day(1), part("INV2", "10.00"), part("INV9", "30.00")))
    assert changed.keys() == {"INV2", "INV9"}
    assert open_on(changed["INV2"], day(1)) == Decimal("90.00")
    assert changed["INV9"].waiting


def test_a_settlement_comes_back_from_a_store_that_keeps_days_as_text_as_it_was() -> None:
    payment = reversed_(applied(received("100.00"), 2, day(1), part("INV1", "9.00", "7.1")), 3, day(2), "1.00")
    kept = msgspec.to_builtins(payment, builtin_types=(Decimal, datetime))
    assert msgspec.convert(kept, type=Settlement) == payment


cents = st.integers(1, 15000).map(lambda n: Decimal(n).scaleb(-2))
parts = st.lists(st.builds(part, st.sampled_from(["INV1", "INV2", "INV3"]), cents.map(str)), max_size=3)
steps = st.lists(
    st.tuples(st.sampled_from(["apply", "reverse", "undo"]), st.integers(-3, 12), parts, cents.map(str)), max_size=6
)


@settings(max_examples=150, deadline=None)
@given(total=cents, own=parts, steps=steps)
def test_money_is_conserved_to_the_cent_on_every_day(
    total: Decimal, own: list[Part], steps: list[tuple[str, int, list[Part], str]]
) -> None:
    payment = received(str(total), *own)
    for n, (what, offset, pieces, amount) in enumerate(steps, start=2):
        if what == "apply":
            payment = applied(payment, n, day(offset), *pieces)
        else:
            payment = reversed_(payment, n, day(offset), amount if what == "reverse" else None)
    for n in range(14):
        used = sum(on_invoices(payment, day(n)).values(), Decimal(0))
        assert used + on_account(payment, day(n)) + reversed_on(payment, day(n)) == total
        assert all(amount >= 0 for amount in on_invoices(payment, day(n)).values())

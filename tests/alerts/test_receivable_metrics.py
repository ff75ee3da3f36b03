"""DSO, best possible DSO, days delinquent and collection effectiveness: worked by hand, and computed another way."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.model.ageing import age
from services.alerts.model.collection import NO_SALES, NOTHING_DUE, CollectionRow, collection
from services.alerts.model.facts import FactKey
from services.alerts.model.open_item import InvoiceFacts, OpenItem, SettlementKind, with_cancelled, with_issued
from services.alerts.model.settlement import Part, Receipt, Settlement, reenter, with_receipt

D = Decimal
FIRST, LAST = date(2026, 1, 1), date(2026, 3, 31)


def key(name: str) -> FactKey:
    return FactKey(time=datetime(2026, 1, 1, tzinfo=UTC), source="erp", id=name)


def exactly(*values: int) -> tuple[Decimal, ...]:
    return tuple(map(D, values))


class Books:
    """Invoices and what settled them, in the making."""

    def __init__(self) -> None:
        self.items: dict[str, OpenItem] = {}
        self.settlements: list[Settlement] = []

    def invoice(
        self, name: str, total: str, issued: date, due: date, customer: str = "c1", currency: str = "CNY"
    ) -> Books:
        facts = InvoiceFacts(key=key(name), issued_on=issued, due_on=due, total=D(total), currency=currency)
        self.items[name] = with_issued(OpenItem(subject=customer, invoice_id=name), facts)
        return self

    def settled(self, invoice: str, amount: str, on: date, kind: SettlementKind = "payment") -> Books:
        item = self.items[invoice]
        assert item.invoice is not None
        receipt = Receipt(
            key=key(f"S{len(self.settlements)}"),
            kind=kind,
            dated_on=on,
            total=D(amount),
            currency=item.invoice.currency,
            applied_to=(Part(invoice_id=invoice, amount=D(amount)),),
        )
        document = Settlement(subject=item.subject, document_id=f"S{len(self.settlements)}")
        settlement = with_receipt(document, receipt)
        self.settlements.append(settlement)
        self.items |= reenter(self.items, None, settlement)
        return self

    def rows(self, first: date = FIRST, last: date = LAST, by_customer: bool = False) -> tuple[CollectionRow, ...]:
        return collection(self.items.values(), first, last, by_customer=by_customer)

    def row(self, first: date = FIRST, last: date = LAST) -> CollectionRow:
        (found,) = self.rows(first, last)
        return found


def quarter() -> Books:
    """A quarter of 90 days that begins with 1,000 open, invoices 9,000 and ends with 3,600, of which 1,500 current."""
    books = Books().invoice("old", "1000.00", date(2025, 12, 1), date(2025, 12, 31))
    books.invoice("jan", "4000.00", date(2026, 1, 10), date(2026, 2, 9))
    books.invoice("feb", "3500.00", date(2026, 2, 1), date(2026, 3, 3))
    books.invoice("mar", "1500.00", date(2026, 3, 15), date(2026, 4, 14))
    books.settled("old", "1000.00", date(2026, 1, 20)).settled("jan", "3400.00", date(2026, 2, 20))
    return books.settled("feb", "2000.00", date(2026, 3, 31))


def test_a_worked_quarter() -> None:
    row = quarter().row()
    assert (row.begin_total, row.sales, row.end_total, row.end_current) == exactly(1000, 9000, 3600, 1500)
    assert row.days == 90
    assert row.dso == D("36")  # 3600 / 9000 * 90
    assert row.best_possible_dso == D("15")  # 1500 / 9000 * 90
    assert row.average_days_delinquent == D("21")
    assert row.collection_effectiveness == D("75.2941")  # (1000 + 9000 - 3600) / (1000 + 9000 - 1500) * 100
    assert row.reasons == ()


def test_all_that_fell_due_collected_is_a_hundred_per_cent_and_no_days_delinquent() -> None:
    books = quarter().settled("jan", "600.00", LAST).settled("feb", "1500.00", LAST)
    row = books.row()
    assert (row.dso, row.best_possible_dso, row.average_days_delinquent) == exactly(15, 15, 0)
    assert row.collection_effectiveness == 100


def test_both_days_of_the_period_count_and_the_beginning_is_the_end_of_the_day_before() -> None:
    books = Books()
    for name, issued in (("before", -1), ("first", 0), ("last", 89), ("after", 90)):
        books.invoice(name, "100.00", FIRST + timedelta(days=issued), date(2026, 6, 1))
    row = books.row()
    assert (row.begin_total, row.sales, row.end_total) == exactly(100, 200, 300)
    # A payment of the first day was still open at the beginning; one of the last day is in.
    books.settled("before", "30.00", FIRST).settled("last", "40.00", LAST).settled("first", "5.00", date(2026, 4, 1))
    row = books.row()
    assert (row.begin_total, row.end_total) == exactly(100, 230)


def test_two_periods_that_touch_share_what_is_open_between_them() -> None:
    books = quarter()
    for day in (date(2026, 1, 20), date(2026, 2, 20), date(2026, 3, 3)):
        assert books.row(FIRST, day).end_total == books.row(day + timedelta(days=1), LAST).begin_total


def test_what_is_due_on_the_last_day_is_still_current() -> None:
    books = Books().invoice("today", "100.00", FIRST, LAST)
    books.invoice("yesterday", "40.00", FIRST, LAST - timedelta(days=1))
    assert (books.row().end_total, books.row().end_current) == exactly(140, 100)


def test_without_sales_there_are_no_days_of_sales_and_the_reason_is_said() -> None:
    row = Books().invoice("old", "100.00", date(2025, 12, 1), date(2025, 12, 31)).row()
    assert (row.dso, row.best_possible_dso, row.average_days_delinquent) == (None, None, None)
    assert (row.collection_effectiveness, row.reasons) == (D(0), (NO_SALES,))


def test_where_all_is_current_nothing_came_up_for_collection() -> None:
    row = Books().invoice("new", "100.00", LAST, date(2026, 4, 30)).row()
    assert (row.dso, row.best_possible_dso) == exactly(90, 90)
    assert (row.collection_effectiveness, row.reasons) == (None, (NOTHING_DUE,))


def test_an_invoice_of_nothing_divides_by_nothing() -> None:
    books = Books().invoice("free", "0.00", FIRST, LAST).invoice("old", "100.00", date(2025, 1, 1), LAST)
    assert books.row().reasons == (NO_SALES, NOTHING_DUE)
    assert Books().invoice("free", "0.00", FIRST, LAST).rows() == ()


def test_credit_notes_and_write_offs_settle_and_leave_sales_as_they_are() -> None:
    books = quarter().settled("jan", "100.00", LAST, "credit_note").settled("jan", "50.00", LAST, "write_off")
    assert (books.row().sales, books.row().end_total) == exactly(9000, 3450)


def test_more_than_the_invoice_is_never_below_nothing_open() -> None:
    books = Books().invoice("A", "100.00", FIRST, LAST).settled("A", "130.00", LAST)
    row = books.row()
    assert (row.end_total, row.dso, row.collection_effectiveness) == exactly(0, 0, 100)


def test_a_cancelled_invoice_is_no_sale() -> None:
    books = quarter()
    books.items["mar"] = with_cancelled(books.items["mar"], key("gone"), LAST)
    assert (books.row().sales, books.row().end_total, books.row().end_current) == exactly(7500, 2100, 0)


def test_currencies_stand_apart_and_so_do_customers_where_asked() -> None:
    books = quarter().invoice("yen", "7000", FIRST, LAST, currency="JPY")
    books.invoice("other", "500.00", FIRST, LAST, customer="c2")
    assert [(row.customer, row.currency, row.sales) for row in books.rows()] == [
        ("", "CNY", D(9500)),
        ("", "JPY", D(7000)),
    ]
    assert [(row.customer, row.currency, row.sales) for row in books.rows(by_customer=True)] == [
        ("c1", "CNY", D(9000)),
        ("c1", "JPY", D(7000)),
        ("c2", "CNY", D(500)),
    ]


def test_figures_are_rounded_once_half_to_even_at_the_fourth_place() -> None:
    # 1 / 800 * 90 = .1125 exactly; 1 / 16000 * 90 = .005625, half way, to the even .0056.
    books = Books().invoice("A", "16000.00", FIRST, FIRST).settled("A", "15999.00", FIRST)
    assert books.row().dso == D("0.0056")
    books = Books().invoice("A", "800.00", FIRST, FIRST).settled("A", "799.00", FIRST)
    assert format(books.row().dso or 0, "f") == "0.1125"


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="before it begins"):
        collection([], LAST, FIRST)


def test_the_first_day_of_the_calendar_has_nothing_before_it() -> None:
    assert quarter().row(date.min, LAST).begin_total == 0


invoices = st.lists(
    st.tuples(
        st.integers(0, 200),  # issued, in days of the year
        st.integers(0, 90),  # to pay within
        st.integers(1, 100_000),  # cents
        st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60_000)), max_size=3),  # paid: when, cents
        st.sampled_from(["CNY", "USD"]),
        st.sampled_from(["c1", "c2"]),
    ),
    max_size=8,
)


@given(invoices, st.integers(0, 250), st.integers(0, 120))
def test_an_independent_computation_agrees(
    made: list[tuple[int, int, int, list[tuple[int, int]], str, str]], begin: int, length: int
) -> None:
    def day(at: int) -> date:
        return date(2026, 1, 1) + timedelta(days=at)

    books = Books()
    for at, (issued, within, cents, paid, currency, customer) in enumerate(made):
        books.invoice(str(at), str(D(cents) / 100), day(issued), day(issued + within), customer, currency)
        for on, part in paid:
            books.settled(str(at), str(D(part) / 100), day(on))
    end = begin + length
    rows = {row.currency: row for row in books.rows(day(begin), day(end))}
    for currency in ("CNY", "USD"):
        own = [one for one in made if one[4] == currency]

        def owed(one: tuple[int, int, int, list[tuple[int, int]], str, str], at: int) -> int:
            return max(0, one[2] - sum(part for on, part in one[3] if on <= at)) if one[0] <= at else 0

        begun, ended = (sum(owed(one, at) for one in own) for at in (begin - 1, end))
        sales = sum(one[2] for one in own if begin <= one[0] <= end)
        current = sum(owed(one, end) for one in own if one[0] + one[1] >= end)
        row = rows.get(currency)
        assert (row is None) == (not begun + sales + ended)
        if row is None:
            continue
        assert [row.begin_total * 100, row.sales * 100, row.end_total * 100, row.end_current * 100] == [
            begun, sales, ended, current
        ]  # fmt: skip
        assert row.dso == rounded(Fraction(ended * (length + 1), sales) if sales else None)
        assert row.best_possible_dso == rounded(Fraction(current * (length + 1), sales) if sales else None)
        assert row.average_days_delinquent == rounded(
            Fraction((ended - current) * (length + 1), sales) if sales else None
        )
        due = begun + sales - current
        assert row.collection_effectiveness == rounded(Fraction((begun + sales - ended) * 100, due) if due else None)


def rounded(value: Fraction | None) -> Decimal | None:
    if value is None:
        return None
    return (D(value.numerator) / D(value.denominator)).quantize(D("0.0001"), rounding=ROUND_HALF_EVEN)


def test_receivables_are_those_of_the_ageing() -> None:
    books = quarter().invoice("other", "500.00", date(2026, 3, 1), date(2026, 3, 20), customer="c2")
    ageing = age(books.items.values(), books.settlements, LAST).ageing
    row = books.row()
    assert row.end_total == sum(one.open_total for one in ageing)
    assert row.end_current == sum(one.buckets[0] for one in ageing)

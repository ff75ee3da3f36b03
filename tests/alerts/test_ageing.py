"""Ageing and exposure from the model: what stands in which bucket, what is credit, who is over his limit."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from services.alerts.model.ageing import Aged, AgeingRow, ExposureRow, Limit, age
from services.alerts.model.facts import FactKey
from services.alerts.model.open_item import InvoiceFacts, OpenItem, SettlementKind, with_cancelled, with_issued
from services.alerts.model.rates import NO_RATES, Rate, RateMissing, Rates
from services.alerts.model.settlement import Part, Receipt, Settlement, reenter, with_receipt

AS_OF = date(2026, 6, 30)
D = Decimal
NIL = Decimal(0)


def key(name: str) -> FactKey:
    return FactKey(time=datetime(2026, 1, 1, tzinfo=UTC), source="erp", id=name)


class Made:
    """Books in the making."""

    def __init__(self) -> None:
        self.items: dict[str, OpenItem] = {}
        self.settlements: list[Settlement] = []
        self.limits: dict[str, Limit] = {}

    def invoice(
        self, name: str, total: str, late: int = 0, customer: str = "c1", currency: str = "CNY", age: int = 200
    ) -> Made:
        facts = InvoiceFacts(
            key=key(name),
            issued_on=AS_OF - timedelta(days=age),
            due_on=AS_OF - timedelta(days=late),
            total=D(total),
            currency=currency,
        )
        self.items[name] = with_issued(OpenItem(subject=customer, invoice_id=name), facts)
        return self

    def settled(
        self,
        name: str,
        total: str,
        *parts: tuple[str, str],
        kind: SettlementKind = "payment",
        customer: str = "c1",
        currency: str = "CNY",
        age: int = 1,
    ) -> Made:
        receipt = Receipt(
            key=key(name),
            kind=kind,
            dated_on=AS_OF - timedelta(days=age),
            total=D(total),
            currency=currency,
            applied_to=tuple(Part(invoice_id=invoice, amount=D(amount)) for invoice, amount in parts),
        )
        settlement = with_receipt(Settlement(subject=customer, document_id=name), receipt)
        self.settlements.append(settlement)
        self.items |= reenter(self.items, None, settlement)
        return self

    def limit(self, amount: str | None, currency: str | None = "CNY", customer: str = "c1") -> Made:
        self.limits[customer] = Limit(amount=None if amount is None else D(amount), currency=currency)
        return self

    def aged(self, rates: Rates = NO_RATES) -> Aged:
        return age(self.items.values(), self.settlements, AS_OF, self.limits, rates)

    def exposure(self, rates: Rates = NO_RATES) -> ExposureRow:
        (row,) = self.aged(rates).exposure
        return row


def test_every_bucket_has_its_first_and_last_day() -> None:
    made = Made()
    for late in (-5, 0, 1, 30, 31, 60, 61, 90, 91, 199):
        made.invoice(f"late {late}", "1.00", late)
    (row,) = made.aged().ageing
    assert row.buckets == (D("2.00"),) * 5
    assert (row.open_total, row.overdue, row.net) == (D("10.00"), D("8.00"), D("10.00"))


def test_open_items_show_what_is_open_sorted_and_nothing_that_is_settled_or_not_issued_yet() -> None:
    made = (
        Made().invoice("B", "10.00", 3).invoice("A", "10.00", 3).invoice("paid", "5.00").invoice("later", "9", age=-1)
    )
    made.settled("P1", "9.99", ("A", "4.99"), ("paid", "5.00"))
    rows = made.aged().open_items
    assert [(row.invoice, row.open, row.days_past_due, row.bucket) for row in rows] == [
        ("A", D("5.01"), 3, "1-30"),
        ("B", D("10.00"), 3, "1-30"),
    ]


def test_credit_reduces_the_net_and_never_a_bucket() -> None:
    made = Made().invoice("A", "100.00", 3).settled("P1", "30.00").settled("C1", "5.00", kind="credit_note")
    (row,) = made.aged().ageing
    assert (row.buckets[1], row.unapplied_credit, row.net) == (D("100.00"), D("35.00"), D("65.00"))


def test_what_an_invoice_cannot_take_is_credit_and_an_unapplied_write_off_is_not() -> None:
    made = Made().invoice("A", "100.00", 3).settled("P1", "130.00", ("A", "130.00"))
    made.settled("W1", "50.00", kind="write_off")
    (row,) = made.aged().ageing
    assert (row.open_total, row.unapplied_credit) == (NIL, D("30.00"))


def test_money_on_unknown_and_cancelled_invoices_is_credit() -> None:
    made = Made().invoice("A", "100.00", 3).settled("P1", "40.00", ("A", "30.00"), ("unknown", "10.00"))
    made.items["A"] = with_cancelled(made.items["A"], key("gone"), AS_OF)
    (row,) = made.aged().ageing
    assert (row.open_total, row.unapplied_credit, row.net) == (NIL, D("40.00"), D("-40.00"))


def test_what_is_dated_after_the_day_does_not_exist_yet() -> None:
    made = Made().invoice("A", "100.00", 3).settled("P1", "40.00", ("A", "30.00"), age=-1)
    (row,) = made.aged().ageing
    assert (row.open_total, row.unapplied_credit) == (D("100.00"), NIL)


def test_currencies_have_rows_of_their_own_and_customers_who_owe_nothing_have_none() -> None:
    made = Made().invoice("A", "100.00", 3).invoice("B", "7000", 3, currency="JPY")
    made.invoice("C", "5.00", customer="c2").settled("P1", "5.00", ("C", "5.00"), customer="c2")
    assert [(row.customer, row.currency, row.net) for row in made.aged().ageing] == [
        ("c1", "CNY", D("100.00")),
        ("c1", "JPY", D("7000")),
    ]


@pytest.mark.parametrize(
    ("limit", "utilisation", "over"),
    [("100.00", D("1.0000"), False), ("99.99", D("1.0001"), True), ("300.00", D("0.3333"), False), ("0", None, True)],
)
def test_a_limit_is_passed_by_a_cent_and_not_by_nothing_and_none_at_all_is_no_credit(
    limit: str, utilisation: Decimal | None, over: bool
) -> None:
    row = Made().invoice("A", "100.00", 3).limit(limit).exposure()
    assert (row.utilisation, row.over_limit) == (utilisation, over)


def test_a_limit_of_nothing_is_kept_by_who_owes_nothing() -> None:
    row = Made().limit("0").exposure()
    assert (row.gross, row.net, row.utilisation, row.over_limit) == (NIL, NIL, None, False)


@pytest.mark.parametrize("currency", ["CNY", None])
def test_no_limit_is_not_checked_and_the_figures_are_still_shown(currency: str | None) -> None:
    row = Made().invoice("A", "100.00", 3).limit(None, currency).exposure()
    assert (row.limit, row.gross, row.utilisation, row.over_limit) == (None, D("100.00"), None, None)
    assert Made().invoice("A", "100.00", 3).exposure() == row


def test_not_checked_in_two_currencies_has_no_sum_and_needs_no_rate() -> None:
    row = Made().invoice("A", "100.00", 3).invoice("B", "7000", 3, currency="JPY").exposure()
    assert (row.gross, row.net, row.over_limit) == (None, None, None)


def test_a_limit_in_one_of_two_currencies_is_refused_without_a_rate_and_the_customer_is_named() -> None:
    made = Made().invoice("A", "100.00", 3).invoice("B", "100.00", 3, currency="USD").limit("900.00")
    with pytest.raises(RateMissing, match="customer c1 is in USD, his limit in CNY"):
        made.exposure()


def test_currencies_are_added_at_the_rate_of_the_day_each_sum_rounded_half_to_even() -> None:
    rates = Rates(
        [
            Rate(currency="CNY", rate=D(1)),
            Rate(currency="USD", rate=D("9.9"), on=AS_OF + timedelta(days=1)),
            Rate(currency="USD", rate=D("7.12345"), on=AS_OF - timedelta(days=5)),
            Rate(currency="USD", rate=D("6.5")),
        ]
    )
    made = Made().invoice("A", "100.00").invoice("B", "10.00", 3, currency="USD").settled("P", "1.00", currency="USD")
    row = made.limit("900.00").exposure(rates)
    assert (row.gross, row.net, row.overdue) == (D("171.23"), D("164.11"), D("71.23"))


def test_rates_go_through_the_base_between_two_other_currencies() -> None:
    rates = Rates([Rate(currency="USD", rate=D("7")), Rate(currency="EUR", rate=D("8"))], used={"USD", "EUR", "CNY"})
    assert rates.between("USD", "EUR", AS_OF) == D("0.875")
    assert rates.between("EUR", "CNY", AS_OF) == D("8")
    assert rates.between("JPY", "JPY", AS_OF) == 1


def test_a_currency_that_is_not_listed_is_the_base_only_where_it_must_be() -> None:
    for listed in ([Rate(currency="USD", rate=D("7")), Rate(currency="CNY", rate=D(1))], []):
        with pytest.raises(RateMissing, match="no rate of JPY"):
            Rates(listed, used={"USD", "JPY"}).between("JPY", "USD", AS_OF)
    with pytest.raises(RateMissing, match=r"no rate of (JPY|CNY)"):
        Rates([Rate(currency="USD", rate=D("7"))], used={"USD", "JPY", "CNY"}).between("USD", "JPY", AS_OF)


def test_a_rate_dated_after_the_day_is_not_known_yet() -> None:
    rates = Rates([Rate(currency="USD", rate=D("7"), on=AS_OF), Rate(currency="CNY", rate=D(1))])
    assert rates.between("USD", "CNY", AS_OF) == 7
    with pytest.raises(RateMissing, match="no rate of USD on or before 2026-06-29"):
        rates.between("USD", "CNY", AS_OF - timedelta(days=1))


def test_rows_add_up() -> None:
    row = AgeingRow(customer="c", currency="CNY", buckets=(D(1), D(2), D(3), D(4), D(5)), unapplied_credit=D(6))
    assert (row.open_total, row.overdue, row.net) == (D(15), D(14), D(9))

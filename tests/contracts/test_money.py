"""Money is exact, of one currency, and text on the wire."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.money import CURRENCIES, Amount, Money, amount_text, minor_units, parse_amount
from contracts.refusal import Refused

MONEY = st.builds(
    lambda units, currency: Money(Decimal(units).scaleb(-minor_units(currency)), currency),
    st.integers(-(10**14), 10**14),
    st.sampled_from(sorted(CURRENCIES)),
)


@given(MONEY)
def test_money_comes_back_from_the_wire_as_it_went(money: Money) -> None:
    wire = money.to_wire()
    assert isinstance(wire["amount"], str)
    assert Money.from_wire(wire) == money
    assert Amount.from_wire(wire).money(money.currency) == money
    assert Amount.from_wire(wire["amount"]).money(money.currency) == money


@pytest.mark.parametrize(
    ("currency", "decimals"), [("CNY", 2), ("JPY", 0), ("KWD", 3), ("RSD", 2), ("IQD", 3), ("VND", 0), ("EUR", 2)]
)
def test_a_currency_is_as_fine_as_its_books_keep_it(currency: str, decimals: int) -> None:
    assert minor_units(currency) == decimals
    fine = "1." + "1" * decimals if decimals else "1"
    assert Money.of(fine, currency).to_wire()["amount"] == fine
    with pytest.raises(Refused, match="more decimals"):
        Money.of("1." + "1" * (decimals + 1), currency)


@pytest.mark.parametrize("currency", ["RMB", "cny", "", "XXX", "XAU", "DEM"])
def test_what_is_no_currency_in_use_is_refused(currency: str) -> None:
    with pytest.raises(Refused, match="is not a currency in use"):
        Money.of("1", currency)


@pytest.mark.parametrize(
    "text", ["", " 1", "1,000", "1e3", "NaN", "Infinity", ".5", "5.", "+1", "01", "１２", "1\n", "9" * 16]
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        parse_amount(text)


@pytest.mark.parametrize("value", [1, 1.5, True, None, ["1"]])
def test_a_number_is_no_amount(value: object) -> None:
    with pytest.raises(Refused):
        Money.from_wire({"amount": value, "currency": "CNY"})


def test_money_adds_within_its_currency_only() -> None:
    assert Money.of("0.10", "CNY") + Money.of("0.20", "CNY") == Money.of("0.30", "CNY")
    assert -(Money.of("1", "CNY") - Money.of("3", "CNY")) == Money.of("2.00", "CNY")
    assert Money.of("1", "CNY") < Money.of("2", "CNY")
    with pytest.raises(ValueError, match="do not add up"):
        Money.of("1", "CNY") + Money.of("1", "USD")


def test_money_of_one_worth_is_equal_however_it_was_written() -> None:
    assert Money.of("12.5", "CNY") == Money.of("12.50", "CNY")
    assert len({Money.of("12.5", "CNY"), Money.of("12.50", "CNY")}) == 1
    assert Money.of("1", "CNY") != Money.of("1", "USD")


def test_an_amount_finer_than_its_currency_is_never_written() -> None:
    assert amount_text(Decimal("12.5"), "CNY") == "12.50"
    with pytest.raises(Refused, match="more decimals"):
        amount_text(Decimal("12.505"), "CNY")

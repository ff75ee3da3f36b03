"""Money on the wire and in the code: a Decimal with its ISO 4217 currency, never a float.

On the wire money is ``{"amount": "12.50", "currency": "CNY"}``; the amount is a string, because a JSON number has
already been through somebody's binary fraction.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from babel.core import get_global

from contracts.refusal import Refused

AMOUNT_PATTERN: Final = r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?$"
CURRENCY_PATTERN: Final = r"^[A-Z]{3}$"
MONEY_SCHEMA: Final[dict[str, Any]] = {
    "description": "an exact amount with at most the decimals of its currency; a text, never a JSON number",
    "type": "object",
    "properties": {
        "amount": {"type": "string", "pattern": AMOUNT_PATTERN},
        "currency": {"type": "string", "pattern": CURRENCY_PATTERN},
    },
    "required": ["amount", "currency"],
}
AMOUNT_SCHEMA: Final[dict[str, Any]] = {"anyOf": [{"type": "string", "pattern": AMOUNT_PATTERN}, MONEY_SCHEMA]}

# ISO 4217 minor units other than 2. CLDR's own digits follow usage in shops and give the Serbian or Iraqi dinar none,
# though their books are kept with them; so CLDR (babel) says which currencies there are, and this says how fine.
_NO_DECIMALS: Final = frozenset(
    {
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    }
)
_THREE_DECIMALS: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_OLDEST_TENDER: Final = 2015  # a currency that left circulation earlier is a typing error, not an open invoice
_amount_fits = re.compile(AMOUNT_PATTERN[:-1].replace("(", "(?:") + r"\Z").match


def _currencies() -> frozenset[str]:
    history = get_global("territory_currencies").values()
    return frozenset(
        code
        for spans in history
        for code, _begin, end, tender in spans
        if tender and (end is None or end[0] >= _OLDEST_TENDER)
    )


CURRENCIES: Final = _currencies()


def minor_units(currency: str) -> int:
    """Decimals of the currency's smallest unit (CNY 2, JPY 0, KWD 3). Raises Refused for an unknown currency."""
    if currency not in CURRENCIES:
        raise Refused("bad_money", f"{currency!r} is not a currency in use; expected an ISO 4217 code such as CNY")
    if currency in _NO_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2


_digits: Final[dict[str, int]] = {code: minor_units(code) for code in CURRENCIES}
# Form and decimals of an amount in one look, by currency; what does not fit goes the way that says what is wrong.
_right_by_digits: Final = {
    0: re.compile(r"-?(?:0|[1-9][0-9]{0,14})\Z").match,
    2: re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,2})?\Z").match,
    3: re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,3})?\Z").match,
}
_right: Final[dict[str, Callable[[str], object]]] = {code: _right_by_digits[digits] for code, digits in _digits.items()}


@lru_cache(maxsize=64)
def _quantum(currency: str) -> Decimal:
    return Decimal(1).scaleb(-minor_units(currency))


def parse_amount(text: object) -> Decimal:
    """A decimal from its text. Raises Refused when it is a number, or not plain decimal notation."""
    if type(text) is not str:
        raise Refused("bad_money", f'expected an amount as a string such as "12.50", but got {_kind(text)}')
    if _amount_fits(text) is None:
        raise Refused("bad_money", f'{text[:40]!r} is not an amount; expected digits such as "12.50", at most 15 and 4')
    return Decimal(text)


class Money:
    """An amount of one currency, exact to its minor unit. Immutable; adds and compares within its currency only."""

    # Guarding against assignment at run time would cost a tenth of a decode; Final lets mypy guard.
    __slots__ = ("amount", "currency")

    def __init__(self, amount: Decimal, currency: str) -> None:
        self.amount: Final = amount
        self.currency: Final = currency

    @classmethod
    def of(cls, amount: str | int | Decimal, currency: str) -> Money:
        """Money from a decimal text, with the checks of the wire. Raises Refused `bad_money`."""
        return cls.from_wire({"amount": str(amount), "currency": currency})

    @classmethod
    def from_wire(cls, value: object) -> Money:
        """Money from its JSON object. Raises Refused `bad_money` and says what was expected."""
        try:
            text, currency = value["amount"], value["currency"]  # type: ignore[index]  # anything may come
        except (TypeError, KeyError):
            said = f'expected {{"amount": "12.50", "currency": "CNY"}}, but got {_kind(value)}'
            raise Refused("bad_money", said) from None
        if type(text) is type(currency) is str:
            fits = _right.get(currency)
            if fits is not None and fits(text) is not None:
                return cls(Decimal(text), currency)
        amount = parse_amount(text)
        _check_decimals(text, currency)
        return cls(amount, currency)

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Nothing, in a currency."""
        return cls(Decimal(0), currency)

    def to_wire(self) -> dict[str, str]:
        """The JSON object, with all decimals of the currency. Raises Refused when the amount is finer than they are."""
        return {"amount": amount_text(self.amount, self.currency), "currency": self.currency}

    def _same(self, other: Money) -> Decimal:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add up without a dated rate")
        return other.amount

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._same(other)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and self.currency == other.currency and self.amount == other.amount

    def __hash__(self) -> int:
        return hash((self.amount, self.currency))

    def __repr__(self) -> str:
        return f"Money({self.amount} {self.currency})"


class Amount:
    """A part of a document: written as a bare decimal in the document's currency, or as money in that same currency."""

    __slots__ = ("currency", "value")

    def __init__(self, value: Decimal, currency: str | None = None) -> None:
        self.value = value
        self.currency = currency

    @classmethod
    def from_wire(cls, value: object) -> Amount:
        """Raises Refused `bad_money`."""
        if type(value) is str and _amount_fits(value) is not None:
            return cls(Decimal(value))
        if type(value) is dict:
            money = Money.from_wire(value)
            return cls(money.amount, money.currency)
        return cls(parse_amount(value))

    def to_wire(self) -> str | dict[str, str]:
        """As it was given: a text where the document's currency holds, else the JSON object of money."""
        if self.currency is None:
            return format(self.value, "f")
        return Money(self.value, self.currency).to_wire()

    def money(self, currency: str) -> Money:
        """This amount as money of the document. Raises Refused `bad_money` if it is of another currency or too fine."""
        self.check(currency)
        return Money(self.value, currency)

    def check(self, currency: str) -> None:
        """Raises Refused `bad_money` if it is of another currency than the document's, or too fine for it."""
        if self.currency is not None and self.currency != currency:
            raise Refused(
                "bad_money",
                f"the part is in {self.currency}, its document in {currency}; expected the document's currency, "
                "with `rate` where the invoice is in another",
            )
        if self.currency is None:
            text = str(self.value)
            _check_decimals(format(self.value, "f") if "E" in text else text, currency)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Amount) and self.value == other.value and self.currency == other.currency

    def __hash__(self) -> int:
        return hash((self.value, self.currency))

    def __repr__(self) -> str:
        return f"Amount({self.value} {self.currency or ''})"


def amount_text(amount: Decimal, currency: str) -> str:
    """The decimal with all digits of its currency. Raises Refused `bad_money` when it is finer than the minor unit."""
    exact = amount.quantize(_quantum(currency))
    if exact != amount:
        raise Refused("bad_money", f"{amount} has more decimals than {currency} has; round it by rule first")
    return format(exact, "f")


def _check_decimals(text: str, currency: object) -> None:
    digits = _digits.get(currency) if type(currency) is str else None
    if digits is None:
        raise Refused(
            "bad_money", f"{str(currency)[:12]!r} is not a currency in use; expected an ISO 4217 code such as CNY"
        )
    dot = text.find(".")
    if dot >= 0 and len(text) - dot - 1 > digits:
        raise Refused("bad_money", f"{text} has more decimals than {currency} has; expected at most {digits}")


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return f"the number {value!r}"
    names = {dict: "an object without amount and currency", list: "a list", str: "a text", type(None): "null"}
    return names.get(type(value), type(value).__name__)

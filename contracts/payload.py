"""The base of every payload, and the kinds of field that payloads are made of."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final

import msgspec
from msgspec import Meta

from contracts.money import AMOUNT_SCHEMA, MONEY_SCHEMA, Amount, Money
from contracts.refusal import Refused

_END: Final = r"$(?!\n)"  # Python's `$` alone would let a final line break through
ID_PATTERN: Final = r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?" + _END
MAX_ID: Final = 128
MAX_EVENT_ID: Final = 512  # ids of derived events hold their cause's id, type and number
_FAR: Final = 30 * 366
_MOST: Final = Decimal(10) ** 12

# `extra` is read by contracts.plausible: which texts are ids, and how many days after the event a date may lie. The
# pattern of an id is checked there too, at a third of what the JSON reader's regular expression costs.
Id = Annotated[
    str, Meta(min_length=1, max_length=MAX_ID, extra_json_schema={"pattern": ID_PATTERN}, extra={"id": True})
]
EventId = Annotated[str, Meta(min_length=1, max_length=MAX_EVENT_ID, description="the id of an event")]
Text = Annotated[str, Meta(min_length=1, max_length=2000)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Code = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_./-]*" + _END,
        description="a name of letters, digits and _ . / -",
    ),
]
DoneOn = Annotated[date, Meta(description="a day in the company's zone", extra={"latest": 366})]
DueOn = Annotated[date, Meta(description="a day in the company's zone, which may lie ahead", extra={"latest": _FAR})]
BornOn = Annotated[date, Meta(description="a date in a person's life", extra={"latest": 0, "earliest": 1850})]
Moment = Annotated[datetime, Meta(tz=True, description="a moment with offset", extra={"latest": _FAR})]
Zone = Annotated[
    str,
    Meta(
        max_length=64,
        pattern=r"^[A-Za-z]+(/[A-Za-z0-9_+-]+)*" + _END,
        description="a time zone of the IANA list such as Asia/Shanghai",
    ),
]
Language = Annotated[
    str, Meta(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*" + _END, description="a language tag such as zh-CN")
]
Level = Annotated[int, Meta(ge=1, le=5)]
Days = Annotated[int, Meta(ge=0, le=3660)]
# Quantities and rates are exact too, but no money: a JSON number keeps its digits, so both forms are taken.
Number = Annotated[Decimal, Meta(extra_json_schema={"description": "a decimal, as text or number"})]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}" + _END, description="an ISO 4217 code such as CNY")]
Figures = dict[str, str | int | float | bool]


class Payload(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What an event says. Unknown fields are ignored, absent optional fields are None and are not written."""

    TYPE: ClassVar[str] = ""

    def check(self) -> None:
        """What a field's type cannot say. Raises Refused; called by contracts.envelope.decode."""


class Withdrawal(Payload, frozen=True, kw_only=True):
    """Its sender never meant to say certain events: all of his own `source` about this subject whose ids begin with
    `under`. Readers take them out of what they know, as if they had not come. Nobody withdraws what another has said.
    """

    under: EventId

    def check(self) -> None:
        if not self.under.endswith("/"):
            raise Refused(
                "bad_field",
                f"under is {self.under[:128]!r}; expected the beginning of ids up to and with a slash",
                "$.under",
            )


class Part(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A group of fields inside a payload."""


def read_hook(kind: type, value: Any) -> Any:
    """msgspec's hook for the types of contracts.money."""
    if kind is Money:
        return Money.from_wire(value)
    if kind is Amount:
        return Amount.from_wire(value)
    raise NotImplementedError(f"no payload may hold {kind}")


def write_hook(value: Any) -> Any:
    """msgspec's hook for the types of contracts.money."""
    if isinstance(value, (Money, Amount)):
        return value.to_wire()
    raise NotImplementedError(f"no payload may hold {type(value)}")


def schema_hook(kind: type) -> dict[str, Any]:
    """The JSON Schema of the types of contracts.money."""
    if kind is Money:
        return MONEY_SCHEMA
    if kind is Amount:
        return AMOUNT_SCHEMA
    raise NotImplementedError(f"no payload may hold {kind}")


def is_positive(value: Decimal) -> bool:
    """Whether 0 < value <= 10^12, as a rate or a quantity must be."""
    return value.is_finite() and 0 < value <= _MOST


def positive(value: Decimal, field: str) -> None:
    """Raises Refused `bad_field` unless `is_positive`."""
    if not is_positive(value):
        raise Refused("bad_field", f"expected a number above 0 and at most 10^12, but got {str(value)[:40]}", field)


def not_negative(money: Money, field: str) -> None:
    """Raises Refused `bad_money` for an amount below zero."""
    if money.amount < 0:
        raise Refused(
            "bad_money", f"{money.amount} is below zero; expected zero or more, a return has its event", field
        )


def above_zero(money: Money, field: str) -> None:
    """Raises Refused `bad_money` for an amount of zero or below."""
    if money.amount <= 0:
        raise Refused(
            "bad_money", f"{money.amount} is not above zero; expected more, taking back has an event of its own", field
        )

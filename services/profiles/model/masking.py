"""What of a customer is shown to whom. What is hidden is named, so that nobody takes it for unknown."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

import msgspec

from services.profiles.model.customer import Customer


class Right(Enum):
    """What a reader may see beside where the customer stands."""

    PERSONAL = "personal"  # who he is, how he lives and how he is reached
    SENSITIVE = "sensitive"  # ethnicity, family, personality; needs the customer's consent besides


_SENSITIVE: Final = ("person/family", "person/personality", "person/basic/ethnicity")
# How a person buys is no secret from those who count; who he is, is.
_PERSONAL: Final = (
    "person/basic",
    "person/education",
    "person/career",
    "person/family",
    "person/lifestyle",
    "person/personality",
    "person/relationships",
    "organisation/in_charge",
)


def masked(customer: Customer, rights: frozenset[Right]) -> tuple[Customer, tuple[str, ...]]:
    """The customer without what `rights` do not cover, and the names of what was left out, sorted."""
    hidden: set[str] = set()
    if Right.PERSONAL not in rights:
        hidden.update(_PERSONAL)
        if customer.kind != "organisation":
            hidden.add("name")
    if Right.SENSITIVE not in rights:
        hidden.update(_SENSITIVE)
    left_out = sorted(path for path in hidden if _at(customer, path.split("/")) is not None)
    for path in left_out:
        customer = _without(customer, path.split("/"))
    outermost = [path for path in left_out if not any(path.startswith(f"{other}/") for other in left_out)]
    return customer, tuple(outermost)


def _at(value: Any, steps: list[str]) -> Any:
    for step in steps:
        value = getattr(value, step) if value is not None else None
    return value


def _without(value: Any, steps: list[str]) -> Any:
    first, *rest = steps
    inner = getattr(value, first)
    if inner is None:
        return value
    return msgspec.structs.replace(value, **{first: _without(inner, rest) if rest else None})

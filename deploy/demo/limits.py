"""The made part of the demo's credit: a few customers have a limit, fewer are given none, most are not looked at.

Like the courses of invoices, each customer draws from numbers of his own. The shares are chosen to show every case, not
measured anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Final

from contracts.events.customers import CreditLimitSet
from contracts.money import Money
from deploy.demo.data import CURRENCY

# In thousandths of the customers; all others have no limit set.
NO_CREDIT: Final = 4
NOT_CHECKED: Final = 8
LIMITED: Final = 70
# The limit as a multiple of the largest single purchase: below 1 that purchase alone exceeds it.
FACTORS: Final = (Decimal("0.9"), Decimal("1.2"), Decimal("1.6"), Decimal("2.5"))
RAISED: Final = 0.15  # of those with a limit: doubled some months later
STEP: Final = 10


@dataclass(frozen=True, slots=True)
class Granted:
    """A word about a customer's limit: on which day, and what."""

    day: date
    data: CreditLimitSet


def limits_of(seed: int, customer: str, since: date, largest: Decimal) -> Iterator[Granted]:
    """What is said of the customer's credit limit, from the day on which he is registered; mostly nothing."""
    draw = Random(f"{seed}/limit/{customer}")
    drawn = draw.randrange(1000)
    if drawn < NO_CREDIT:
        yield _granted(since, Decimal(0))
    elif drawn < NO_CREDIT + NOT_CHECKED:
        yield _granted(since, None)
    elif drawn < NO_CREDIT + NOT_CHECKED + LIMITED and largest > 0:
        amount = max(Decimal(STEP), (largest * draw.choice(FACTORS)) // STEP * STEP)
        yield _granted(since, amount)
        if draw.random() < RAISED:
            yield _granted(since + timedelta(days=draw.randint(120, 300)), amount * 2)


def _granted(day: date, amount: Decimal | None) -> Granted:
    limit = Money(amount.quantize(Decimal("0.01")), CURRENCY) if amount is not None else None
    return Granted(day, CreditLimitSet(limit=limit, valid_from=day))

"""Money of one currency in another, to the minor unit."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache

from contracts.money import minor_units

# Wide enough that the product of any amount and rate is exact, so that there is one rounding and not two.
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)


@lru_cache(maxsize=256)
def smallest(currency: str) -> Decimal:
    """The currency's minor unit: CNY 0.01, JPY 1, KWD 0.001. Raises contracts.refusal.Refused for an unknown one."""
    return Decimal(1).scaleb(-minor_units(currency))


def to_minor(amount: Decimal, currency: str, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    """The amount rounded (half to even) to the minor unit of its currency."""
    return amount.quantize(smallest(currency), rounding=rounding, context=_WIDE)


def convert(amount: Decimal, rate: Decimal, currency: str) -> Decimal:
    """The amount in `currency`, of which one unit of the amount's own currency buys `rate`; rounded half to even."""
    return to_minor(_WIDE.multiply(amount, rate), currency)


def ratio(part: Decimal, whole: Decimal) -> Decimal:
    """part / whole with far more digits than money needs. Raises decimal.DivisionByZero."""
    return _WIDE.divide(part, whole)

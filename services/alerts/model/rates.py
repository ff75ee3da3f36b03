"""Dated exchange rates against one base currency."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Final

import msgspec

from services.alerts.model.exchange import ratio

_ONE: Final = Decimal(1)


class RateMissing(ValueError):  # noqa: N818 - a verdict on what was given
    """Money of two currencies would have to be added, and no rate says how. The message says which one is missing."""


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """One unit of `currency` is worth `rate` (above 0) units of the base from `on` until the next; None: always."""

    currency: str
    rate: Decimal
    on: date | None = None


class Rates:
    """Rates of one list. All are against one base currency.

    The base is the currency listed with rate 1, or the only one of `used` that is not listed. A rate dated `on` holds
    from that day until the next of its currency; one without a date holds where no dated one does yet.
    """

    def __init__(self, rates: Iterable[Rate], used: Collection[str] = ()) -> None:
        quotes: dict[str, list[tuple[date, Decimal]]] = defaultdict(list)
        for rate in rates:
            quotes[rate.currency].append((rate.on or date.min, rate.rate))
        self._quotes: Mapping[str, list[tuple[date, Decimal]]] = {
            currency: sorted(quotes[currency]) for currency in quotes
        }
        named = any(rate == _ONE for listed in quotes.values() for _, rate in listed)
        unlisted = [currency for currency in set(used) if currency not in quotes]
        self._base = unlisted[0] if quotes and not named and len(unlisted) == 1 else None

    def between(self, currency: str, other: str, day: date) -> Decimal:
        """How many units of `other` one unit of `currency` was worth on the day.

        Raises:
            RateMissing: one of the two has no rate on or before the day.
        """
        if currency == other:
            return _ONE
        return ratio(self._worth(currency, other, day), self._worth(other, currency, day))

    def _worth(self, currency: str, other: str, day: date) -> Decimal:
        if currency == self._base:
            return _ONE
        held = [rate for on, rate in self._quotes.get(currency, ()) if on <= day]
        if not held:
            raise RateMissing(
                f"no rate of {currency} on or before {day} is known, needed beside {other}; add one to the rates "
                "(a row for each currency: its worth in one base currency, which itself has rate 1)"
            )
        return held[-1]


NO_RATES: Final = Rates(())

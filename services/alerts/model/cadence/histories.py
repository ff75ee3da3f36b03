"""The purchase days of a whole base in arrays, for what is done to all customers at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from services.alerts.model.cadence.tail import SHORTEST_GAP, Floats

Ints = NDArray[np.int64]
_FAR: int = 10_000_000  # more than the ordinal of any day


@dataclass(frozen=True, slots=True)
class Histories:
    """Customers in order of their purchase days' number, most first, so that those with a j-th purchase come first.

    `days` holds the ordinals of all their purchase days one after the other, customer i's from `first[i]` on and
    `count[i]` of them; `logs`, at each purchase, the sum of the logarithms of that customer's gaps up to it.
    """

    names: tuple[str, ...]
    days: Ints
    first: Ints
    count: Ints
    logs: Floats

    @property
    def customers(self) -> int:
        """How many there are."""
        return len(self.names)

    def owner(self) -> Ints:
        """Whose each purchase day is."""
        return np.repeat(np.arange(self.customers), self.count)

    def place(self) -> Ints:
        """Which of its owner's, from 0, each purchase day is."""
        return np.arange(len(self.days)) - np.repeat(self.first, self.count)

    def bought_between(self, customer: Ints, after: Ints, up_to: Ints) -> Ints:
        """Purchase days of each customer later than `after` and not later than `up_to`."""
        keys = self.owner() * _FAR + self.days
        upper = np.searchsorted(keys, customer * _FAR + up_to, side="right")
        return upper - np.searchsorted(keys, customer * _FAR + after, side="right")

    def before(self, day: int) -> Histories:
        """What was known on the morning of `day`."""
        kept = self.days < day
        counts = np.bincount(self.owner()[kept], minlength=self.customers)
        return _sorted([name for name, count in zip(self.names, counts, strict=True) if count],
                       self.days[kept], counts[counts > 0])  # fmt: skip


def histories(days: Mapping[str, Sequence[date]]) -> Histories:
    """The purchase days of each customer, given distinct and in order; customers without any are left out."""
    bought = {name: own for name, own in days.items() if own}
    flat = np.array([day.toordinal() for own in bought.values() for day in own], np.int64)
    return _sorted(list(bought), flat, np.array([len(own) for own in bought.values()], np.int64))


def _sorted(names: Sequence[str], days: Ints, count: Ints) -> Histories:
    # Names decide between equals, so that not even rounding depends on the order of a file or on what came later.
    order = np.lexsort((np.array(names, np.str_), -count))
    start = (np.cumsum(count) - count)[order]
    count = count[order]
    first = np.cumsum(count) - count
    index = np.arange(len(days)) + np.repeat(start - first, count)
    days = days[index]
    return Histories(tuple(names[i] for i in order), days, first, count, _logs(days, first, count))


def _logs(days: Ints, first: Ints, count: Ints) -> Floats:
    logs = np.zeros(len(days))
    for j in range(1, int(count[0]) if len(count) else 0):
        at = first[: int(np.searchsorted(-count, -j, side="left"))] + j
        logs[at] = logs[at - 1] + np.log(np.maximum(days[at] - days[at - 1], SHORTEST_GAP))
    return logs

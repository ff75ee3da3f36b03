"""Customers made up for the proof: gamma gaps, and for some of them a day from which they slow down or stop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from math import exp, inf, log
from typing import Final

import numpy as np

BEGIN: Final = date(2022, 1, 1)
DAYS: Final = 3 * 365
LEARNT: Final = 365  # days before alarms are counted
MEAN_GAP: Final = 14.0
SPREAD: Final = 0.35  # standard deviation of ln mean gap between customers
SLOWER: Final = (2.0, 3.0, 4.0, inf)  # by what factor; the last is a stop


@dataclass(frozen=True, slots=True)
class Made:
    """A customer. `mean_gap` in days; from `changed_on` on his gaps are `factor` times as long (inf: he is gone)."""

    days: list[date]
    mean_gap: float
    changed_on: date | None
    factor: float

    @property
    def stopped(self) -> bool:
        return self.factor == inf


def made(seed: int, shapes: tuple[float, float] = (2.0, 6.0), customers: int = 2000) -> dict[str, Made]:
    """A base: half of the customers change, on any day that leaves ten of their mean gaps to notice it."""
    chance = np.random.default_rng(seed)
    return {f"made-{n:04d}": _customer(chance, shapes) for n in range(customers)}


def _customer(chance: np.random.Generator, shapes: tuple[float, float]) -> Made:
    shape = chance.uniform(*shapes)
    mean = min(exp(chance.normal(log(MEAN_GAP), SPREAD)), 45.0)
    changes, factor = chance.random() < 0.5, float(chance.choice(SLOWER))
    change = chance.uniform(LEARNT + 30, DAYS - 10 * mean) if changes else inf
    moments = [chance.uniform(0, mean)]
    while moments[-1] < DAYS:
        moment = moments[-1] + chance.gamma(shape, mean / shape)
        # The customer's own clock slows down on that day: of the gap that is open the rest is stretched.
        slow = max(moment - max(change, moments[-1]), 0.0) if changes else 0.0
        moments.append(moment - slow + (slow * factor if slow else 0.0))
    days = sorted({BEGIN + timedelta(days=int(moment)) for moment in moments if moment < DAYS})
    changed_on = BEGIN + timedelta(days=int(change)) if changes else None
    return Made(days, float(mean), changed_on, factor if changes else 1.0)

"""What is known of the whole base on a day: everything that is needed to judge a customer by his own purchases."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from math import sqrt
from typing import Final

import msgspec

MODEL: Final = "cadence"
DEFAULT_PAUSE: Final = 0.05, 2.0  # share, and length in own means
CLASSES: Final = 3  # irregular, ordinary, regular: terciles of the shape
UNTRIED: Final = 0.8  # without a past to try c on, c = .8 sqrt(budget)
_DEFAULT_GAP: Final = 30.0  # days, for a base in which nobody has bought twice
_DEFAULT_SHAPE: Final = 1.5


class Priors(msgspec.Struct, frozen=True, kw_only=True):
    """Fitted on what came before the day from which it holds; published as `prior.fitted`.

    `m0` (days) is the geometric mean of the customers' mean gaps, `rate_mean` (days) the M of methods.md, which makes c
    alarms a year of c, `k0` the typical shape. A share `pause_share` of gaps are pauses of `pause_length` own means.
    `cuts` part the shapes into three classes of regularity, `c` says for each how many alarms a customer-year are asked
    for so that about `budget` of them are unfounded.
    """

    m0: float = _DEFAULT_GAP
    rate_mean: float = _DEFAULT_GAP
    k0: float = _DEFAULT_SHAPE
    pause_share: float = DEFAULT_PAUSE[0]
    pause_length: float = DEFAULT_PAUSE[1]
    cuts: tuple[float, float] = (_DEFAULT_SHAPE, _DEFAULT_SHAPE)
    c: tuple[float, float, float]
    budget: float

    def parameters(self) -> dict[str, Decimal]:
        """As `prior.fitted` says them: flat, decimal, and back to the very same numbers by `from_parameters`."""
        flat = {
            "m0": self.m0,
            "rate_mean": self.rate_mean,
            "k0": self.k0,
            "pause_share": self.pause_share,
            "pause_length": self.pause_length,
            "cut_1": self.cuts[0],
            "cut_2": self.cuts[1],
            "c_1": self.c[0],
            "c_2": self.c[1],
            "c_3": self.c[2],
            "budget": self.budget,
        }
        return {name: Decimal(repr(float(value))) for name, value in flat.items()}


def untried(budget: float) -> Priors:
    """What holds where there is no past at all. `budget`: unfounded alarms a customer-year, above 0."""
    c = UNTRIED * sqrt(budget)
    return Priors(c=(c, c, c), budget=budget)


def from_parameters(parameters: Mapping[str, Decimal]) -> Priors:
    """The priors that `Priors.parameters` said. Raises KeyError where one is missing."""
    p = {name: float(value) for name, value in parameters.items()}
    return Priors(
        m0=p["m0"],
        rate_mean=p["rate_mean"],
        k0=p["k0"],
        pause_share=p["pause_share"],
        pause_length=p["pause_length"],
        cuts=(p["cut_1"], p["cut_2"]),
        c=(p["c_1"], p["c_2"], p["c_3"]),
        budget=p["budget"],
    )


class Dated(msgspec.Struct, frozen=True, kw_only=True):
    """Priors with the day from which they hold, until the next ones do."""

    valid_from: date
    priors: Priors


def place_on(timeline: Sequence[Dated], day: date) -> int:
    """Which of the timeline, sorted by day, holds on `day`. Before the first one it is the first."""
    return max(bisect_right(timeline, day, key=lambda one: one.valid_from) - 1, 0)

"""How far the open gap may reach: a gamma renewal whose rate is known as well as the closed gaps tell it.

Gaps of a customer are gamma with shape k and a rate of his own, which has a gamma prior worth half a gap of the base's
typical length m0. With n closed gaps of S days in all, an open gap G then exceeds e days with probability

    p(e) = (1 - pi) I_{B/(B+e)}((.5 + n) k, k) + pi exp(-e / (s mean)),   B = .5 m0 + S,   mean = B / (.5 + n)

(I: regularised incomplete beta, the tail of the gamma-gamma mixture). The second part is a pause that any customer may
take, as Huber's contamination. Everything here takes and gives arrays of any one shape, or scalars.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

Floats = NDArray[np.float64]

SHORTEST_GAP: Final = 0.5  # days; keeps the logarithm of a gap of nothing finite
SHAPES: Final = 0.7, 15.0  # below: more irregular than chance; above: no base tells such shapes apart
SHAPE_WEIGHT: Final = 20.0  # how many own gaps weigh as much as the base's shape
RATE_WEIGHT: Final = 0.5  # how many own gaps weigh as much as the base's mean
_TINY: Final = 1e-300  # ln of it is finite


def single(number: float) -> Floats:
    """One number as an array without axes."""
    return np.asarray(number, np.float64)


def own_shape(gaps: Floats, total: Floats, logs: Floats) -> Floats:
    """Shape of gamma gaps from their number, sum and sum of logarithms, without the base; 0.7 to 15.

    Minka's closed form of the maximum likelihood, within 1.5 % of it.
    """
    x = np.log(total / gaps) - logs / gaps
    # Equal gaps leave no spread to divide by: as regular as can be.
    spread = np.where(x > 0, x, 1.0)
    k = (3 - spread + np.sqrt((spread - 3) ** 2 + 24 * spread)) / (12 * spread)
    return np.where(x > 0, np.clip(k, *SHAPES), SHAPES[1])


def shape(gaps: Floats, total: Floats, logs: Floats, k0: Floats) -> Floats:
    """The same, drawn towards the base's shape k0 the fewer gaps there are (in logarithms)."""
    weight = gaps / (gaps + SHAPE_WEIGHT)
    return np.exp(weight * np.log(own_shape(gaps, total, logs)) + (1 - weight) * np.log(k0))


@dataclass(frozen=True, slots=True)
class Tail:
    """The distribution of an open gap. `reach` is B and `mean` its mean, in days; `weight` is .5 + n."""

    shape: Floats
    weight: Floats
    reach: Floats
    mean: Floats
    pause_share: Floats
    pause_length: Floats

    def regular(self, days: Floats) -> Floats:
        """P(G > days) if the customer takes no pause."""
        return np.asarray(betainc(self.weight * self.shape, self.shape, self.reach / (self.reach + days)), np.float64)

    def chance(self, days: Floats) -> Floats:
        """p: P(G > days)."""
        pause = np.exp(-days / (self.pause_length * self.mean))
        both: Floats = (1 - self.pause_share) * self.regular(days) + self.pause_share * pause
        return both

    def surprise(self, days: Floats) -> Floats:
        """v = -ln p: 0 at the purchase, growing with every silent day."""
        v: Floats = -np.log(np.maximum(self.chance(days), _TINY))
        return v

    def single_surprise(self) -> Callable[[float], float]:
        """v of one gap, for whoever asks for it many times: a tenth of what arrays of one number cost."""
        k, reach = float(self.shape), float(self.reach)
        a, share = float(self.weight) * k, float(self.pause_share)
        pause = float(self.pause_length * self.mean)

        def surprise(days: float) -> float:
            p = (1 - share) * float(betainc(a, k, reach / (reach + days))) + share * exp(-days / pause)
            return -log(max(p, _TINY))

        return surprise

    def take(self, index: NDArray[np.intp]) -> Tail:
        """Those at these places."""
        return Tail(
            self.shape[index],
            self.weight[index],
            self.reach[index],
            self.mean[index],
            self.pause_share[index],
            self.pause_length[index],
        )


def tail(
    gaps: Floats, total: Floats, logs: Floats, m0: Floats, k0: Floats, pause_share: Floats, pause_length: Floats
) -> Tail:
    """The tail after `gaps` closed gaps (1 or more) of `total` days, whose logarithms sum to `logs`."""
    weight = gaps + RATE_WEIGHT
    reach = RATE_WEIGHT * m0 + total
    return Tail(shape(gaps, total, logs, k0), weight, reach, reach / weight, pause_share, pause_length)

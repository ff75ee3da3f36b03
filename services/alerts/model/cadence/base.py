"""What is typical of a base: its mean gap, its regularity, the pauses customers take. Fitted from what came before."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from services.alerts.model.cadence.histories import Histories
from services.alerts.model.cadence.priors import Priors
from services.alerts.model.cadence.rhythm import JUDGED_GAPS
from services.alerts.model.cadence.tail import Floats, own_shape, shape, single, tail

PAUSE_SHARES: Final = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15)
PAUSE_LENGTHS: Final = (1.5, 2.0, 3.0, 4.0, 6.0)
_SHAPED_GAPS: Final = 8  # customers with more gaps say what shape is typical ...
_SHAPED_CUSTOMERS: Final = 20  # ... if there are so many of them
_TINY: Final = 1e-300


def typical(base: Histories, priors: Priors) -> Priors:
    """The priors with m0, M, k0 and the cuts of regularity fitted to the base; the rest stays.

    Customers with three gaps and more say it; where there are none, those with one or two say m0 and M. A base in which
    nobody has bought twice leaves all as it was.
    """
    enough = JUDGED_GAPS if (base.count > JUDGED_GAPS).any() else 1
    those = np.flatnonzero(base.count > enough)
    if not len(those):
        return priors
    end = base.first[those] + base.count[those] - 1
    gaps = (base.count[those] - 1).astype(np.float64)
    total = (base.days[end] - base.days[base.first[those]]).astype(np.float64)
    own_mean, logs = total / gaps, base.logs[end]
    k0 = priors.k0
    shaped = gaps > _SHAPED_GAPS
    if np.count_nonzero(shaped) >= _SHAPED_CUSTOMERS:
        k0 = float(np.median(own_shape(gaps[shaped], total[shaped], logs[shaped])))
    low, high = np.quantile(shape(gaps, total, logs, single(k0)), (1 / 3, 2 / 3))
    return msgspec.structs.replace(
        priors,
        m0=float(np.exp(np.mean(np.log(own_mean)))),
        rate_mean=float(np.mean(own_mean**-0.5) ** -2),
        k0=k0,
        cuts=(float(low), float(high)),
    )


def pauses(base: Histories, priors: Priors) -> Priors:
    """The priors with the share and length of pauses under which the base's closed gaps are likeliest.

    Each gap is predicted from its customer's own gaps before it, three at least (Dawid's prequential principle), as a
    whole number of days.
    """
    closing = np.flatnonzero(base.place() > JUDGED_GAPS)
    if not len(closing):
        return priors
    first = base.first[base.owner()[closing]]
    opening = closing - 1
    gap = (base.days[closing] - base.days[opening]).astype(np.float64)
    one = tail(
        (opening - first).astype(np.float64),
        (base.days[opening] - base.days[first]).astype(np.float64),
        base.logs[opening],
        single(priors.m0), single(priors.k0), single(0), single(1),
    )  # fmt: skip
    regular = one.regular(gap - 0.5) - one.regular(gap + 0.5)
    best = max(
        (_likelihood(regular, gap / one.mean, 1 / one.mean, share, length), -place, share, length)
        for place, (share, length) in enumerate((s, n) for s in PAUSE_SHARES for n in PAUSE_LENGTHS)
    )
    return msgspec.structs.replace(priors, pause_share=best[2], pause_length=best[3])


def _likelihood(regular: Floats, means: Floats, day: Floats, share: float, length: float) -> float:
    """Log likelihood of gaps of so many means; `day` is a day in means."""
    pause = np.exp(-(means - day / 2) / length) - np.exp(-(means + day / 2) / length)
    return float(np.sum(np.log(np.maximum((1 - share) * regular + share * pause, _TINY))))

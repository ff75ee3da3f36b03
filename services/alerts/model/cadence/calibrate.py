"""How many alarms may be asked for so that no more than the budget is unfounded: tried on the base's own past."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from services.alerts.model.cadence.decision import YEAR_DAYS
from services.alerts.model.cadence.histories import Histories
from services.alerts.model.cadence.priors import CLASSES, UNTRIED, Priors
from services.alerts.model.cadence.replay import replay
from services.alerts.model.cadence.tail import Floats
from services.alerts.model.cadence.timeline import settings
from services.alerts.model.cadence.verdict import days_before, verdicts

GRID: Final = 0.05 * 2 ** (np.arange(25) / 2)
PRIOR_YEARS: Final = 20.0  # customer-years that what is assumed before weighs as much as
_CLASS_SPAN: Final = 2.0  # a class's c stays within the common one's half and double
_CHUNK: Final = 8
_SPARE: Final = 2  # settings beyond the one that spends the budget, for the classes' c


@dataclass(frozen=True, slots=True)
class Curve:
    """What each c would have led to, by setting and class: the slider of the budget.

    `alarms` are those whose verdict is known, `years` those at risk: in gaps that closed without an alarm or up to an
    unfounded one, as far as a verdict is known. (Counting the latest gaps as well, in which no alarm can be found
    unfounded yet, would let the rule raise twice what the budget allows: .30 instead of .15 on CDNOW.)
    """

    c: Floats
    unfounded: Floats
    alarms: Floats
    years: Floats

    def rate(self) -> Floats:
        """Unfounded alarms a customer-year at each c over all classes, drawn to what c promises, growing with c."""
        assumed = (self.c / UNTRIED) ** 2
        return _growing(_drawn(self.unfounded.sum(axis=1), self.years.sum(axis=1), assumed))

    def class_rate(self, regularity: int) -> Floats:
        """The same in one class, drawn to that over all."""
        return _growing(_drawn(self.unfounded[:, regularity], self.years[:, regularity], self.rate()))


def tried(base: Histories, priors: Priors, until: int, grid: Floats = GRID) -> Curve:
    """Replay the past up to the end of the day `until` at each c of the grid."""
    found = replay(base, settings(priors, grid), until)
    alarms, years = found.alarms, found.quiet / YEAR_DAYS
    verdict = verdicts(base, alarms, until)
    bad = verdict.unfounded
    counted = np.zeros((2, len(grid), CLASSES))
    np.add.at(counted[0], (alarms.setting[bad], alarms.regularity[bad]), 1)
    known = verdict.complete
    np.add.at(counted[1], (alarms.setting[known], alarms.regularity[known]), 1)
    np.add.at(years, (alarms.setting[bad], alarms.regularity[bad]), days_before(alarms)[bad] / YEAR_DAYS)
    return Curve(grid, counted[0], counted[1], years)


def calibrated(base: Histories, priors: Priors, until: int) -> Priors:
    """The priors with c by class for their budget, from the past up to the end of the day `until`.

    Settings do not touch one another, so the grid is tried only as far as it takes to spend the budget.
    """
    curve = tried(base, priors, until, GRID[:_CHUNK])
    while len(curve.c) < len(GRID) and curve.rate()[-1 - _SPARE] < priors.budget:
        done = len(curve.c)
        curve = _joined(curve, tried(base, priors, until, GRID[done : done + _CHUNK]))
    return _solved(curve, priors)


def _solved(curve: Curve, priors: Priors) -> Priors:
    common = _at(curve.c, curve.rate(), priors.budget)
    span = common / _CLASS_SPAN, common * _CLASS_SPAN
    first, second, third = (
        float(np.clip(_at(curve.c, curve.class_rate(one), priors.budget), *span)) for one in range(CLASSES)
    )
    return msgspec.structs.replace(priors, c=(first, second, third))


def _drawn(count: Floats, years: Floats, assumed: Floats) -> Floats:
    rate: Floats = (count + PRIOR_YEARS * assumed) / (years + PRIOR_YEARS)
    return rate


def _growing(rate: Floats) -> Floats:
    grown: Floats = np.maximum.accumulate(rate)
    return grown


def _at(c: Floats, rate: Floats, budget: float) -> float:
    """The largest c at which the growing rate is the budget, between the grid's points on log-log scales."""
    place = int(np.searchsorted(rate, budget, side="right"))
    if place in (0, len(rate)):
        return float(c[min(place, len(rate) - 1)])
    low, high = np.log(rate[place - 1 : place + 1])
    share = (np.log(budget) - low) / (high - low)
    return float(np.exp((1 - share) * np.log(c[place - 1]) + share * np.log(c[place])))


def _joined(one: Curve, other: Curve) -> Curve:
    return Curve(
        np.concatenate((one.c, other.c)),
        np.concatenate((one.unfounded, other.unfounded)),
        np.concatenate((one.alarms, other.alarms)),
        np.concatenate((one.years, other.years)),
    )

"""Priors as they would have been known day by day, and the rule tried on a base under them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final

from services.alerts.model.cadence.base import pauses, typical
from services.alerts.model.cadence.calibrate import calibrated
from services.alerts.model.cadence.histories import Histories
from services.alerts.model.cadence.priors import Dated, Priors, untried

WARM_UP_DAYS: Final = 182
REFIT_DAYS: Final = 91


def fitted(base: Histories, day: date, budget: float) -> Priors:
    """The priors that hold from `day`, from all purchases before it; `budget` in unfounded alarms a customer-year."""
    past = base.before(day.toordinal())
    return calibrated(past, pauses(past, typical(past, untried(budget))), day.toordinal() - 1)


def first_day(base: Histories) -> date:
    """The base's first purchase day. Raises ValueError where it has none."""
    return date.fromordinal(int(base.days.min()))


def walked(
    base: Histories, until: date, budget: float, progress: Callable[[int, int], None] = lambda done, of: None
) -> list[Dated]:
    """The priors of a base day by day, up to `until`.

    For the first 182 days from the base's first purchase day, the mean gap, the shape and the classes are those of
    these very days and the rest is what holds without a past. Then all is fitted again every 91 days from everything
    before. `progress` is told after each fit how many are done, of how many.
    """
    begin = first_day(base)
    after = begin.toordinal() + WARM_UP_DAYS
    days = range(after, until.toordinal() + 1, REFIT_DAYS)
    timeline = [Dated(valid_from=begin, priors=typical(base.before(after), untried(budget)))]
    for done, day in enumerate(days):
        progress(done, len(days))
        on = date.fromordinal(day)
        timeline.append(Dated(valid_from=on, priors=fitted(base, on, budget)))
    progress(len(days), len(days))
    return timeline

"""When silence becomes an alarm: the bar, the deadline that is known as soon as a purchase has come, the crossing.

A customer is overdue when v = -ln p of his open gap reaches the bar. Without a memory that is h = -ln q, where

    q = c sqrt(mean M) / 365.25, at most .3

asks for c alarms a customer-year over the base, fewer of those who buy often than one in so many gaps would give. With
the memory E of earlier late orders it is h2 = .787 + 1.148 h - E where that is lower and at most 5 (an exponentially
weighted average of v, whose own bar .787 + 1.148 h gives about as many alarms as h).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date, timedelta
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.alerts.model.cadence.episode import Episode, Kind
from services.alerts.model.cadence.priors import Priors
from services.alerts.model.cadence.rhythm import Rhythm, open_gap
from services.alerts.model.cadence.tail import Floats, Tail, single

YEAR_DAYS: Final = 365.25
LONGEST_DAYS: Final = 36525  # a century: what has not become an alarm by then never does
_MOST: Final = 0.3  # q
_MEMORY_BAR: Final = 0.787, 1.148
_LOW_BAR: Final = 5.0  # above it the memory cannot make good what the gap lacks
_NO_DAYS: Final[frozenset[date]] = frozenset()


def classes(shape: Floats, low: Floats, high: Floats) -> NDArray[np.intp]:
    """Class of regularity: 0 below the lower cut, 2 from the upper one on."""
    return (shape >= low).astype(np.intp) + (shape >= high).astype(np.intp)


def bars(mean: Floats, rate_mean: Floats, c: Floats, memory: Floats) -> tuple[Floats, Floats]:
    """The full bar h, and the bar that holds with what is remembered."""
    h: Floats = -np.log(np.minimum(c * np.sqrt(mean * rate_mean) / YEAR_DAYS, _MOST))
    lowered = _MEMORY_BAR[0] + _MEMORY_BAR[1] * h - memory
    bar: Floats = np.where((lowered <= _LOW_BAR) & (lowered < h), lowered, h)
    return h, bar


class Judgement(NamedTuple):
    """What decides on an open gap: its tail, the full bar h and the bar that holds."""

    tail: Tail
    full_bar: float
    bar: float


def judge(state: Rhythm, priors: Priors) -> Judgement:
    """By which tail and bar the open gap is judged. The customer must be `judged`."""
    gap = open_gap(state, priors)
    c = priors.c[int(classes(gap.shape, single(priors.cuts[0]), single(priors.cuts[1])))]
    full, bar = bars(gap.mean, single(priors.rate_mean), single(c), single(state.memory))
    return Judgement(gap, float(full), float(bar))


def deadline(state: Rhythm, priors: Priors, closed: Collection[date] = _NO_DAYS) -> date | None:
    """The day of alarm if nothing is bought before it: the first day at which v reaches the bar, 1 day or more after
    the last purchase. A purchase on that very day is in time.

    Days in `closed` (holidays, announced closures) do not count in the open gap and so put the day off; closed gaps
    stay as they were. None while an alarm stands, before the third gap has closed, and where the day would lie more
    than a century ahead.
    """
    last = state.last
    if last is None or state.standing or not state.judged:
        return None
    tail, _, bar = judge(state, priors)
    surprise = tail.single_surprise()
    days = _first(lambda e: surprise(e) >= bar, 2 * int(tail.mean) + 1)
    if days is None or days > (date.max - last).days - len(closed):
        return None
    return put_off(last, days, closed)


def crossed(state: Rhythm, day: date, priors: Priors, closed: Collection[date] = _NO_DAYS) -> Rhythm:
    """The rhythm with an alarm raised on `day`, which is the deadline or, with new priors, the first day after it.

    Raises:
        ValueError: an alarm stands already, or there is no rhythm to judge by.
    """
    last = state.last
    if last is None or state.standing or not state.judged:
        raise ValueError(f"no alarm can be raised on {day}: one stands, or fewer than three gaps are known")
    tail, full, bar = judge(state, priors)
    days = single((day - last).days - _closed_between(last, day, closed))
    v = float(tail.surprise(days))
    episode = Episode(
        raised_on=day,
        kind=kind_of(v, full),
        p=float(tail.chance(days)),
        statistic=v,
        bar=bar,
        last_purchase=last,
        mean_gap=state.mean_gap,
    )
    return msgspec.structs.replace(state, episode=episode, since=0)


def kind_of(statistic: float, full_bar: float) -> Kind:
    """`stop` where the open gap alone is enough, `slowdown` where it took the memory of late orders as well."""
    return "stop" if statistic >= full_bar else "slowdown"


def reach(gap: Tail, chance: float) -> int:
    """Days after which no more than a share `chance` of such gaps is still open."""
    days = _first(lambda e: bool(gap.chance(single(e)) <= chance), 2 * int(gap.mean) + 1)
    return LONGEST_DAYS if days is None else days


def _first(reached: Callable[[int], bool], guess: int) -> int | None:
    """The smallest whole number from 1 on that has reached it, by bisection; None beyond a century."""
    low, high = 0, guess
    while not reached(high):
        if high >= LONGEST_DAYS:
            return None
        low, high = high, min(2 * high, LONGEST_DAYS)
    while high - low > 1:
        middle = (low + high) // 2
        if reached(middle):
            high = middle
        else:
            low = middle
    return high


def put_off(last: date, days: int, closed: Collection[date]) -> date:
    """The day on which `days` days that count have passed since `last`; those in `closed` do not."""
    day = last + timedelta(days=days)
    while (needed := last + timedelta(days=days + _closed_between(last, day, closed))) != day:
        day = needed
    return day


def _closed_between(last: date, day: date, closed: Collection[date]) -> int:
    return sum(last < one <= day for one in closed)

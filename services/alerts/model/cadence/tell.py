"""A customer's whole history told again: the same alarms as if each purchase had come in its turn."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

from services.alerts.model.cadence.decision import crossed, deadline
from services.alerts.model.cadence.episode import Episode
from services.alerts.model.cadence.priors import Dated, Priors, place_on
from services.alerts.model.cadence.rhythm import Rhythm, bought

_DAY: Final = timedelta(days=1)
_NO_DAYS: Final[frozenset[date]] = frozenset()


class Story(NamedTuple):
    """The rhythm at the end, and all alarms in order; the last one may still stand."""

    rhythm: Rhythm
    episodes: list[Episode]


def told(
    days: Iterable[date], timeline: Sequence[Dated], until: date, closed: Collection[date] = _NO_DAYS
) -> list[Episode]:
    """All alarms up to the end of `until`, from the purchase days in any order and any number a day.

    Each day is judged by the priors of `timeline` (sorted, at least one; the first holds before it, too) that hold on
    it. When new ones come into force, open deadlines are solved again, and those already past are raised on that day.
    Within a day a purchase comes before the deadline. Purchases after `until` are not seen.
    """
    return tell(days, timeline, until, closed).episodes


def tell(days: Iterable[date], timeline: Sequence[Dated], until: date, closed: Collection[date] = _NO_DAYS) -> Story:
    """The same with the rhythm at the end of `until`."""
    state, episodes = Rhythm(), list[Episode]()
    for day in sorted({day for day in days if day <= until}):
        state = waited(state, day - _DAY, timeline, closed)
        _note(state, episodes)
        state = bought(state, day, timeline[place_on(timeline, day)].priors)
        _note(state, episodes)
    state = waited(state, until, timeline, closed)
    _note(state, episodes)
    return Story(state, episodes)


def waited(state: Rhythm, until: date, timeline: Sequence[Dated], closed: Collection[date] = _NO_DAYS) -> Rhythm:
    """The rhythm when nothing was bought from the last purchase to the end of `until`: an alarm may be raised."""
    found = alarm_day(state, until, timeline, closed)
    return state if found is None else crossed(state, *found, closed)


def alarm_day(
    state: Rhythm, until: date, timeline: Sequence[Dated], closed: Collection[date] = _NO_DAYS
) -> tuple[date, Priors] | None:
    """The day up to `until` on which an alarm is raised if nothing more is bought, and the priors that do; None
    without one.
    """
    last = state.last
    if last is None or state.standing or not state.judged or until <= last:
        return None
    first = last + _DAY
    for place in range(place_on(timeline, first), place_on(timeline, until) + 1):
        priors = timeline[place].priors
        due = deadline(state, priors, closed)
        end = timeline[place + 1].valid_from - _DAY if place + 1 < len(timeline) else until
        if due is not None and due <= min(end, until):
            # Priors that find the deadline already past raise it on the day from which they hold.
            return (max(due, timeline[place].valid_from) if place else due), priors
    return None


def _note(state: Rhythm, episodes: list[Episode]) -> None:
    episode = state.episode
    if episode is None:
        return
    if episodes and episodes[-1].raised_on == episode.raised_on:
        episodes[-1] = episode
    else:
        episodes.append(episode)

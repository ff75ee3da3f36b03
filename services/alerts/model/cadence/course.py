"""A customer's cadence as a service keeps it: the rhythm with the purchases behind it, and the day of the next alarm.

`taken` adds a purchase day after the last one, at constant cost; `retold` folds all days by the same step. Both give
the same to the last bit, so that it makes no difference in which order purchases became known.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import NamedTuple

import msgspec

from services.alerts.model.cadence.episode import Episode
from services.alerts.model.cadence.priors import Dated, place_on
from services.alerts.model.cadence.rhythm import KEPT_DAYS, Rhythm, bought
from services.alerts.model.cadence.tell import alarm_day, waited
from services.alerts.model.purchase import Bought

_DAY = timedelta(days=1)
_FAR = date.max - 2 * _DAY  # there is a midnight after it in every zone


class Course(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The rhythm right after the last purchase, whatever has been waited since.

    `recent` are the purchases behind `rhythm.recent`, `opened` those that were known when the last episode began (the
    latest five), `ended` those that ended it. `alarm_on` is the day of alarm if nothing more is bought, under the
    priors known by now, of which the latest hold from `latest` (None where no deadline is open); `prior` is the day
    from which the priors hold that held on the last purchase day. By these two one sees what newer priors change.
    """

    rhythm: Rhythm = Rhythm()
    recent: tuple[Bought, ...] = ()
    opened: tuple[Bought, ...] = ()
    ended: tuple[Bought, ...] = ()
    alarm_on: date | None = None
    prior: date | None = None
    latest: date | None = None


class Stretch(NamedTuple):
    """An episode with the purchases behind it; `since` gaps have closed after it was raised, up to its end."""

    episode: Episode
    since: int
    opened: tuple[Bought, ...]
    ended: tuple[Bought, ...]


class Times(NamedTuple):
    """What decides beside the purchases: priors by day (sorted, one at least), and the days on which nobody buys, for
    a gap that opens on a given day.
    """

    timeline: Sequence[Dated]
    closed: Callable[[date], Collection[date]]

    def holding(self, day: date) -> Dated:
        """The priors that hold on a day."""
        return self.timeline[place_on(self.timeline, day)]


def stretch(course: Course) -> Stretch | None:
    """The last episode known at the last purchase; None before the first."""
    episode = course.rhythm.episode
    return None if episode is None else Stretch(episode, course.rhythm.since, course.opened, course.ended)


def waiting(course: Course, until: date, times: Times) -> Stretch | None:
    """The alarm that waiting alone has raised since the last purchase, up to the end of `until`; None without one."""
    if course.alarm_on is None or course.alarm_on > until:
        return None
    episode = _silent(course, times).episode
    return None if episode is None else Stretch(episode, 0, course.recent, ())


def taken(course: Course, one: Bought, times: Times) -> Course:
    """The course with a purchase later than those it has, `solved` under these times."""
    crossing = course.alarm_on is not None and course.alarm_on < one.on
    before = _silent(course, times) if crossing else course.rhythm
    holding = times.holding(one.on)
    after = bought(before, one.on, holding.priors)
    recent = (*course.recent, one)[-KEPT_DAYS:]
    opened, ended = (course.recent, ()) if crossing else (course.opened, course.ended)
    if before.standing and not after.standing:
        ended = recent[-after.since :]
    return solved(
        Course(rhythm=after, recent=recent, opened=opened, ended=ended, prior=holding.valid_from),
        times,
    )


def solved(course: Course, times: Times) -> Course:
    """The course with its day of alarm under the priors that are known now."""
    last = course.rhythm.last
    if last is None or course.rhythm.standing or not course.rhythm.judged:
        return msgspec.structs.replace(course, alarm_on=None, latest=None)
    found = alarm_day(course.rhythm, _FAR, times.timeline, times.closed(last))
    alarm_on = found[0] if found is not None else None
    return msgspec.structs.replace(course, alarm_on=alarm_on, latest=times.timeline[-1].valid_from)


def renewed(course: Course, times: Times) -> Course | None:
    """The course under the priors that are known now; None where the last purchase was counted under others than those
    that held on its day, so that its history has to be told again.
    """
    last = course.rhythm.last
    if last is None:
        return course
    if course.prior != times.holding(last).valid_from:
        return None
    if course.latest is None or course.latest == times.timeline[-1].valid_from:
        return course
    return solved(course, times)


def known_day(course: Course, one: Bought) -> Course | None:
    """The course with another purchase of one of its recent days; None where it is on none of them."""
    if all(held.on != one.on for held in course.recent):
        return None

    def named(held: tuple[Bought, ...]) -> tuple[Bought, ...]:
        return tuple(min(each, one) if each.on == one.on else each for each in held)

    return msgspec.structs.replace(
        course, recent=named(course.recent), opened=named(course.opened), ended=named(course.ended)
    )


def retold(purchases: Iterable[Bought], times: Times) -> tuple[Course, list[Stretch]]:
    """The course of all purchases, in any order and any number a day, and every episode it has gone through."""
    course, stretches = Course(), dict[date, Stretch]()
    for _, same_day in groupby(sorted(purchases), key=lambda one: one.on):
        course = taken(course, next(same_day), times)
        if (found := stretch(course)) is not None:
            stretches[found.episode.last_purchase] = found
    return course, list(stretches.values())


def _silent(course: Course, times: Times) -> Rhythm:
    last, until = course.rhythm.last, course.alarm_on
    if last is None or until is None:
        raise AssertionError("only where a deadline is open is anything waited for")
    return waited(course.rhythm, until, times.timeline, times.closed(last))

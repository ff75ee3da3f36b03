"""Who answers for a customer, from which day on.

Two kinds of fact say so. An *assignment* is dated by its sender, may lie ahead or come late, and is kept for ever. An
owner *named* with the customer's other fields is dated by the day on which he was named; systems repeat that with
every change of anything, so only the latest one is kept. Both make one line of tenures.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import date

import msgspec

from services.profiles.model.facts import FactKey


class Tenure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who answers for the customer from a day on, until the next tenure begins."""

    valid_from: date
    owner_id: str
    deputy_id: str | None = None


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """A tenure as somebody has set it."""

    key: FactKey
    tenure: Tenure


Line = tuple[Tenure, ...]  # sorted by day, a day once


def assigned(held: tuple[Assignment, ...], new: Assignment) -> tuple[Assignment, ...]:
    """The assignments with one more; of two for the same day the later said one holds. The same object if `new` does
    not.
    """
    by_day = {one.tenure.valid_from: one for one in held}
    rival = by_day.get(new.tenure.valid_from)
    if rival is not None and rival.key >= new.key:
        return held
    by_day[new.tenure.valid_from] = new
    return tuple(by_day[day] for day in sorted(by_day))


def line_of(assignments: tuple[Assignment, ...], named: Assignment | None) -> Line:
    """The customer's tenures. `named` counts from its day on, unless an assignment that had begun by then was made
    after it, or says the same.
    """
    line = tuple(one.tenure for one in assignments)
    if named is None:
        return line
    day = named.tenure.valid_from
    begun = [one for one in assignments if one.tenure.valid_from <= day]
    if any(one.key > named.key for one in begun):
        return line
    if begun and begun[-1].tenure.owner_id == named.tenure.owner_id:
        return line
    return entered(line, named.tenure)


def entered(line: Iterable[Tenure], tenure: Tenure) -> Line:
    """The line with a tenure in the place of the one that began on the same day, if there is one."""
    by_day = {one.valid_from: one for one in line} | {tenure.valid_from: tenure}
    return tuple(by_day[day] for day in sorted(by_day))


def tenure_on(line: Line, day: date) -> Tenure | None:
    """The tenure that holds on a day; None before the first."""
    at = bisect_right(line, day, key=lambda one: one.valid_from)
    return line[at - 1] if at else None


def next_change(line: Line, day: date) -> date | None:
    """The first day after `day` on which a tenure begins."""
    return next((one.valid_from for one in line if one.valid_from > day), None)


def to_tell(told: Line, line: Line, since: date) -> Line:
    """What those who were told `told` must hear to know `line` from `since` on, the day from which it has changed.

    What was told of earlier days stays as it was told: of owners who were only named, it is all that is known.
    """
    days = {since} | {one.valid_from for one in (*told, *line) if one.valid_from > since}
    news: list[Tenure] = []
    for day in sorted(days):
        wanted, known = tenure_on(line, day), tenure_on(told, day)
        if wanted is None or (known is not None and _who(known) == _who(wanted)):
            continue
        news.append(msgspec.structs.replace(wanted, valid_from=day))
        told = entered(told, news[-1])
    return tuple(news)


def first_difference(one: Line, other: Line) -> date | None:
    """The first day on which two lines differ."""
    days = sorted({tenure.valid_from for tenure in (*one, *other)})
    return next((day for day in days if tenure_on(one, day) != tenure_on(other, day)), None)


def begun(told: Line, line: Line) -> Line:
    """What those who were told `told` do not know of the tenures that begin in `line`."""
    news: list[Tenure] = []
    for tenure in line:
        known = tenure_on(told, tenure.valid_from)
        if known is None or _who(known) != _who(tenure):
            news.append(tenure)
            told = entered(told, tenure)
    return tuple(news)


def _who(tenure: Tenure) -> tuple[str, str | None]:
    return tenure.owner_id, tenure.deputy_id

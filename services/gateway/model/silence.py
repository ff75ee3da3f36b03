"""How long a source is usually silent, and whether it is silent for longer than that now.

A feed has a rhythm of its own: a till speaks all day and never at night, a nightly file once a day, and neither at
weekends. So its usual gap is not an average but the second longest silence of the last fifteen days: nights and
weekends are in it (two of each lie within), and one outage is not.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import msgspec

DAYS = 15
FEWEST = 2  # gaps; before that nothing is usual
MARGIN = 2  # a silence counts from one and a half usual gaps on: `gap + gap // MARGIN`
SHORTEST = timedelta(seconds=1)  # what lies closer is one utterance


class Longest(msgspec.Struct, frozen=True):
    """The two longest gaps, in seconds, of those that ended on a day (UTC)."""

    day: date
    gaps: tuple[int, ...]


class Heard(msgspec.Struct, frozen=True, omit_defaults=True):
    """When a source was heard last, and its longest gaps by day."""

    last: datetime | None = None
    days: tuple[Longest, ...] = ()


def hear(heard: Heard, first: datetime, last: datetime) -> Heard:
    """With a stretch in which the source spoke, from `first` to `last` (aware). Stretches may come in any order."""
    if heard.last is None:
        return Heard(last)
    if last <= heard.last:
        return heard
    gap = first - heard.last
    days = heard.days if gap < SHORTEST else _with(heard.days, first.date(), int(gap.total_seconds()))
    return Heard(last, days)


def _with(days: tuple[Longest, ...], day: date, gap: int) -> tuple[Longest, ...]:
    before = next((one.gaps for one in days if one.day == day), ())
    kept = [one for one in days if one.day != day and (day - one.day).days < DAYS]
    return (*kept, Longest(day, tuple(sorted((*before, gap), reverse=True)[:FEWEST])))


def usual_gap(heard: Heard, today: date) -> int | None:
    """Seconds; None while too little was heard of it."""
    gaps = sorted((gap for one in heard.days if (today - one.day).days < DAYS for gap in one.gaps), reverse=True)
    return gaps[FEWEST - 1] if len(gaps) >= FEWEST else None


def silent_from(heard: Heard, stated: int | None, least: int, today: date) -> datetime | None:
    """The moment from which its silence is longer than usual; None where nothing is usual yet.

    `stated` is the gap that an administrator named (it wins), `least` the shortest silence to speak of, in seconds.
    """
    gap = stated if stated is not None else usual_gap(heard, today)
    if heard.last is None or gap is None:
        return None
    return heard.last + timedelta(seconds=max(gap + (0 if stated is not None else gap // MARGIN), least))

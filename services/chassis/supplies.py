"""Supplies: what rules rest on (payments, purchases), and whether a system that delivers one has fallen silent.

An alarm that says "he has not paid" is worth nothing while nobody delivers payments. So of each supply it is kept, by
source, in which hours something of it was appended to the log. Nights, week-ends and weekly files show in that as usual
gaps; a source that is silent for longer than its usual gap holds the deadlines of the rules that rest on the supply
until it is heard again and has had an hour to deliver what it owes, or until it says so (`source.completed`).

What holds never holds for ever: a source that stays away longer than `hold_days` is taken to have ended. A source that
delivers little of a supply (one shop among many) holds nothing, and one that is too new to have a usual gap neither.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final, NamedTuple

import structlog
from pymongo import UpdateMany, UpdateOne
from pymongo.errors import PyMongoError

from .metrics import Metrics
from .mongo import Collection, Database, Doc, find

SUPPLIES: Final = Collection("supplies")
LEARNT: Final = timedelta(days=91)  # of the past from which the usual gap is learnt
LEAST: Final = timedelta(days=14)  # a shorter past has no week-ends to learn from
NTH: Final = 3  # the third longest gap of the past is usual: one outage and one holiday do not make it so
SLACK: Final = 1.5  # of the usual gap, and an hour
SETTLE: Final = timedelta(hours=1)  # for what a source that comes back has still to deliver
SHARE: Final = 0.1  # of a supply's hours in all: what delivers less holds nothing
EVERY: Final = 1.0  # seconds between two looks
_HOUR: Final = 3600
log = structlog.get_logger(__name__)


class Source(NamedTuple):
    """A source of a supply: when it was heard last, how many hours it was heard in, its usual gap in hours (None: not
    known yet), when it came back from its last silence, and up to when it says to have delivered everything.
    """

    supply: str
    source: str
    last: datetime
    hours: int
    usual: int | None = None
    back: datetime | None = None
    completed: datetime | None = None

    @property
    def bears(self) -> timedelta | None:
        """How long it may be silent; None while nothing is usual."""
        return None if self.usual is None else timedelta(hours=self.usual * SLACK + 1)


def usual_gap(hours: Iterable[int]) -> int | None:
    """The usual gap in hours, from the hours (counted from 1970) in which a source was heard; None where they say too
    little.
    """
    heard = sorted(set(hours))
    if not heard or (heard[-1] - heard[0]) * _HOUR < LEAST.total_seconds():
        return None
    gaps = sorted((later - earlier for earlier, later in pairwise(heard)), reverse=True)
    return gaps[NTH - 1] if len(gaps) >= NTH else None


def silent(one: Source, now: datetime, hold: timedelta) -> bool:
    """Whether the source has fallen silent, or has come back just now, so that what it owes may still be on its way."""
    bears = one.bears
    if bears is None:
        return False
    quiet = now - max(one.last, one.completed or one.last)
    if quiet > bears:
        return quiet <= max(hold, 3 * bears)
    told = one.completed is not None and one.back is not None and one.completed >= one.back
    return one.back is not None and not told and now - one.back < SETTLE


def holding(sources: Sequence[Source], now: datetime, hold: timedelta) -> list[Source]:
    """The sources that hold what rests on their supply."""
    total: dict[str, int] = {}
    for one in sources:
        total[one.supply] = total.get(one.supply, 0) + one.hours
    return [one for one in sources if one.hours >= SHARE * total[one.supply] and silent(one, now, hold)]


class Heard:
    """What a process has heard and not written down yet."""

    def __init__(self) -> None:
        self.of: dict[tuple[str, str], list[datetime]] = {}
        self.completed: dict[str, datetime] = {}

    def note(self, supplies: Iterable[str], source: str, at: datetime) -> None:
        """Something of these supplies was appended at a moment. Of each hour the first and the last are kept."""
        for supply in supplies:
            moments = self.of.setdefault((supply, source), [])
            if len(moments) > 1 and _hour(moments[-2]) == _hour(moments[-1]) == _hour(at):
                moments[-1] = max(moments[-1], at)
            else:
                moments.append(at)

    def complete(self, source: str, up_to: datetime) -> None:
        """The source has delivered everything up to a moment."""
        self.completed[source] = max(up_to, self.completed.get(source, up_to))

    def take(self) -> Heard:
        """All that was noted; from now on it notes anew."""
        taken = Heard()
        taken.of, taken.completed, self.of, self.completed = self.of, self.completed, {}, {}
        return taken

    def add(self, other: Heard) -> None:
        """Note all that another has noted."""
        for key, moments in other.of.items():
            for at in moments:
                self.note(key[:1], key[1], at)
        for source, up_to in other.completed.items():
            self.complete(source, up_to)


class Supplies:
    """The supplies of one service, as its processes know them together."""

    def __init__(self, db: Database, metrics: Metrics, names: Iterable[str], hold_days: int) -> None:
        self.db, self.metrics, self.names, self.hold = db, metrics, sorted(set(names)), timedelta(days=hold_days)
        self.heard = Heard()
        self._looked = float("-inf")
        self._held: dict[str, list[Source]] = {}

    async def write(self) -> None:
        """Write down what was heard. Where the database is away it is kept for the next time; then this raises."""
        if not self.heard.of and not self.heard.completed:
            return
        taken = self.heard.take()
        try:
            ids = [_id(*key) for key in taken.of]
            known = {row["_id"]: row for row in await find(self.db, SUPPLIES.name, {"_id": {"$in": ids}})}
            writes: list[Any] = [_update(key, taken.of[key], known.get(_id(*key), {})) for key in taken.of]
            writes += [
                UpdateMany({"source": source}, {"$max": {"completed": up_to}})
                for source, up_to in taken.completed.items()
            ]
            await self.db[SUPPLIES.name].bulk_write(writes)
        except PyMongoError:
            self.heard.add(taken)
            raise

    async def held(self, now: datetime) -> frozenset[str]:
        """The supplies on which nothing may rest at a moment of the log."""
        if not self.names or not self.hold:
            return frozenset()
        if time.monotonic() - self._looked >= EVERY:
            rows = await find(self.db, SUPPLIES.name, {}, fields={"heard": 0})
            self._looked = time.monotonic()
            held: dict[str, list[Source]] = {}
            for one in holding([_source(row) for row in rows], now, self.hold):
                held.setdefault(one.supply, []).append(one)
            self._tell(held)
        return frozenset(self._held)

    def _tell(self, held: dict[str, list[Source]]) -> None:
        for name in self.names:
            self.metrics.supply_held.labels(name).set(len(held.get(name, ())))
        for name in held.keys() - self._held.keys():
            for one in held[name]:
                log.warning(
                    "supply.silent",
                    supply=name,
                    source=one.source,
                    last=one.last.isoformat(),
                    usual_hours=one.usual,
                    next="look at the system that delivers it; source.completed releases what is held",
                )
        for name in self._held.keys() - held.keys():
            log.info("supply.released", supply=name)
        self._held = held


def _id(supply: str, source: str) -> str:
    return f"{supply}\t{source}"


def _hour(moment: datetime) -> int:
    return int(moment.timestamp()) // _HOUR


def _source(row: Mapping[str, Any]) -> Source:
    optional = {name: row.get(name) for name in ("usual", "back", "completed")}
    return Source(row["supply"], row["source"], row["last"], row["hours"], **optional)


def _update(key: tuple[str, str], moments: Sequence[datetime], row: Doc) -> UpdateOne:
    """Several processes may write at once: each says the same of the past, and nothing is taken back."""
    first, last = min(moments), max(moments)
    oldest = _hour(last - LEARNT)
    heard = sorted({hour for hour in (*row.get("heard", ()), *map(_hour, moments)) if hour >= oldest})
    known = {"supply": key[0], "source": key[1], "heard": heard, "hours": len(heard)}
    if (usual := usual_gap(heard)) is not None:
        known["usual"] = usual
    if row and (bears := _source(row).bears) is not None and first - row["last"] > bears:
        known["back"] = first
    return UpdateOne({"_id": _id(*key)}, {"$max": {"last": last}, "$set": known}, upsert=True)

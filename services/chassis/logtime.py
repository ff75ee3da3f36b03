"""Log time: up to which moment everything is known, partition by partition.

What becomes true by waiting may only be said when nothing that lies unread could deny it. So the clock of a partition
is the append time of its last applied record, or, once it is read to its end, the moment at which the broker said so.
In a simulation (`events`) it is the latest event time applied, moved along by watermarks (`source.completed`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal

Place = tuple[str, int]


@dataclass(slots=True)
class LogTime:
    """The clocks of the partitions this process reads."""

    mode: Literal["log", "events"] = "log"
    marks: dict[Place, datetime] = field(default_factory=dict)

    def moment(self, place: Place, appended_ms: int, event_time: datetime | None) -> datetime:
        """When a record counts as known; never earlier than the records before it."""
        held = self.marks.get(place)
        if self.mode == "events" and event_time is None:
            # It tells nothing of simulated time; its append time would push that into the present.
            self.marks.setdefault(place, millis(0))
            return held or millis(appended_ms)
        at = event_time if self.mode == "events" and event_time is not None else millis(appended_ms)
        if held is not None and held > at:
            at = held
        self.marks[place] = at
        return at

    def read_to_end(self, place: Place, polled_ms: int) -> datetime | None:
        """The partition held nothing more at `polled_ms`; returns its clock, or None in a simulation, where waiting
        moves nothing.
        """
        if self.mode == "events":
            return None
        at = max(millis(polled_ms), self.marks.get(place, millis(0)))
        self.marks[place] = at
        return at

    def place(self, place: Place, at: datetime | None) -> None:
        """Take over a partition whose clock stood at `at`."""
        if at is None:
            self.marks.pop(place, None)
        else:
            self.marks[place] = at


@lru_cache(maxsize=256)  # records of one produced batch share their append time
def millis(value: int) -> datetime:
    """Milliseconds since 1970 as a moment."""
    return datetime.fromtimestamp(value / 1000, tz=UTC)


def to_millisecond(moment: datetime) -> datetime:
    """The moment in UTC and to the millisecond, as the database will give it back."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    rest = moment.microsecond % 1000
    return moment - timedelta(microseconds=rest) if rest else moment


def service_clock(wanted: set[Place], stored: dict[Place, datetime]) -> datetime | None:
    """The moment up to which all of `wanted` is known; None while one of them has never been read."""
    if not wanted or not wanted <= stored.keys():
        return None
    return min(stored[place] for place in wanted)

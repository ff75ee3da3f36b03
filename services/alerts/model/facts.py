"""How the model names and orders what it is told."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from contracts.envelope import Event


class FactKey(msgspec.Struct, frozen=True, kw_only=True, gc=False, order=True, omit_defaults=True):
    """Which event said something: its time (with an offset), its source, its id. Orders facts for ever in one way.
    `history`: it is of a load of the past, and this is the day of cut-over.

    Times are cut to the millisecond: a store that keeps no finer ones would otherwise give back keys that sort
    differently from those that have not been stored yet.
    """

    time: datetime
    source: str
    id: str
    history: date | None = None

    def __post_init__(self) -> None:
        finer = self.time.microsecond % 1000
        if finer:
            cut = self.time.replace(microsecond=self.time.microsecond - finer)
            msgspec.structs.force_setattr(self, "time", cut)

    @classmethod
    def of(cls, event: Event) -> FactKey:
        """The key of what an event says."""
        return cls(time=event.time, source=event.source, id=event.id, history=event.history)

    @property
    def ref(self) -> str:
        """The event's name in alerts and timelines, unique over sources."""
        return f"{self.source}:{self.id}"


class Conflict(ValueError):  # noqa: N818 - a verdict on a fact, not a failure of the program
    """A known business key came again with other content. The message says what is held and what to send instead."""

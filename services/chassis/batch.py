"""What one lane of a batch is given, finds out on the way, and comes to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from pymongo import UpdateOne

from .mongo import Doc
from .outbox import Mended
from .work import Dead, Work


@dataclass(slots=True)
class Batch:
    """One lane's share of a batch, and what is found out about it on the way."""

    works: list[Work]
    unread: list[Dead]
    positions: list[Position]
    known: set[str] = field(default_factory=set)  # applied before
    filed: dict[str, Doc] = field(default_factory=dict)  # dead letters before
    looked_up: bool = False
    careful: bool = False  # something could not be stored: each event is asked by itself

    def fresh(self) -> list[Work]:
        """The work that is not a repeat, of an earlier batch or within this one."""
        seen = set(self.known)
        fresh = []
        latest = {work.id: work for work in self.works if work.resent is not None}  # takes the place of those before
        for work in self.works:
            if work.id is not None:
                if work.id in seen:
                    continue
                seen.add(work.id)
            fresh.append(latest.get(work.id, work) if latest else work)
        return fresh

    def grows_careful(self) -> bool:
        """Something that was made cannot be stored or sent: find out whose it is. False: that has been tried."""
        grows, self.careful = not self.careful, True
        return grows

    def unfiled(self, letters: list[Dead]) -> list[Dead]:
        """Dead letters that are not in the file yet, each once; one that was sent again is filed anew."""
        found: dict[str, Dead] = {}
        for dead in letters:
            held = self.filed.get(dead.id)
            before = found[dead.id].attempt if dead.id in found else -1 if held is None else held.get("attempt", 0)
            if dead.attempt > before:
                found[dead.id] = dead
        return list(found.values())

    def mended(self, refused: Collection[str]) -> list[Mended]:
        """Open letters whose events were sent again and are taken now, or were before."""
        found: dict[str, Mended] = {}
        for work in self.works:
            if work.resent is None or work.cause in refused:
                continue
            for name in (work.cause, work.resent.letter):
                held = self.filed.get(name)
                # A letter that names its event is mended by that one alone, whatever a header says.
                if held and held["status"] == "open" and (name == work.cause or not held.get("event_id")):
                    found[name] = Mended(name, work.subject, work.now, work.resent.attempt)
        return list(found.values())


@dataclass(slots=True)
class Outcome:
    """What became of a batch."""

    applied: int = 0
    repeats: int = 0
    dead: list[Dead] = field(default_factory=list)  # new ones
    refused: list[Dead] = field(default_factory=list)  # all, also what lay among the dead letters before
    said: int = 0
    parts: set[str] = field(default_factory=set)  # kinds of which documents have changed, beside heads
    due: bool = False  # something waits for the clock, and for nothing else

    def add(self, other: Outcome) -> None:
        """Sum over lanes."""
        self.applied += other.applied
        self.repeats += other.repeats
        self.said += other.said
        self.parts |= other.parts
        self.due = self.due or other.due
        self.dead += other.dead
        self.refused += other.refused


@dataclass(frozen=True, slots=True)
class Position:
    """How far a partition is applied: the next offset to read, and the log time of what is applied."""

    topic: str
    partition: int
    next: int
    clock: datetime

    def update(self) -> UpdateOne:
        """Only forward: a consumer that lost the partition and does not know it cannot take it back."""
        return UpdateOne(
            {"_id": f"{self.topic}/{self.partition}"},
            {
                "$max": {"next": self.next, "clock": self.clock},
                "$set": {"topic": self.topic, "partition": self.partition},
            },
            upsert=True,
        )

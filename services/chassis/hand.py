"""The batches that were read and are being applied: how many at once, and which waits for which."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from .batch import Outcome
from .reader import Read

SMALL = 64  # records: less than what folding them takes goes into asking the database
SIDE_BY_SIDE = 4  # small batches, so that an event need not wait for the commit of another's
AHEAD = 2  # larger ones: decoding and folding go on while the database works


@dataclass(frozen=True, slots=True)
class InHand:
    """A batch that was given to the applier."""

    read: Read
    task: asyncio.Task[Outcome]


class Hand:
    """What a process has read and not finished. Of one partition the batches end in the order in which they were
    taken; those of others need not wait for them.
    """

    def __init__(self) -> None:
        self._held: list[InHand] = []

    def __len__(self) -> int:
        return len(self._held)

    @property
    def tasks(self) -> set[asyncio.Task[Outcome]]:
        """What is under way, and what is over and has not been seen to."""
        return {one.task for one in self._held}

    @property
    def large(self) -> bool:
        """Whether one of them is."""
        return any(one.read.records > SMALL for one in self._held)

    @property
    def full(self) -> bool:
        """Whether one has to end before more is read."""
        return len(self._held) >= (AHEAD if self.large else SIDE_BY_SIDE)

    def take(self, read: Read, apply: Callable[[list[asyncio.Task[Outcome]]], Coroutine[Any, Any, Outcome]]) -> None:
        """Begin with a batch. `apply` is told which others it must not overtake."""
        places = {(position.topic, position.partition) for position in read.positions}
        after = [
            one.task
            for one in self._held
            if any((position.topic, position.partition) in places for position in one.read.positions)
        ]
        self._held.append(InHand(read, asyncio.create_task(apply(after))))

    def over(self) -> list[InHand]:
        """What has ended, no longer in hand."""
        over = [one for one in self._held if one.task.done()]
        self._held = [one for one in self._held if not one.task.done()]
        return over


def cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Call all of them off; who needs them to be over waits for that."""
    for task in tasks:
        task.cancel()

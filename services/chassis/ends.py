"""Asking the broker where the partitions end, when something waits to know it.

What became due is folded once nothing that lies unread can deny it. Fetches that come back empty tell so in time
(pulse.py); when a due moment is waiting, the broker is asked at once, and one answer moves the clocks of all partitions
that are read to their end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from .batch import Position
from .logtime import LogTime
from .patience import patiently

APART = 0.02  # seconds between two questions
log = structlog.get_logger(__name__)


class Ends:
    """Asks when told to, and again until every partition of this process is known up to that moment.

    `applied` says how far each partition is applied, `move` stores their clocks, `busy` says that there is a lot to
    read: until that is over no answer could help. `connect` makes the consumer that asks, one of its own: on the
    connection of another the broker answers no question before the fetch that waits there.
    """

    def __init__(
        self,
        logtime: LogTime,
        applied: Mapping[TopicPartition, int],
        move: Callable[[list[Position]], Awaitable[None]],
        busy: Callable[[], bool],
        connect: Callable[[], AIOKafkaConsumer],
        *,
        moved: Callable[[], None] = lambda: None,
    ) -> None:
        self.time, self.applied, self.move, self.busy, self.connect = logtime, applied, move, busy, connect
        self.moved = moved  # told when all clocks have moved on
        self._known: dict[TopicPartition, int] = {}  # up to when, by this process's own clock, in ms
        self._until = 0  # up to when they are to be known
        self._wanted = asyncio.Event()
        self._wanted.set()  # the first answer takes a tenth of a second a topic: nothing need wait for that one

    def ask(self) -> None:
        """Something waits for the clock."""
        self._until = _now()
        self._wanted.set()

    async def run(self) -> None:
        """Answer until cancelled: nothing that is begun here need be finished."""
        asker = self.connect()
        try:
            await patiently(asker.start)
            while True:
                await self._wanted.wait()
                if self.applied and not self.busy():
                    await self._answered(asker)
                await asyncio.sleep(APART)
        finally:
            await asker.stop()

    async def _answered(self, asker: AIOKafkaConsumer) -> None:
        try:
            await self.look(asker)
        except KafkaError as error:
            self._wanted.clear()
            log.info("ends.no_answer", error=type(error).__name__)  # the fetches will tell

    async def look(self, consumer: AIOKafkaConsumer) -> None:
        """Move on the clocks of the partitions of which everything is applied that was there when this was asked."""
        asked, wanted = _now(), self._until
        ended: list[Position] = []
        for tp, end in (await consumer.end_offsets(self._unknown(wanted))).items():
            applied = self.applied.get(tp)
            if applied is None or applied < end:
                continue
            self._known[tp] = asked
            if (at := self.time.read_to_end((tp.topic, tp.partition), asked)) is not None:
                ended.append(Position(tp.topic, tp.partition, applied, at))
        if ended:
            await self.move(ended)
        if not self._unknown(wanted):
            if wanted == self._until:  # else it was asked for again meanwhile
                self._wanted.clear()
            self.moved()

    def _unknown(self, wanted: int) -> list[TopicPartition]:
        return [tp for tp in self.applied if self._known.get(tp, -1) < wanted]


def _now() -> int:
    return time.time_ns() // 1_000_000

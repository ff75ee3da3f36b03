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
    """Asks when told to.

    `applied` says how far each partition of this process is applied, `move` stores their clocks, `busy` says that there
    is more to read: until that is over no answer could help. `connect` makes the consumer that asks, one of its own: on
    the connection of another the broker answers no question before the fetch that waits there.
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
        self.moved = moved  # told when clocks have moved on
        self._wanted = asyncio.Event()
        self._wanted.set()  # the first answer takes a tenth of a second a topic: nothing need wait for that one

    def ask(self) -> None:
        """Something waits for the clock."""
        self._wanted.set()

    async def run(self) -> None:
        """Answer until cancelled: nothing that is begun here need be finished."""
        asker = self.connect()
        try:
            await patiently(asker.start)
            while True:
                await self._wanted.wait()
                if self.applied and not self.busy():
                    self._wanted.clear()
                    await self._answered(asker)
                await asyncio.sleep(APART)
        finally:
            await asker.stop()

    async def _answered(self, asker: AIOKafkaConsumer) -> None:
        try:
            await self.look(asker)
        except KafkaError as error:
            log.info("ends.no_answer", error=type(error).__name__)  # the fetches will tell

    async def look(self, consumer: AIOKafkaConsumer) -> None:
        """Move on the clocks of the partitions of which everything is applied that was there when this was asked."""
        asked = time.time_ns() // 1_000_000
        ended: list[Position] = []
        for tp, end in (await consumer.end_offsets(list(self.applied))).items():
            applied = self.applied.get(tp)
            if applied is None or applied < end:
                continue
            if (at := self.time.read_to_end((tp.topic, tp.partition), asked)) is not None:
                ended.append(Position(tp.topic, tp.partition, applied, at))
        if ended:
            await self.move(ended)
            self.moved()

"""To the broker and its word: records of requests side by side become batches of a partition, each with one answer.

aiokafka's `send` makes a future of its own for every record; here one stands for a whole batch, which costs a
fraction. One batch of a partition is on its way at a time, and what comes meanwhile gathers in the next.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from contextlib import suppress
from typing import Any, Final, cast

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from contracts.envelope import Record
from services.chassis.health import NotReadyError
from services.chassis.patience import patiently
from services.chassis.problems import Problem
from services.gateway.emits import hash_of
from services.gateway.metrics import GatewayMetrics

PARTING = 5.0  # seconds in which a producer that is given up may send what it still holds
LOOK = 5.0  # seconds between two looks at how many partitions there are
log = structlog.get_logger(__name__)

# The broker's word on a batch: None where it has taken it, else why not. Never an exception: some are waited for by
# nobody any more, and their loss is counted here already.
Word = asyncio.Future[Exception | None]
Connect = Callable[[], Awaitable[AIOKafkaProducer]]


class _Lane:
    """One partition: batches that wait, the last of them still open, with the word to come on it and its `append`."""

    __slots__ = ("append", "busy", "partition", "topic", "waiting", "word")

    def __init__(self, topic: str, partition: int) -> None:
        self.topic, self.partition = topic, partition
        self.waiting: deque[tuple[BatchBuilder, Word]] = deque()
        self.word: Word | None = None
        self.append: Callable[..., object] = BatchBuilder.append
        self.busy = False


class Sender:
    """Sends records and says what became of them. A worker of the runtime: `run` keeps a producer connected."""

    def __init__(self, connect: Connect, metrics: GatewayMetrics, topics: Iterable[str]) -> None:
        self._connect, self._metrics = connect, metrics
        self._topics: Final = tuple(topics)
        self._lanes: dict[str, list[_Lane]] = {}
        self._made: AIOKafkaProducer | None = None
        self._ready = asyncio.Event()
        self._broken = asyncio.Event()
        self._broken.set()  # there is none to begin with
        self._idle = asyncio.Event()
        self._idle.set()
        self._busy = 0
        self._heard = time.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether a producer is connected."""
        return self._ready.is_set()

    def check(self) -> None:
        """Raises Problem 503 while nothing can be sent: not connected yet, or stopping."""
        if self._stopping.is_set():
            raise away("This process is stopping")
        if self._made is None:
            raise away("The broker is not reachable at the moment")

    def silent_ms(self) -> int:
        """How long the broker has said nothing although something is on its way; 0 where nothing is."""
        return int((time.monotonic() - self._heard) * 1000) if self._busy else 0

    def require(self, topics: Collection[str]) -> None:
        """Raises Problem 503 where one of the topics is not there."""
        for topic in topics:
            if not self._lanes.get(topic):
                raise away(f"The broker has no topic {topic} (`rapport topics apply` makes it)")

    def send(self, records: Iterable[tuple[str, Record]]) -> list[Word]:
        """Take records along to topics that are there (see `require`); the word on each, which many share."""
        words = []
        for topic, (key, value, headers) in records:
            lanes = self._lanes[topic]
            lane = lanes[hash_of(key) % len(lanes)]
            if lane.word is None or lane.append(timestamp=None, key=key, value=value, headers=headers) is None:
                self._open(lane)
                lane.append(timestamp=None, key=key, value=value, headers=headers)
            words.append(lane.word)
        return cast("list[Word]", words)

    def _open(self, lane: _Lane) -> None:
        builder: BatchBuilder = self._maker.create_batch()
        lane.word, lane.append = asyncio.get_running_loop().create_future(), builder.append
        lane.waiting.append((builder, lane.word))
        if not lane.busy:
            if not self._busy:
                self._heard = time.monotonic()
            lane.busy = True
            self._busy += 1
            self._idle.clear()
            # In the loop's next turn: by then all records of the request that opens it are there.
            self._go(self._drain(lane))

    async def _drain(self, lane: _Lane) -> None:
        try:
            while lane.waiting:
                builder, word = lane.waiting.popleft()
                if word is lane.word:
                    lane.word = None  # it takes no more
                builder.close()
                error = await self._ask(lane, builder)
                if error is None:
                    self._heard = time.monotonic()
                word.set_result(error)
        finally:
            lane.busy = False
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def _ask(self, lane: _Lane, builder: BatchBuilder) -> Exception | None:
        await self._ready.wait()
        producer = self._maker
        try:
            await (await producer.send_batch(builder, lane.topic, partition=lane.partition))
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait for a word get it
            self._metrics.send_failures.labels(lane.topic).inc()
            log.warning("sender.refused", topic=lane.topic, partition=lane.partition, error=type(error).__name__)
            self._give_up(producer)
            return error
        return None

    def _give_up(self, producer: AIOKafkaProducer) -> None:
        """Begin again with another: an idempotent one counts a batch that was refused, and every later batch of that
        partition would be refused as out of order.
        """
        if producer is self._maker and self._ready.is_set():
            self._ready.clear()
            self._broken.set()

    async def run(self) -> None:
        """Keep a producer connected until stopped; then send what is there, and return."""
        stop = asyncio.create_task(self._stopping.wait())
        try:
            while not self._stopping.is_set():
                if self._broken.is_set():
                    await self._first_of(patiently(self._renew), stop)
                elif self._ready.is_set():
                    await self._first_of(self._look(self._maker), stop)
                await self._first_of(self._broken.wait(), stop, LOOK)
            await self._idle.wait()
        finally:
            stop.cancel()
            for task in self._tasks:
                task.cancel()
            if self._made is not None:
                await self._part(self._made)

    async def stop(self) -> None:
        """Take nothing more; `run` returns when what is there is sent."""
        self._stopping.set()

    async def answers(self) -> None:
        """Returns where the broker answers. Raises NotReadyError, KafkaError."""
        if not self._ready.is_set():
            raise NotReadyError("not connected to the broker")
        if not (await self._maker.client.fetch_all_metadata()).brokers():
            raise NotReadyError("the broker names no broker")

    @property
    def _maker(self) -> AIOKafkaProducer:
        assert self._made is not None  # noqa: S101 - `check` has been asked before
        return self._made

    async def _renew(self) -> None:
        producer = await self._connect()
        try:
            await self._look(producer)
        except BaseException:
            self._go(self._part(producer))
            raise
        if self._made is not None:
            self._go(self._part(self._made))
        self._made = producer
        self._metrics.producers.inc()
        self._broken.clear()
        self._ready.set()

    async def _look(self, producer: AIOKafkaProducer) -> None:
        """How many partitions each topic has. A topic that is not there would be waited for, so not for long."""

        async def one(topic: str) -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    lanes = self._lanes.setdefault(topic, [])
                    for number in range(len(lanes), len(await producer.partitions_for(topic))):
                        lanes.append(_Lane(topic, number))

        await asyncio.gather(*map(one, self._topics))

    async def _part(self, producer: AIOKafkaProducer) -> None:
        with suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(PARTING):
                await producer.stop()

    async def _first_of(
        self, work: Coroutine[Any, Any, object], stop: asyncio.Task[Any], most: float | None = None
    ) -> None:
        """Until the work is done, or the process stops, or `most` seconds are over."""
        task = asyncio.ensure_future(work)
        done, _ = await asyncio.wait({task, stop}, timeout=most, return_when=asyncio.FIRST_COMPLETED)
        if task in done:
            task.result()
        else:
            task.cancel()
            await asyncio.wait({task})

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def away(what: str) -> Problem:
    """503: nothing of the request was taken."""
    return Problem(
        503,
        "unavailable",
        f"{what}; nothing of this request was taken. Send the same again shortly.",
        headers={"Retry-After": "5"},
    )

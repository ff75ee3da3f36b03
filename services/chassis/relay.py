"""The relay: from the outbox to Kafka, in order within a subject, marked after the broker's word.

A shard of the outbox is sent by one lease holder at a time. A failed send holds its shard back, and no other: what was
sent after the failure is sent again behind it. A repeat on the wire is possible and harmless, since its id is the same.
What this process said itself is sent from memory where the order allows it (fresh.py); the database is asked for the
rest, at least every `poll_ms`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from pymongo.errors import PyMongoError

from . import marks
from .fresh import Fresh
from .lease import Leases
from .metrics import Metrics
from .mongo import READ_MAJORITY, Database, Doc

HAND_OVER = 5.0  # seconds in which the producer must take a row; a topic that is not there would hold it for longer
PATIENCE = 5.0  # seconds between two tries of a shard that is held back, at most
log = structlog.get_logger(__name__)

Connect = Callable[[], Awaitable[AIOKafkaProducer]]


@dataclass(slots=True)
class Hold:
    """A shard whose first row the broker does not take: it is tried alone, at `until`."""

    until: float
    delay: float


class Relay:
    """Sends what this service's transactions said. `connect` gives a started producer, or raises KafkaError."""

    def __init__(
        self,
        db: Database,
        connect: Connect,
        leases: Leases,
        metrics: Metrics,
        *,
        shards: int = 8,
        batch: int = 1000,
        poll_ms: int = 500,
    ) -> None:
        self.outbox = db.get_collection("outbox", read_concern=READ_MAJORITY)
        self.connect, self.leases, self.metrics = connect, leases, metrics
        self.shards, self.batch, self.poll = shards, batch, poll_ms / 1000
        self.producer: AIOKafkaProducer | None = None
        self.stopping = False
        self._renewed: dict[int, float] = {}
        self._held: dict[int, Hold] = {}
        self._fresh = Fresh(shards)
        self._asked_at = 0.0
        self._marking: asyncio.Task[object] | None = None
        self._asked = asyncio.Event()  # for all leases, once
        self._wake = asyncio.Event()
        self._measured = 0.0

    @property
    def mine(self) -> set[int]:
        """The shards whose leases are held here for certain: reckoned from before they were asked for."""
        now = time.monotonic()
        return {shard for shard, renewed in self._renewed.items() if now - renewed < self.leases.ttl_ms / 1000}

    def hand(self, rows: Sequence[Doc], unsure: Collection[int] = ()) -> None:
        """What a transaction of this process has said, as soon as it is committed; see `Fresh.hand`."""
        self._fresh.hand(rows, unsure)
        self.wake()

    def wake(self) -> None:
        """Something has been said."""
        self._wake.set()

    async def run(self) -> None:
        """Send until stopped; then send what is there, and return."""
        # Beside the sending: a broker that takes its time must not cost the leases, or two would send the same shard.
        keeper = asyncio.create_task(self._keep_leases())
        try:
            while not self.stopping:
                if keeper.done():
                    keeper.result()
                if not await self._round():
                    await self._wait()
            await self._drain()
        finally:
            keeper.cancel()
            await asyncio.wait({keeper})
            await self._leave()

    async def stop(self) -> None:
        """Let `run` finish."""
        self.stopping = True
        self.wake()

    async def _round(self) -> int:
        try:
            sent = await self.send_once()
            await self._measure()
        except (KafkaError, PyMongoError, OSError) as error:
            log.warning("relay.held", error=type(error).__name__)
            self.metrics.retries.labels(stage="relay").inc()
            await asyncio.sleep(0.2)
            return 0
        return sent

    async def send_once(self) -> int:
        """Send what is waiting in the shards held here, up to a batch; returns how many rows the broker has now."""
        self._wake.clear()
        if self.producer is None:
            self.producer = await self.connect()
        free = self.mine - self._held.keys()
        if time.monotonic() - self._asked_at > self.poll:  # others may have said something in these shards
            self._asked_at = time.monotonic()
            self._fresh.doubt(range(self.shards))
        rows = self._fresh.take(free, self.batch)
        behind = free & self._fresh.behind
        found = await self._found(behind)
        for shard, hold in self._held.items():
            if hold.until <= time.monotonic():
                found += await self._rows({shard} & self.mine, 1)
        done = await self._send_mine(self.producer, rows + found)
        if len(found) < self.batch:
            self._fresh.caught_up(behind - self._held.keys())
        return len(done)

    async def _found(self, behind: Collection[int]) -> list[Doc]:
        """What the database holds of shards that are behind; never what is just being marked as sent."""
        if not behind:
            return []
        await self._marked()
        self._fresh.asking(behind)
        return await self._rows(behind, self.batch)

    async def _send_mine(self, producer: AIOKafkaProducer, rows: list[Doc]) -> list[Doc]:
        """Send what is still to be sent here, and mark it: beside what is sent next, for nobody waits for that."""
        mine = self.mine
        rows = [row for row in rows if row["shard"] in mine]
        try:
            done = await self._send(producer, rows) if rows else []
        except BaseException:
            self._fresh.doubt({row["shard"] for row in rows})
            raise
        if done:
            await self._marked()
            gone = {"_id": {"$in": [row["_id"] for row in done]}}
            self._marking = asyncio.ensure_future(self.outbox.delete_many(gone))
        return done

    async def _marked(self) -> None:
        if self._marking is not None:
            marking, self._marking = self._marking, None
            await marking

    async def _rows(self, shards: Collection[int], limit: int) -> list[Doc]:
        if not shards:
            return []
        cursor = self.outbox.find({"shard": {"$in": sorted(shards)}}).sort([("at", 1)]).limit(limit)
        rows: list[Doc] = await cursor.to_list(limit)
        return rows

    async def _send(self, producer: AIOKafkaProducer, rows: list[Doc]) -> list[Doc]:
        given, failed, absent = [], set(), set()
        for row in rows:
            if row["shard"] in failed:
                continue
            if row["topic"] in absent:
                failed.add(row["shard"])
                continue
            try:
                given.append((row, await self._hand_over(producer, row)))
            except (KafkaError, TimeoutError) as error:
                failed.add(row["shard"])
                if not isinstance(error, MessageSizeTooLargeError):
                    absent.add(row["topic"])
                self._refused(row, error)
        marks.reach(marks.RELAY_BEFORE_WORD)
        words = await asyncio.gather(*(word for _, word in given), return_exceptions=True)
        marks.reach(marks.RELAY_AFTER_WORD)
        done = self._confirmed([(row, word) for (row, _), word in zip(given, words, strict=True)])
        for shard in failed:
            self._hold(shard)
        if any(isinstance(word, BaseException) for word in words):
            await self._renew()
        return done

    async def _hand_over(self, producer: AIOKafkaProducer, row: Doc) -> asyncio.Future[object]:
        headers = [(name, value) for name, value in row["headers"]]
        async with asyncio.timeout(HAND_OVER):
            word: asyncio.Future[object] = await producer.send(
                row["topic"], value=row["value"], key=row["key"], headers=headers
            )
        return word

    def _confirmed(self, words: list[tuple[Doc, object]]) -> list[Doc]:
        done: list[Doc] = []
        refused: set[int] = set()
        now = time.time()
        for row, word in words:
            if isinstance(word, BaseException):
                self._refused(row, word)
                refused.add(row["shard"])
            elif row["shard"] not in refused:
                done.append(row)
                self._held.pop(row["shard"], None)
                self.metrics.sent.labels(row["topic"]).inc()
                self.metrics.send_seconds.observe(max(0.0, now - row["at"] / 1e6))
        for shard in refused:
            self._hold(shard)
        return done

    def _hold(self, shard: int) -> None:
        held = self._held.get(shard)
        delay = 0.2 if held is None else min(held.delay * 2, PATIENCE)
        self._held[shard] = Hold(time.monotonic() + delay, delay)
        self._fresh.doubt([shard])

    async def _renew(self) -> None:
        """Begin again with another producer: an idempotent one counts a batch that the broker refused, and every later
        batch of that partition would be refused as out of order.
        """
        if self.producer is not None:
            producer, self.producer = self.producer, None
            with suppress(KafkaError):
                await producer.stop()

    def _refused(self, row: Doc, word: BaseException) -> None:
        self.metrics.send_failures.labels(row["topic"]).inc()
        hint = "trying again"
        if isinstance(word, MessageSizeTooLargeError):
            hint = "raise max.message.bytes of the topic"
        elif isinstance(word, TimeoutError):
            hint = "is the topic there? `rapport topics apply` makes it"
        log.warning("relay.refused", topic=row["topic"], id=row["_id"], error=type(word).__name__, next=hint)

    async def _keep_leases(self) -> None:
        while True:
            for shard in range(self.shards):
                asked = time.monotonic()
                try:
                    held = await self.leases.take(f"relay/{shard}")
                except (PyMongoError, OSError) as error:
                    log.warning("relay.leases", error=type(error).__name__)
                    break
                if not held or shard not in self.mine:
                    self._fresh.doubt([shard])  # another may have sent what is held of it, and more
                if not held:
                    self._renewed.pop(shard, None)
                else:
                    if shard not in self.mine:
                        self.wake()
                    self._renewed[shard] = asked
                self.metrics.lease_held.labels(f"relay/{shard}").set(held)
            self._asked.set()
            await asyncio.sleep(self.leases.ttl_ms / 3000)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self.poll):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _measure(self) -> None:
        if time.monotonic() - self._measured < 2.0:
            return
        self._measured = time.monotonic()
        # Asked by shard, so that the index gives the oldest of all without a sort.
        every = {"shard": {"$in": list(range(self.shards))}}
        oldest = await self.outbox.find_one(every, sort=[("at", 1)], projection={"at": 1})
        self.metrics.outbox(await self.outbox.estimated_document_count(), oldest["at"] / 1e6 if oldest else None)

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(5):
                await self._asked.wait()  # a process that ends as soon as it has begun sends what it said all the same
                self._asked_at = 0.0
                while await self.send_once():
                    pass
                await self._marked()
        except (TimeoutError, KafkaError, PyMongoError, OSError) as error:
            log.info("relay.left_rows", error=type(error).__name__, next="the next process sends them")

    async def _leave(self) -> None:
        # First the producer, then the leases: what it still holds must not go out behind another process's rows.
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await self._renew()
        with suppress(PyMongoError):  # they run out by themselves
            for shard in self._renewed:
                await self.leases.release(f"relay/{shard}")

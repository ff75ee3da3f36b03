"""The relay: from the outbox to Kafka, in order within a subject, marked after the broker's word.

A shard of the outbox is sent by one lease holder at a time. A failed send holds its shard back: what was sent after
the failure is sent again behind it. A repeat on the wire is possible and harmless, since its id is the same.
"""

from __future__ import annotations

import asyncio
import time

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from pymongo.errors import PyMongoError

from . import marks
from .lease import Leases
from .metrics import Metrics
from .mongo import READ_MAJORITY, Database, Doc

log = structlog.get_logger(__name__)


class Relay:
    """Sends what this service's transactions said."""

    def __init__(
        self,
        db: Database,
        producer: AIOKafkaProducer,
        leases: Leases,
        metrics: Metrics,
        *,
        shards: int = 8,
        batch: int = 1000,
        poll_ms: int = 500,
    ) -> None:
        self.outbox = db.get_collection("outbox", read_concern=READ_MAJORITY)
        self.producer, self.leases, self.metrics = producer, leases, metrics
        self.shards, self.batch, self.poll = shards, batch, poll_ms / 1000
        self.mine: set[int] = set()
        self.stopping = False
        self._wake = asyncio.Event()
        self._leased = 0.0
        self._measured = 0.0

    def wake(self) -> None:
        """Something has been said here."""
        self._wake.set()

    async def run(self) -> None:
        """Send until stopped; then send what is there, and return."""
        while not self.stopping:
            try:
                await self._lease()
                sent = await self.send_once()
                await self._measure()
            except (KafkaError, PyMongoError, OSError) as error:
                log.warning("relay.held", error=type(error).__name__)
                self.metrics.retries.labels(stage="relay").inc()
                sent = 0
                await asyncio.sleep(0.2)
            if not sent:
                await self._wait()
        await self._drain()

    async def stop(self) -> None:
        """Let `run` finish."""
        self.stopping = True
        self.wake()

    async def send_once(self) -> int:
        """Send what is waiting in the shards held here, up to a batch; returns how many rows the broker has now."""
        self._wake.clear()
        if not self.mine:
            return 0
        cursor = self.outbox.find({"shard": {"$in": sorted(self.mine)}}).sort([("at", 1)]).limit(self.batch)
        rows = await cursor.to_list(self.batch)
        if not rows:
            return 0
        done = await self._send(rows)
        if done:
            await self.outbox.delete_many({"_id": {"$in": [row["_id"] for row in done]}})
        return len(done)

    async def _send(self, rows: list[Doc]) -> list[Doc]:
        futures = []
        for row in rows:
            headers = [(name, value) for name, value in row["headers"]]
            futures.append(await self.producer.send(row["topic"], value=row["value"], key=row["key"], headers=headers))
        marks.reach(marks.RELAY_BEFORE_WORD)
        words = await asyncio.gather(*futures, return_exceptions=True)
        marks.reach(marks.RELAY_AFTER_WORD)
        held: set[int] = set()
        done: list[Doc] = []
        now = time.time()
        for row, word in zip(rows, words, strict=True):
            if isinstance(word, BaseException):
                self._refused(row, word)
                held.add(row["shard"])
            elif row["shard"] not in held:
                done.append(row)
                self.metrics.sent.labels(row["topic"]).inc()
                self.metrics.send_seconds.observe(max(0.0, now - row["at"] / 1e6))
        return done

    def _refused(self, row: Doc, word: BaseException) -> None:
        self.metrics.send_failures.labels(row["topic"]).inc()
        hint = "raise max.message.bytes of the topic" if isinstance(word, MessageSizeTooLargeError) else "trying again"
        log.warning("relay.refused", topic=row["topic"], id=row["_id"], error=type(word).__name__, next=hint)

    async def _lease(self) -> None:
        if time.monotonic() - self._leased < self.leases.ttl_ms / 3000:
            return
        self._leased = time.monotonic()
        for shard in range(self.shards):
            held = await self.leases.take(f"relay/{shard}")
            (self.mine.add if held else self.mine.discard)(shard)
            self.metrics.lease_held.labels(f"relay/{shard}").set(held)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(min(self.poll, self.leases.ttl_ms / 3000)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _measure(self) -> None:
        if time.monotonic() - self._measured < 2.0:
            return
        self._measured = time.monotonic()
        oldest = await self.outbox.find_one({}, sort=[("shard", 1), ("at", 1)], projection={"at": 1})
        self.metrics.outbox(await self.outbox.estimated_document_count(), oldest["at"] / 1e6 if oldest else None)

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(5):
                while await self.send_once():
                    pass
        except (TimeoutError, KafkaError, PyMongoError) as error:
            log.info("relay.left_rows", error=type(error).__name__, next="the next process sends them")
        for shard in self.mine:
            await self.leases.release(f"relay/{shard}")

"""From Kafka's records to the applier, and the offsets after it.

FastStream makes the consumer (connection, security, subscription); the loop is ours, because a FastStream handler
that raises loses what it was given. A batch is held here until it is applied, however long the database is away,
while the paused assignment is polled so that the group is kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from contracts.envelope import Event, decode, encode_data
from contracts.refusal import Refused
from contracts.registry import MODELS

from .apply import Applier, Outcome, Position
from .logtime import LogTime, millis
from .service import Service
from .work import Dead, Origin, Work, dead_of_record, event_work

HOLD = 1.0  # seconds between polls of a held assignment; aiokafka gives a member up after 300 without
FETCH_WAIT_MS = 100  # how long the broker sits on an empty fetch: the grain of "read to its end"
log = structlog.get_logger(__name__)


class OffsetGoneError(RuntimeError):
    """The record to be read next is no longer in the log: records have expired unread, and reading on would lose them
    without a word.
    """


@dataclass(slots=True)
class Read:
    """A batch as read: what to apply, what could not be read, and how far that takes each partition."""

    works: list[Work]
    dead: list[Dead]
    positions: list[Position]
    records: int


class Reader:
    """Records to work: pure but for the log time it moves along."""

    def __init__(self, service: Service, time: LogTime, limit: int) -> None:
        self.handlers = service.handlers
        self.time = time
        self.limit = limit

    def read(self, batch: dict[TopicPartition, list[ConsumerRecord]]) -> Read:
        """Decode a batch. A record that cannot be read becomes a dead letter; one of a type this service does not
        take is passed over.
        """
        out = Read([], [], [], 0)
        for tp, records in batch.items():
            place = (tp.topic, tp.partition)
            for record in records:
                self._record(place, record, out)
            out.records += len(records)
            out.positions.append(Position(tp.topic, tp.partition, records[-1].offset + 1, self.time.marks[place]))
        return out

    def _record(self, place: tuple[str, int], record: ConsumerRecord, out: Read) -> None:
        origin = Origin(record.topic, record.partition, record.offset, record.key, record.value, tuple(record.headers))
        appended = millis(record.timestamp)
        if record.value is None or self._not_ours(record):
            self.time.moment(place, record.timestamp, None)
            return
        try:
            if len(record.value) > self.limit:
                raise Refused(
                    "too_large",
                    f"The event has {len(record.value):,} bytes; at most {self.limit:,} are taken. Send less in one event.",
                )
            event = decode(record.value, record.headers, record.key, received_at=appended)
        except Refused as refused:
            out.dead.append(dead_of_record(origin, refused, self.time.moment(place, record.timestamp, None)))
            return
        now = self.time.moment(place, record.timestamp, event.time)
        handler = self.handlers.get(event.type)
        if handler is not None and not handler.own:
            out.works.append(event_work(event, handler, now, origin, body_of(record, event)))

    def _not_ours(self, record: ConsumerRecord) -> bool:
        # Read from the header alone: another service's events cost no decoding. In a simulation their times move the
        # clock, so they are read.
        if self.time.mode == "events":
            return False
        for name, value in record.headers:
            if name == "ce_type":
                kind = value.decode(errors="replace")
                return kind in MODELS and kind not in self.handlers
        return False


def body_of(record: ConsumerRecord, event: Event) -> bytes:
    """The payload's JSON: the value itself in binary mode."""
    if any(name == "ce_id" for name, _ in record.headers):
        return bytes(record.value)
    return encode_data(event.data)


class Intake(ConsumerRebalanceListener):  # type: ignore[misc]
    """Reads a service's topics and hands batches to the applier, one at a time.

    `woken` is called after each batch that was applied.
    """

    def __init__(
        self,
        service: Service,
        applier: Applier,
        broker: KafkaBroker,
        logtime: LogTime,
        *,
        group: str,
        instance: str = "",
        batch: int = 2000,
        session_ms: int = 10_000,
        max_event_bytes: int = 1_000_000,
        woken: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        self.applier, self.time, self.batch, self.woken = applier, logtime, batch, woken
        self.reader = Reader(service, logtime, max_event_bytes)
        self.metrics = applier.metrics
        self.next: dict[TopicPartition, int] = {}
        self.stopping = False
        self.failed: Exception | None = None
        self._busy = asyncio.Lock()
        self._applying: asyncio.Task[Outcome] | None = None
        self._beaten = 0.0
        self.broker = broker
        self.subscriber = broker.subscriber(
            *service.topics(),
            group_id=group,
            group_instance_id=instance or None,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="none",
            listener=self,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=max(300, session_ms // 5),
            rebalance_timeout_ms=60_000,
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )

    @property
    def consumer(self) -> Any:
        """aiokafka's consumer, while started."""
        return self.subscriber.consumer

    async def run(self) -> None:
        """Read until stopped.

        Raises:
            OffsetGoneError: records have expired unread; an operator has to decide.
        """
        while not self.stopping:
            try:
                batch = await self.consumer.getmany(timeout_ms=200, max_records=self.batch)
                if batch:
                    await self._take(batch)
                await self._beat()
            except OffsetOutOfRangeError as gone:
                raise OffsetGoneError(f"{gone}: records have expired before they were read; see the runbook") from gone
            except NoOffsetForPartitionError:
                await self._place(self.consumer.assignment())
            except KafkaError as error:
                log.warning("intake.broker", error=type(error).__name__)
                self.metrics.retries.labels(stage="intake").inc()
                await asyncio.sleep(0.2)
            if self.failed is not None:
                raise self.failed

    async def stop(self) -> None:
        """Take no more; the batch in hand is finished. `run` then returns by itself."""
        self.stopping = True
        async with self._busy:
            pass

    async def _take(self, batch: dict[TopicPartition, list[ConsumerRecord]]) -> None:
        async with self._busy:
            batch = {tp: rest for tp, records in batch.items() if (rest := self._unseen(tp, records))}
            if not batch:
                return
            with self.metrics.timed("decode"):
                read = self.reader.read(batch)
            self.metrics.batch_records.observe(read.records)
            self._applying = asyncio.create_task(self.applier.apply(read.works, read.positions, read.dead))
            try:
                outcome = await self._held(self._applying)
            except asyncio.CancelledError:
                if self._applying.cancelled() and not self.stopping:
                    return  # the partitions went while the database was away; their next reader has the batch
                raise
            finally:
                self._applying = None
            for position in read.positions:
                self.next[TopicPartition(position.topic, position.partition)] = position.next
            self._count(read, outcome)
            self.woken(outcome)
            await self._commit(read.positions)

    def _unseen(self, tp: TopicPartition, records: list[ConsumerRecord]) -> list[ConsumerRecord]:
        # Kafka's own offset can be behind ours for a moment after an assignment; ours wins.
        start = self.next.get(tp)
        if start is None:
            return []  # not placed yet: read again after it is
        return records if records[0].offset >= start else [record for record in records if record.offset >= start]

    async def _held(self, task: asyncio.Task[Outcome]) -> Outcome:
        """Wait for the applier, polling the paused assignment meanwhile so that the group is kept."""
        while not task.done():
            await asyncio.wait({task}, timeout=HOLD)
            if not task.done() and (held := self.consumer.assignment()):
                self.consumer.pause(*held)
                for tp, records in (await self.consumer.getmany(*held, timeout_ms=10)).items():
                    self.consumer.seek(tp, records[0].offset)
        if paused := self.consumer.paused():
            self.consumer.resume(*paused)
        return await task

    async def _commit(self, positions: Iterable[Position]) -> None:
        offsets = {TopicPartition(p.topic, p.partition): p.next for p in positions}
        held = self.consumer.assignment()
        try:
            if mine := {tp: at for tp, at in offsets.items() if tp in held}:
                await self.consumer.commit(mine)
        except (KafkaError, IllegalStateError) as error:
            # Harmless: the applied offsets stand in the database and win on the next assignment.
            log.info("intake.commit_refused", error=type(error).__name__)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Finish the batch in hand before its partitions go; where the database is away, drop it: nothing of it
        stays.
        """
        try:
            async with asyncio.timeout(20):
                async with self._busy:
                    pass
        except TimeoutError:
            if self._applying is not None:
                self._applying.cancel()
        self.applier.cache.clear()
        for tp in revoked:
            if self.next.pop(tp, None) is not None:
                self.metrics.forget(tp.topic, tp.partition)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Start each partition where the database says it was applied to, else at its beginning."""
        try:
            await self._place(set(assigned))
        except (OffsetGoneError, KafkaError) as error:
            self.failed = error

    async def _place(self, partitions: set[TopicPartition]) -> None:
        if not partitions:
            return
        stored = await self.applier.positions()
        first = await self.consumer.beginning_offsets(list(partitions))
        last = await self.consumer.end_offsets(list(partitions))
        for tp in partitions:
            start, clock = stored.get((tp.topic, tp.partition), (first[tp], None))
            if not first[tp] <= start <= last[tp]:
                raise OffsetGoneError(
                    f"{tp.topic}/{tp.partition} is applied up to {start}, but the log holds {first[tp]} to {last[tp]}: "
                    "records have expired before they were read, or the topic was made anew; see the runbook"
                )
            self.time.place((tp.topic, tp.partition), clock)
            self.next[tp] = start
            self.consumer.seek(tp, start)
        self.metrics.partitions.set(len(self.consumer.assignment()))

    async def _beat(self) -> None:
        """Once a second: lag, and the clock of partitions read to their end."""
        if time.monotonic() - self._beaten < 0.1:
            return
        self._beaten = time.monotonic()
        ended: list[Position] = []
        for tp in self.consumer.assignment():
            high, polled, next_ = self.consumer.highwater(tp), self.consumer.last_poll_timestamp(tp), self.next.get(tp)
            if high is None or polled is None or next_ is None:
                continue
            behind = max(0, high - next_)
            mark = self.time.marks.get((tp.topic, tp.partition))
            self.metrics.lag(tp.topic, tp.partition, behind, mark.timestamp() if mark else None)
            if behind == 0 and (at := self.time.read_to_end((tp.topic, tp.partition), polled)) is not None:
                ended.append(Position(tp.topic, tp.partition, next_, at))
        if ended:
            await self.applier.move(ended)

    def _count(self, read: Read, outcome: Outcome) -> None:
        topic = read.positions[0].topic
        self.metrics.applied.labels(topic).inc(outcome.applied)
        self.metrics.repeated.labels(topic).inc(outcome.repeats)
        for dead in outcome.dead:
            self.metrics.dead.labels(dead.origin.topic if dead.origin else "", dead.reason).inc()


async def started(intake: Intake) -> None:
    """Start the consumer, however long the broker is away."""
    delay = 0.2
    while True:
        try:
            await intake.broker.start()
        except (KafkaError, OSError) as error:
            log.warning(
                "intake.no_broker", error=type(error).__name__, next="check RAPPORT_KAFKA_BOOTSTRAP; trying again"
            )
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)
        else:
            return

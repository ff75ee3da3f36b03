"""From Kafka's records to the applier, and the offsets after it.

FastStream makes the consumer (connection, security, subscription); the loop is ours, because a FastStream handler
that raises loses what it was given. A batch is held here until it is applied, however long the database is away,
while the paused assignment is polled so that the group is kept.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError, NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from .apply import Applier
from .batch import Outcome
from .errors import OffsetGoneError
from .logtime import LogTime
from .patience import patiently
from .pulse import Pulse
from .reader import Read, Reader
from .service import Service
from .supplies import Heard

HOLD = 1.0  # seconds between polls of a held assignment; aiokafka gives a member up after 300 without
FETCH_WAIT_MS = 100  # how long the broker sits on an empty fetch: the grain of "read to its end"
FINISH = 20.0  # seconds a batch in hand has when its partitions go; well below the rebalance's own limit
COMMIT_EVERY = 0.5  # seconds
COMMIT_WAIT = 5.0  # seconds; without a broker aiokafka would wait for ever
TROUBLE = 60.0  # seconds of errors that no waiting heals, after which the process ends: a new one starts clean
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class InHand:
    """A batch that was read and given to the applier."""

    read: Read
    task: asyncio.Task[Outcome]


class Intake(ConsumerRebalanceListener):  # type: ignore[misc]
    """Reads a service's topics and hands batches to the applier, at most two at a time; tells `woken` of each."""

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
        heard: Heard | None = None,
    ) -> None:
        self.applier, self.time, self.batch, self.woken = applier, logtime, batch, woken
        self.reader, self.metrics = Reader(service, logtime, max_event_bytes, heard), applier.metrics
        self.next: dict[TopicPartition, int] = {}
        self.stopping = False
        self._told_to_stop = asyncio.Event()
        self._troubled: float | None = None
        self._read: dict[TopicPartition, int] = {}  # how far was read; `next` is how far is applied
        self._hand: deque[InHand] = deque()
        self._owed: dict[TopicPartition, int] = {}  # applied, and not yet committed to Kafka
        self._committed = 0.0
        self.pulse = Pulse(logtime, applier.metrics)
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
            isolation_level="read_committed",  # what a source rolls back it has not said
        )

    @property
    def consumer(self) -> Any:
        """aiokafka's consumer, while started."""
        return self.subscriber.consumer

    @property
    def busy(self) -> bool:
        """Whether something that was read is still to be applied."""
        return bool(self._hand)

    async def run(self) -> None:
        """Read until stopped, once the broker is there and the group has given this process its share.

        Raises:
            OffsetGoneError: records have expired unread; an operator has to decide.
            KafkaError: one that waiting does not heal has lasted for a minute (the group has shut this process out).
        """
        await self._join()
        try:
            while not self.stopping:
                try:
                    await self._turn()
                except OffsetOutOfRangeError as gone:
                    said = f"{gone}: records have expired before they were read; see the runbook"
                    raise OffsetGoneError(said) from gone
                except KafkaError as error:
                    self._endure(error)
                    await asyncio.sleep(0.2)
                else:
                    self._troubled = None
            if self._hand:
                await self._finish(0)
                await self._commit(now=True)
        finally:
            for one in self._hand:
                one.task.cancel()

    async def _join(self) -> None:
        joining = asyncio.create_task(patiently(self.broker.start))
        told = asyncio.create_task(self._told_to_stop.wait())
        try:
            await asyncio.wait({joining, told}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            if not joining.done():  # the dead member it waits for may take longer than anyone who stops us
                joining.cancel()
                await asyncio.wait({joining})
        if not joining.cancelled():
            joining.result()

    async def _turn(self) -> None:
        batch = {}
        try:
            wait = 0 if self._hand else 200
            batch = await self.consumer.getmany(timeout_ms=wait, max_records=self.batch)
        except NoOffsetForPartitionError:
            pass  # the group has none; ours is put in its place below
        except OffsetOutOfRangeError as gone:
            if any(tp in self.next for tp in gone.args[0]):  # else it was the group's offset, as above
                raise
        if batch:
            await self._take(batch)
        else:
            await self._finish(0)
        if new := self.consumer.assignment() - self.next.keys():
            placing = asyncio.create_task(self._place(new))
            await self._held(placing, leave=True)
            if not placing.cancelled():
                placing.result()
        await self._beat()

    def _endure(self, error: KafkaError) -> None:
        log.warning("intake.broker", error=type(error).__name__)
        self.metrics.retries.labels(stage="intake").inc()
        if error.retriable or isinstance(error, KafkaTimeoutError):
            return
        self._troubled = self._troubled or time.monotonic()
        if time.monotonic() - self._troubled > TROUBLE:
            raise error

    async def stop(self) -> None:
        """Take no more; what is in hand is finished. `run` then returns by itself."""
        self.stopping = True
        self._told_to_stop.set()
        if self._hand:
            await asyncio.wait({one.task for one in self._hand})

    async def _take(self, batch: dict[TopicPartition, list[ConsumerRecord]]) -> None:
        """Give a batch to the applier. A full one is left in hand while the next is read, so that decoding and folding
        go on while the database works; a small one is finished at once.
        """
        batch = {tp: rest for tp, records in batch.items() if (rest := self._unseen(tp, records))}
        if not batch:
            return
        with self.metrics.timed("decode"):
            read = self.reader.read(batch)
        self.metrics.batch_records.observe(read.records)
        after = self._hand[-1].task if self._hand else None
        task = asyncio.create_task(self.applier.apply(read.works, read.positions, read.dead, after=after))
        self._hand.append(InHand(read, task))
        for position in read.positions:
            self._read[TopicPartition(position.topic, position.partition)] = position.next
        await self._finish(1 if read.records >= self.batch // 2 else 0)

    async def _finish(self, left: int) -> None:
        """Wait until at most `left` batches are in hand."""
        while len(self._hand) > left:
            one = self._hand[0]
            await self._held(one.task)
            self._hand.popleft()
            if one.task.cancelled():
                continue  # the partitions went while the database was away; their next reader has the batch
            outcome = one.task.result()
            for position in one.read.positions:
                tp = TopicPartition(position.topic, position.partition)
                if position.next > self.next.get(tp, position.next):  # gone meanwhile, it may be back at another place
                    self.next[tp] = self._owed[tp] = position.next
            self._count(one.read, outcome)
            self.woken(outcome)
        await self._commit()

    def _unseen(self, tp: TopicPartition, records: list[ConsumerRecord]) -> list[ConsumerRecord]:
        # Kafka's own offset can be behind ours for a moment after an assignment; ours wins.
        start = self._read.get(tp)
        if start is None:
            return []  # not placed yet: read again after it is
        return records if records[0].offset >= start else [record for record in records if record.offset >= start]

    async def _held(self, task: asyncio.Task[Any], *, leave: bool = False) -> None:
        """Wait until `task` is over (with `leave`: or the process stops), polling the paused assignment meanwhile so
        that the group is kept.
        """
        try:
            while not (await asyncio.wait({task}, timeout=HOLD))[0]:
                if leave and self.stopping:
                    task.cancel()
                await self._poll_nothing()
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})  # what it has begun is brought to an end before anyone goes on
            raise
        if paused := self.consumer.paused():
            self.consumer.resume(*paused)

    async def _poll_nothing(self) -> None:
        try:
            async with asyncio.timeout(HOLD):  # in a rebalance a poll waits for its end, and that may wait for us
                if held := self.consumer.assignment():
                    self.consumer.pause(*held)
                    for tp, records in (await self.consumer.getmany(*held, timeout_ms=10)).items():
                        self.consumer.seek(tp, records[0].offset)
        except (KafkaError, TimeoutError) as error:
            log.info("intake.held", error=type(error).__name__)

    async def _commit(self, *, now: bool = False) -> None:
        """Tell Kafka how far was applied, twice a second: it only serves others to look at, for ours wins."""
        if not self._owed or (not now and time.monotonic() - self._committed < COMMIT_EVERY):
            return
        held = self.consumer.assignment()
        mine = {tp: at for tp, at in self._owed.items() if tp in held}
        self._owed, self._committed = {}, time.monotonic()
        try:
            if mine:
                async with asyncio.timeout(COMMIT_WAIT):
                    await self.consumer.commit(mine)
        except (KafkaError, TimeoutError) as error:
            # Harmless: the applied offsets stand in the database and win on the next assignment.
            log.info("intake.commit_refused", error=type(error).__name__)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Finish what is in hand before its partitions go; without a database, drop it: nothing of it stays."""
        if tasks := {one.task for one in self._hand}:
            for task in (await asyncio.wait(tasks, timeout=FINISH))[1]:
                task.cancel()
        await self._commit(now=True)
        self.applier.cache.clear()
        self._unplace(revoked)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """`run` places them, and can wait for a database without holding the group up. What it has placed since the
        loss, it has placed in the assignment before: that is shown until now.
        """
        self._unplace(assigned)

    def _unplace(self, partitions: Iterable[TopicPartition]) -> None:
        for tp in partitions:
            self.pulse.forget(tp)
            self._read.pop(tp, None)
            if self.next.pop(tp, None) is not None:
                self.metrics.forget(tp.topic, tp.partition)

    async def _place(self, partitions: set[TopicPartition]) -> None:
        """Start each partition where the database says it was applied to, else at its beginning."""
        stored = await self.applier.positions()
        first = await self.consumer.beginning_offsets(list(partitions))
        last = await self.consumer.end_offsets(list(partitions))
        for tp in partitions & self.consumer.assignment():
            start, clock = stored.get((tp.topic, tp.partition), (first[tp], None))
            if not first[tp] <= start <= last[tp]:
                raise OffsetGoneError(
                    f"{tp.topic}/{tp.partition} is applied up to {start}, but the log holds {first[tp]} to {last[tp]}: "
                    "records have expired before they were read, or the topic was made anew; see the runbook"
                )
            self.time.place((tp.topic, tp.partition), clock)
            self.next[tp] = self._read[tp] = start
            self.consumer.seek(tp, start)
        self.metrics.partitions.set(len(self.consumer.assignment()))

    async def _pass_markers(self) -> None:
        """Count what no reader is given as applied, the ends of a source's transactions: a clock would wait for it."""
        for tp in self.next.keys() & self.consumer.assignment():
            if (at := await self.consumer.position(tp)) > self.next[tp]:
                self.next[tp] = self._read[tp] = self._owed[tp] = at

    async def _beat(self) -> None:
        if self.pulse.due():
            if not self._hand:
                await self._pass_markers()
            await self._commit()
            if ended := self.pulse.beat(self.consumer, self.next):
                await self.applier.move(ended)

    def _count(self, read: Read, outcome: Outcome) -> None:
        self.metrics.count(read.positions[0].topic, outcome.applied, outcome.repeats)
        for dead in outcome.dead:
            self.metrics.dead.labels(dead.origin.topic if dead.origin else "", dead.reason).inc()

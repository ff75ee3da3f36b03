"""Reads the dead letters of every service into cases. One process at a time does; it notes how far after each batch,
and what it reads twice changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from contracts.registry import consumed_by
from services.chassis.lease import Leases
from services.chassis.logtime import millis
from services.chassis.mongo import Database, DatabaseError
from services.chassis.rounds import Rounds
from services.gateway.letters import store
from services.gateway.letters.wire import Heard, Taken, heard
from services.gateway.metrics import GatewayMetrics
from services.gateway.model import letter
from services.gateway.model.letter import Case

TOPICS: Final = tuple(topic.name for topic in consumed_by("gateway") if topic.kind == "dead_letters")
LEASE: Final = "letters/read"
BATCH: Final = 200  # records, of 1 MB at most
POLL_MS: Final = 500
LOOK: Final = 30.0  # seconds between two looks for partitions that were added
PAUSE: Final = 1.0  # seconds before the next try
log = structlog.get_logger(__name__)


@dataclass
class LetterReader:
    """A worker of the runtime. `kafka` are the options of every client."""

    db: Database
    leases: Leases
    kafka: Mapping[str, Any]
    metrics: GatewayMetrics
    _rounds: Rounds = field(default_factory=lambda: Rounds("letters.reader", PAUSE, (KafkaError, OSError)))

    async def stop(self) -> None:
        """Let `run` store what it has read, and return."""
        self._rounds.stop()

    async def run(self) -> None:
        """Read until stopped."""
        await self._rounds.run(self._read)

    async def _read(self) -> None:
        if not await self.leases.take(LEASE):
            return
        # Without a group: the lease says who reads, and the database how far.
        consumer = AIOKafkaConsumer(**self.kafka, client_id="rapport-gateway-letters", auto_offset_reset="earliest")
        admin = AIOKafkaAdminClient(**self.kafka)
        try:
            await consumer.start()
            await admin.start()
            looked = float("-inf")
            while not self._rounds.stopping and await self.leases.take(LEASE):
                if time.monotonic() - looked > LOOK:
                    await self._place(consumer, admin)
                    looked = time.monotonic()
                if not consumer.assignment():
                    return  # no such topic yet
                for tp, records in (await consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH)).items():
                    await self.take(tp.topic, records)
                    await store.keep_offset(self.db, tp.topic, tp.partition, records[-1].offset + 1)
        finally:
            await consumer.stop()
            await admin.close()
            with suppress(DatabaseError):
                await self.leases.release(LEASE)

    async def _place(self, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient) -> None:
        """Read every partition from where it was read to, a new one from its beginning."""
        described = await admin.describe_topics(list(TOPICS))
        there = {
            TopicPartition(topic["topic"], part["partition"])
            for topic in described
            if not topic["error_code"]
            for part in topic["partitions"]
        }
        if not (new := there - consumer.assignment()):
            return
        consumer.assign(list(there))
        stored = await store.offsets(self.db)
        first = await consumer.beginning_offsets(list(there))
        for tp in there:
            # What has expired unread still lies in its service's own file (`rapport dead list`).
            consumer.seek(tp, max(first[tp], stored.get((tp.topic, tp.partition), 0)))
        log.info("letters.placed", partitions=len(there), new=len(new))

    async def take(self, topic: str, records: Iterable[ConsumerRecord[Any, Any]]) -> None:
        """Make cases of a partition's records."""
        new: list[Heard] = []
        later: list[Heard | Taken] = []
        for record in records:
            found = heard(topic, millis(record.timestamp), record.key, record.value, list(record.headers))
            if found is None:
                log.warning("letters.not_ours", topic=topic, partition=record.partition, offset=record.offset)
            elif isinstance(found, Heard) and found.attempt == 0:
                new.append(found)
            else:
                later.append(found)
        number = await store.add(self.db, [(one.case, one.record) for one in new])
        self.metrics.letters.labels("new").inc(number)
        if later:
            await self._later(later)
        heard_of = [one.case.subject or "" for one in (*new, *later) if isinstance(one, Heard)]
        await store.strip(self.db, heard_of)

    async def _later(self, found: Sequence[Heard | Taken]) -> None:
        """What became of sendings: all at once, and again one by one where somebody else was at the same case."""
        known = await store.cases(self.db, {name for one in found for name in _names(one)})
        unknown = [one for one in found if isinstance(one, Heard) and known.keys().isdisjoint(_names(one))]
        await store.add(self.db, [(_late(one), one.record) for one in unknown])
        moves = [(name, _move(one)) for one in found if (name := _of(one, known)) is not None]
        after = dict(known)
        for name, move in moves:
            after[name] = move(after[name])
        await store.put_all(self.db, [(known[name], after[name]) for name in after if after[name] is not known[name]])
        now = await store.cases(self.db, {name for name, _ in moves})
        for name, move in moves:
            if name in now and move(now[name]) is not now[name]:
                await store.change(self.db, name, move)
        for one in found:
            self.metrics.letters.labels("taken" if isinstance(one, Taken) else "again").inc()


def _names(found: Heard | Taken) -> list[str]:
    if isinstance(found, Taken):
        return [found.case]
    return [found.again, found.case.id] if found.again is not None else [found.case.id]


def _of(found: Heard | Taken, known: Mapping[str, Case]) -> str | None:
    """The case that it is about. Only a letter that named no event may come back under another name."""
    again = found.again if isinstance(found, Heard) else None
    if again is not None and again in known and known[again].event_id is None:
        return again
    name = _names(found)[-1]
    return name if name in known else None


def _move(found: Heard | Taken) -> Callable[[Case], Case]:
    if isinstance(found, Taken):
        return lambda case: letter.taken(case, found.attempt, found.at)
    return lambda case: letter.refused_again(case, found.case, found.attempt)


def _late(found: Heard) -> Case:
    """The case of a letter that is known from its second refusal on: its first has expired here."""
    return letter.with_state(found.case, refused=found.attempt, attempts=found.attempt)

"""The bus as the run sees it from outside: it delivers, grows topics, forgets groups, and reads back what was said."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.structs import ConsumerRecord

from contracts.envelope import Event, encode
from contracts.events.trade import SourceCompleted
from contracts.registry import TOPICS
from services.chassis.topics import apply_topics
from tests.faults.hand import BOOKS
from tests.faults.wait import until
from tests.faults.wire import Wire

TRADE: Final = "rapport.trade"
_DELETE_GROUPS: Final = 42
_SETTLE_S: Final = 20.0
_AT_ONCE: Final = 500


@dataclass
class Bus:
    """Connections to one broker; `open` and `close` around everything that stops it."""

    bootstrap: str
    producer: AIOKafkaProducer
    admin: AIOKafkaAdminClient

    @classmethod
    async def open(cls, bootstrap: str) -> Bus:
        """Connect."""
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", max_request_size=2_000_000, linger_ms=2
        )
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await producer.start()
        await admin.start()
        return cls(bootstrap, producer, admin)

    async def close(self) -> None:
        """Disconnect."""
        await self.producer.stop()
        await self.admin.close()

    async def send(self, wires: Iterable[Wire]) -> None:
        """Deliver in order; returns when the broker has all."""
        waiting = []
        for wire in wires:
            waiting.append(await self.producer.send(wire.topic, key=wire.key, value=wire.value, headers=wire.headers))
            if len(waiting) >= _AT_ONCE:
                await asyncio.gather(*waiting)
                waiting.clear()
        await asyncio.gather(*waiting)

    async def complete(self, up_to: datetime) -> None:
        """Say in every partition of the trade topic that the books have delivered everything up to a moment."""
        partitions = await self.partitions(TRADE)
        waiting = []
        for partition in sorted(partitions):
            data = SourceCompleted(source=BOOKS, up_to=up_to)
            event = Event(
                id=f"completed/{up_to.isoformat()}/{partition}",
                source=BOOKS,
                type=data.TYPE,
                subject="source/made-erp",
                time=up_to,
                data=data,
            )
            record = encode(event)
            waiting.append(
                await self.producer.send(
                    TRADE, key=record.key, value=record.value, headers=record.headers, partition=partition
                )
            )
        await asyncio.gather(*waiting)

    async def partitions(self, topic: str) -> set[int]:
        """The partitions of a topic, as the broker knows them now."""
        described = await self.admin.describe_topics([topic])
        return {part["partition"] for part in described[0]["partitions"]}

    async def grow(self, topic: str, count: int) -> None:
        """Add partitions; returns when they can be written to, by this producer too."""
        await self.admin.create_partitions({topic: NewPartitions(count)})

        async def seen() -> bool:
            await self.producer.client.force_metadata_update()
            return len(await self.producer.partitions_for(topic)) >= count

        await until(seen, _SETTLE_S, f"{count} partitions")

    async def ends(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """The offset behind the last record of every partition."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap)
        await consumer.start()
        try:
            places = await self._places(topics)
            return {(tp.topic, tp.partition): end for tp, end in (await consumer.end_offsets(places)).items()}
        finally:
            await consumer.stop()

    async def read(self, topics: Iterable[str]) -> list[ConsumerRecord]:
        """Everything in the topics, in order within each partition."""
        places = await self._places(topics)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False)
        await consumer.start()
        try:
            ends = await consumer.end_offsets(places)
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            found: list[ConsumerRecord] = []
            async with asyncio.timeout(_SETTLE_S * 3):
                while [tp for tp in places if await consumer.position(tp) < ends[tp]]:
                    for records in (await consumer.getmany(timeout_ms=200, max_records=5000)).values():
                        found += records
            return found
        finally:
            await consumer.stop()

    async def _places(self, topics: Iterable[str]) -> list[TopicPartition]:
        return [TopicPartition(topic, part) for topic in topics for part in sorted(await self.partitions(topic))]

    async def forget_group(self, group: str) -> bool:
        """Delete a consumer group with its offsets; False while it still has members."""
        return await asyncio.to_thread(_delete_group, self.bootstrap, group)


async def fresh_topics(bootstrap: str) -> None:
    """Empty topics: those there are go, and are made anew as their files say. To be done before a bus is opened."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        there = {name for name in await admin.list_topics() if name in TOPICS}
        if there:
            await admin.delete_topics(sorted(there))

        async def gone() -> bool:
            return not there & set(await admin.list_topics())

        await until(gone, _SETTLE_S, "the old topics to be gone")
    finally:
        await admin.close()
    await apply_topics({"bootstrap_servers": bootstrap}, TOPICS.values())


def _delete_group(bootstrap: str, group: str) -> bool:
    """Kafka's DeleteGroups, version 1: the client library has no call for it."""
    host, _, port = bootstrap.partition(":")
    client, name = b"faults", group.encode()
    body = struct.pack(">hhih", _DELETE_GROUPS, 1, 1, len(client)) + client
    body += struct.pack(">ih", 1, len(name)) + name
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        with connection.makefile("rb") as answer:
            _size, _correlation, _throttled, _count, length = struct.unpack(">iiiih", answer.read(18))
            answer.read(length)
            (error,) = struct.unpack(">h", answer.read(2))
    return bool(error in (0, 69))  # done, or there is no such group

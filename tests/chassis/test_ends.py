"""Where partitions end is asked when something waits for it, and the answer moves the clocks of what is read, only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.stack import Stack
from services.chassis.batch import Position
from services.chassis.ends import Ends
from services.chassis.logtime import LogTime, millis
from tests.chassis.lab import unique
from tests.waiting import until

pytestmark = pytest.mark.stack


@pytest_asyncio.fixture(loop_scope="session")
async def topic(stack: Stack) -> AsyncIterator[str]:
    """Two partitions with three records each."""
    name = unique("ends")
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka)
    await admin.start()
    await producer.start()
    try:
        await admin.create_topics([NewTopic(name, 2, 1)])
        for partition in (0, 1):
            for _ in range(3):
                await producer.send_and_wait(name, b"x", partition=partition)
        yield name
        await admin.delete_topics([name])
    finally:
        await producer.stop()
        await admin.close()


@pytest_asyncio.fixture(loop_scope="session")
async def consumer(stack: Stack) -> AsyncIterator[AIOKafkaConsumer]:
    made = AIOKafkaConsumer(bootstrap_servers=stack.kafka)
    await made.start()
    yield made
    await made.stop()


async def test_only_what_is_applied_to_its_end_is_known_up_to_now(topic: str, consumer: AIOKafkaConsumer) -> None:
    read, unread = TopicPartition(topic, 0), TopicPartition(topic, 1)
    logtime, stored = LogTime(), list[Position]()
    told: list[None] = []

    async def move(positions: list[Position]) -> None:
        stored.extend(positions)

    ends = Ends(logtime, {read: 3, unread: 2}, move, lambda: False, lambda: consumer, moved=lambda: told.append(None))
    before = millis(time.time_ns() // 1_000_000)
    await ends.look(consumer)
    assert [(one.topic, one.partition, one.next) for one in stored] == [(topic, 0, 3)]
    assert stored[0].clock >= before
    assert logtime.marks == {(topic, 0): stored[0].clock}, "in the other lies what could deny it"
    assert told == [None]


async def test_nobody_is_asked_in_a_simulation_or_while_there_is_more_to_read(
    stack: Stack, topic: str, consumer: AIOKafkaConsumer
) -> None:
    stored: list[Position] = []

    async def move(positions: list[Position]) -> None:
        stored.extend(positions)

    applied = {TopicPartition(topic, 0): 3}
    await Ends(LogTime("events"), applied, move, lambda: False, lambda: consumer).look(consumer)
    assert not stored, "there waiting moves nothing"
    looked: list[None] = []
    busy = [True]

    def reading() -> bool:
        looked.append(None)
        return busy[0]

    ends = Ends(LogTime(), applied, move, reading, lambda: AIOKafkaConsumer(bootstrap_servers=stack.kafka))
    running = asyncio.create_task(ends.run())
    ends.ask()
    await until(lambda: bool(looked), "it to be busy")
    assert not stored
    busy[0] = False
    await until(lambda: bool(stored), "the end to be known, without being asked again")
    running.cancel()
    await asyncio.wait({running})

"""From the outbox to the broker: in order, once where it can be, and nobody waits for what is stuck."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.local.stack import Stack
from services.chassis import relay as relays
from services.chassis.lease import Leases
from services.chassis.metrics import Metrics
from services.chassis.mongo import Doc
from services.chassis.outbox import now_us, shard_of
from services.chassis.relay import Relay
from tests.chassis.lab import Lab, opened, unique
from tests.waiting import until

pytestmark = pytest.mark.stack
SHARDS = 8
Started = Callable[..., Awaitable[Relay]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def admin(stack: Stack) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    yield admin
    await admin.close()


@pytest_asyncio.fixture(loop_scope="session")
async def topic(admin: AIOKafkaAdminClient) -> AsyncIterator[str]:
    """A topic of the test's own: two partitions, small records only."""
    name = unique("relay")
    await admin.create_topics([NewTopic(name, 2, 1, topic_configs={"max.message.bytes": "2000"})])
    yield name
    await admin.delete_topics([name])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def box(stack: Stack) -> AsyncIterator[Lab]:
    async with opened(stack.mongo) as lab:
        yield lab


@pytest_asyncio.fixture(loop_scope="session")
async def start(stack: Stack, box: Lab) -> AsyncIterator[Started]:
    """Starts relays on the box, and ends them."""
    await box.db["outbox"].delete_many({})
    await box.db["leases"].delete_many({})
    running: list[tuple[Relay, asyncio.Task[None]]] = []

    async def connect() -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=stack.kafka, enable_idempotence=True, acks="all", max_request_size=2_000_000
        )
        await producer.start()
        return producer

    async def started(**options: Any) -> Relay:
        relay = Relay(
            box.db, connect, Leases(box.db, unique("relay"), 1500), Metrics(), shards=SHARDS, poll_ms=20, **options
        )
        running.append((relay, asyncio.create_task(relay.run())))
        return relay

    yield started
    for relay, _ in running:
        await relay.stop()
    for _, task in running:
        await task


async def say(box: Lab, topic: str, subject: str, values: Sequence[bytes]) -> list[Doc]:
    rows = [
        {
            "_id": unique("row"),
            "shard": shard_of(subject, SHARDS),
            "at": now_us() + n,
            "topic": topic,
            "key": subject.encode(),
            "value": value,
            "headers": [["ce_type", b"x"]],
        }
        for n, value in enumerate(values)
    ]
    await box.db["outbox"].insert_many([dict(row) for row in rows])
    return rows


@asynccontextmanager
async def listening(stack: Stack, topic: str) -> AsyncIterator[Callable[[], Awaitable[dict[str, list[bytes]]]]]:
    """Reads a topic from its beginning; gives what has come so far, by subject."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(topic, n) for n in range(2)])
    heard: dict[str, list[bytes]] = {}

    async def so_far() -> dict[str, list[bytes]]:
        for records in (await consumer.getmany(timeout_ms=50)).values():
            for record in records:
                heard.setdefault(record.key.decode(), []).append(record.value)
        return heard

    try:
        yield so_far
    finally:
        await consumer.stop()


async def empty(box: Lab) -> bool:
    return await box.db["outbox"].count_documents({}) == 0


def once(values: Sequence[bytes]) -> list[bytes]:
    """Without repeats: what a reader that drops known ids makes of it."""
    return list(dict.fromkeys(values))


def apart(number: int) -> list[str]:
    """Names of subjects that all lie in shards of their own."""
    found: dict[int, str] = {}
    while len(found) < number:
        name = unique()
        found.setdefault(shard_of(name, SHARDS), name)
    return list(found.values())


async def test_what_a_subject_says_arrives_in_order_whole_and_is_marked(
    stack: Stack, box: Lab, topic: str, start: Started
) -> None:
    relay = await start(batch=7)
    said = {name: [f"{name}-{n}".encode() for n in range(20)] for name in apart(4)}
    for name, values in said.items():
        await say(box, topic, name, values)
        relay.wake()
    await until(lambda: empty(box), "the outbox to be sent")
    async with listening(stack, topic) as heard:
        await until(lambda: complete(heard, said), "all to arrive")
        assert await heard() == said


async def complete(heard: Callable[[], Awaitable[dict[str, list[bytes]]]], said: dict[str, list[bytes]]) -> bool:
    got = await heard()
    return all(set(values) <= set(got.get(name, ())) for name, values in said.items())


async def test_a_record_the_broker_does_not_take_holds_back_its_shard_and_no_other(
    stack: Stack, box: Lab, topic: str, start: Started, admin: AIOKafkaAdminClient
) -> None:
    """The producer counts the refused batch: without another one, its partition would take nothing any more."""
    stuck, *others = apart(5)
    mine = [b"first", b"x" * 5000, *(f"{n}".encode() for n in range(30))]
    await say(box, topic, stuck, mine)
    relay = await start(batch=10)  # what is held back fills more than a batch
    said = {name: [f"{name}-{n}".encode() for n in range(5)] for name in others}
    for name, values in said.items():
        await say(box, topic, name, values)
    async with listening(stack, topic) as heard:
        await until(lambda: complete(heard, said | {stuck: [b"first"]}), "the others' to arrive")
        held = len(mine) - 1
        await until(lambda: left(box, held), "what arrived to be marked")
        assert await box.db["outbox"].count_documents({"key": stuck.encode()}) == held
        wide = ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": "100000"})
        await admin.alter_configs([wide])
        relay.wake()
        await until(lambda: empty(box), "the rest to be sent")
        await until(lambda: complete(heard, {stuck: mine}), "the rest to arrive")
        assert once((await heard())[stuck])[0] == b"first"
        assert since_last((await heard())[stuck], mine), "behind the failed one all came in order"


def since_last(heard: list[bytes], said: list[bytes]) -> bool:
    """Whether the last of each is in the order in which it was said: what a reader of the newest ends with."""
    last = {value: n for n, value in enumerate(heard)}
    return sorted(last, key=last.__getitem__) == said


async def test_a_record_no_producer_takes_and_a_topic_that_is_not_there_hold_up_nobody_else(
    stack: Stack, box: Lab, topic: str, start: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relays, "HAND_OVER", 0.3)
    huge, lost, well = apart(3)
    await say(box, topic, huge, [b"x" * 3_000_000, b"behind"])
    await say(box, unique("nowhere"), lost, [b"1", b"2"])
    await say(box, topic, well, [b"1", b"2"])
    await start()
    async with listening(stack, topic) as heard:
        await until(lambda: complete(heard, {well: [b"1", b"2"]}), "the others' to arrive")
        assert set(await heard()) == {well}
    await until(lambda: left(box, 4), "theirs to be marked")


async def left(box: Lab, number: int) -> bool:
    return await box.db["outbox"].count_documents({}) == number


async def test_of_two_relays_one_sends_a_shard_and_the_other_takes_over_when_it_stops(
    stack: Stack, box: Lab, topic: str, start: Started
) -> None:
    one = await start()
    await until(lambda: len(one.mine) == SHARDS, "the first to hold all shards")
    other = await start()
    names, dice = apart(3), random.Random(7)
    said: dict[str, list[bytes]] = {name: [] for name in names}

    async def talk(rounds: int) -> None:
        for _ in range(rounds):
            name = dice.choice(names)
            values = [f"{name}-{len(said[name]) + n}".encode() for n in range(dice.randint(1, 9))]
            said[name] += values
            await say(box, topic, name, values)

    await talk(15)
    await one.stop()
    await talk(15)
    await until(lambda: len(other.mine) == SHARDS, "the second to take over", deadline_s=10)
    await until(lambda: empty(box), "the outbox to be sent")
    async with listening(stack, topic) as heard:
        await until(lambda: complete(heard, said), "all to arrive")
        for name, values in (await heard()).items():
            assert since_last(values, said[name])


async def test_the_age_of_the_outbox_is_that_of_its_oldest_row_in_any_shard(box: Lab, start: Started) -> None:
    old, new = sorted(apart(2), key=lambda name: -shard_of(name, SHARDS))
    relay = Relay(box.db, never, Leases(box.db, "nobody"), Metrics(), shards=SHARDS)
    await say(box, "t", new, [b"new"])
    (row,) = await say(box, "t", old, [b"old"])
    await box.db["outbox"].update_one({"_id": row["_id"]}, {"$set": {"at": now_us() - 60_000_000}})
    await relay._measure()
    age = relay.metrics.registry.get_sample_value("rapport_outbox_oldest_seconds")
    assert age is not None and age >= 60
    await box.db["outbox"].delete_many({})


async def never() -> AIOKafkaProducer:
    raise AssertionError("nothing is sent here")

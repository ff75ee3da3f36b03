"""What the measurements stand on: a stack of their own, streams of events that lie ready in it, processes of the
service, and processes beside it.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

import msgspec
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from contracts.envelope import Event
from contracts.registry import TOPICS, topic_of
from deploy.local import services
from deploy.local.stack import Stack
from services.alerts.handlers import alerts_service
from services.alerts.settings import AlertsSettings
from services.chassis.batch import Position
from services.chassis.mongo import Client, Database, connect, database, find
from services.chassis.settings import Settings
from services.chassis.tokens import LocalIssuer
from services.chassis.topics import apply_topics
from tests.bench.load import Load, record
from tests.waiting import until

P = ParamSpec("P")
T = TypeVar("T")
Counts = Mapping[str, float]

TRADE = "rapport.trade"
BESIDE = "bench.beside"
SERVICE = "alerts"
LOG_TIME_BEGINS = datetime(2000, 1, 1, tzinfo=UTC)
_AT_ONCE = 2000


@dataclass
class Stream:
    """A load in the topic of trade: where it begins, and how much of it has been written."""

    load: Load
    begins: dict[TopicPartition, int]
    written: int = 0


@dataclass
class Ground:
    """One stack while it is measured on."""

    stack: Stack
    client: Client
    producer: AIOKafkaProducer
    say: Callable[[str], None]
    streams: dict[str, Stream] = field(default_factory=dict)
    _names: itertools.count[int] = field(default_factory=itertools.count)

    def name(self) -> str:
        """A name nobody has used here: of a database, a group, a process."""
        return f"b{next(self._names)}"

    def database(self, prefix: str) -> Database:
        """The service's database under a prefix."""
        return database(self.client, self.settings(prefix).database)

    def settings(self, prefix: str) -> AlertsSettings:
        """The service's settings under a prefix, as a part of it in this process would have them."""
        return AlertsSettings(
            mongo_uri=SecretStr(self.stack.mongo), kafka_bootstrap=self.stack.kafka, mongo_database_prefix=prefix
        )

    async def stream(self, load: Load, count: int) -> Stream:
        """The first `count` events of a load, or more, in the topic of trade."""
        held = self.streams.get(load.name)
        if held is None:
            held = self.streams[load.name] = Stream(load, await self.ends())
            await self._write(load.before())
        if held.written < count:
            self.say(f"writing {count - held.written:,} events of {load.customers:,} customers into {TRADE}")
        await self._write(held.load.events(held.written, count - held.written))
        held.written = max(held.written, count)
        return held

    async def _write(self, events: Iterable[Event]) -> None:
        sent: list[asyncio.Future[object]] = []
        for event in events:
            made, topic = record(event), topic_of(event.type)
            sent.append(await self.producer.send(topic, key=made.key, value=made.value, headers=made.headers))
            if len(sent) >= _AT_ONCE:
                await asyncio.gather(*sent)
                sent.clear()
        await asyncio.gather(*sent)

    async def ends(self) -> dict[TopicPartition, int]:
        """Where the topics that the service reads end now."""
        topics = alerts_service(self.settings("none").rules).topics()
        consumer = AIOKafkaConsumer(bootstrap_servers=self.stack.kafka)
        await consumer.start()
        try:
            parts = [TopicPartition(topic, n) for topic in topics for n in range(TOPICS[topic].partitions)]
            return dict(await consumer.end_offsets(parts))
        finally:
            await consumer.stop()

    async def place(self, prefix: str, begins: Mapping[TopicPartition, int]) -> None:
        """Let the service begin there: the database's word on what is applied wins."""
        places = [Position(tp.topic, tp.partition, at, LOG_TIME_BEGINS).update() for tp, at in begins.items()]
        await self.database(prefix)["offsets"].bulk_write(places)

    async def read(self, prefix: str, stream: Stream) -> int:
        """How much of a stream is applied in the database under `prefix`."""
        places = await find(self.database(prefix), "offsets", {})
        applied = {(doc["topic"], doc["partition"]): doc["next"] for doc in places}
        parts = ((tp, at) for tp, at in stream.begins.items() if tp.topic == TRADE)
        return sum(applied.get((tp.topic, tp.partition), at) - at for tp, at in parts)

    async def forget(self, prefix: str) -> None:
        """Drop the database."""
        await self.client.drop_database(self.settings(prefix).database)

    @asynccontextmanager
    async def service(self, prefix: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Process]:
        """One process of the service on that database, ready, and ended at the end."""
        told = {
            "RAPPORT_MONGO_DATABASE_PREFIX": prefix,
            "RAPPORT_KAFKA_GROUP": f"bench.{prefix}.{self.name()}",
            "RAPPORT_LOG_LEVEL": "warning",
            **(env or {}),
        }
        running = await asyncio.to_thread(services.start_service, self.stack, SERVICE, told)
        try:
            await asyncio.to_thread(services.wait_ready, [running])
            yield Process(running)
        finally:
            await asyncio.to_thread(services.stop, [running], self.stack)


@dataclass(frozen=True)
class Process:
    """A process of the service."""

    running: services.Running

    async def counts(self) -> Counts:
        """Its metrics, summed over labels."""
        return await asyncio.to_thread(self._counts)

    async def until(self, name: str, least: float, deadline_s: float = 120.0) -> None:
        """Wait until a metric has come so far. Raises AssertionError, RuntimeError."""

        async def there() -> bool:
            self.check()
            return (await self.counts()).get(name, 0.0) >= least

        await until(there, f"{name} to reach {least:,.0f}", deadline_s=deadline_s, every_s=0.1)

    def _counts(self) -> Counts:
        with urllib.request.urlopen(f"{self.running.url}/metrics", timeout=30) as answer:  # noqa: S310 - our own process
            text = answer.read().decode()
        out: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                out[sample.name] = out.get(sample.name, 0.0) + sample.value
        return out

    def memory(self) -> float:
        """Its resident memory in MB."""
        return float(psutil.Process(self.running.process.pid).memory_info().rss) / 1e6

    def check(self) -> None:
        """Raises RuntimeError where it has died."""
        if not self.running.alive:
            raise RuntimeError(f"the service has died:\n{self.running.tail()}")


@asynccontextmanager
async def ground(stack: Stack, say: Callable[[str], None]) -> AsyncIterator[Ground]:
    """Topics made, keys made, connections open."""
    settings = Settings(home=stack.home, kafka_bootstrap=stack.kafka)
    LocalIssuer(settings).ensure()
    # Where an ordinary handler publishes: a topic of its own beside ours, and like them.
    beside = msgspec.structs.replace(TOPICS["rapport.alerts"], name=BESIDE)
    await apply_topics({"bootstrap_servers": stack.kafka}, [*TOPICS.values(), beside])
    producer = AIOKafkaProducer(
        bootstrap_servers=stack.kafka, enable_idempotence=True, acks="all", linger_ms=20, max_batch_size=200_000
    )
    await producer.start()
    client = connect(stack.mongo)
    try:
        yield Ground(stack, client, producer, say)
    finally:
        await producer.stop()
        client.close()


async def apart(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `function` gives in a fresh process, which is gone afterwards with all its memory."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return await asyncio.wrap_future(pool.submit(function, *args, **kwargs))
        except asyncio.CancelledError:
            for child in pool._processes.values():
                child.terminate()
            raise

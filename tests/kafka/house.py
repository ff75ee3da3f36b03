"""The lab's service between a real broker and a real database, in this process and in processes of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts.envelope import Event, encode
from contracts.registry import TOPICS, topic_of
from services.chassis.intake import Intake
from services.chassis.mongo import ensure
from services.chassis.runtime import OWN, Runtime
from services.chassis.topics import apply_topics
from services.chassis.web import create_app
from tests.chassis.lab import Lab, lab_service, lab_settings, opened, unique
from tests.waiting import until

IN = "rapport.customers"
NAMES = (IN, "rapport.lifecycle", "rapport.dead.profiles")
ROOT = Path(__file__).parent.parent.parent


@dataclass
class Running:
    """A process of the service inside this one."""

    runtime: Runtime
    task: asyncio.Task[None]

    @property
    def intake(self) -> Intake:
        """Its intake, once started."""
        assert self.runtime.intake is not None
        return self.runtime.intake

    @property
    def partitions(self) -> int:
        """How many partitions it has been given and has placed."""
        return 0 if self.runtime.intake is None else len(self.runtime.intake.next)

    def counted(self, name: str, **labels: str) -> float:
        """A metric's value, summed over labels that are not named."""
        return sum(
            sample.value
            for metric in self.runtime.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def stop(self) -> None:
        """As on SIGTERM; raises what the process ended with."""
        self.runtime.stopping.set()
        await self.task


@dataclass
class House:
    """A group and a database of a test's own, on topics that all share."""

    kafka: str
    mongo: str
    lab: Lab
    producer: AIOKafkaProducer
    admin: AIOKafkaAdminClient
    run: str = field(default_factory=lambda: unique("h").lower().replace("-", ""))
    running: list[Running] = field(default_factory=list)
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    def settings(self, **more: Any) -> Any:
        """Settings of a process in this house."""
        return lab_settings(self.kafka, self.mongo, self.run, **more)

    async def start(self, *, wait: bool = True, **more: Any) -> Running:
        """Start a process inside this one; by default, wait until it has partitions."""
        runtime = await Runtime.open(lab_service(), self.settings(**more))
        app = create_app(
            runtime.settings,
            routers=[],
            access={},
            health=runtime.health,
            metrics=runtime.metrics,
            trail=runtime.trail,
        )
        running = Running(runtime, asyncio.create_task(runtime.run(app)))
        self.running.append(running)
        if wait:
            await until(lambda: running.partitions or running.task.done(), "partitions")
        return running

    async def spawn(self, **more: str) -> asyncio.subprocess.Process:
        """Start a process of its own; settings as environment variables without their prefix."""
        settings = self.settings().model_dump(include=set(lab_settings("", "", "h").model_fields_set))
        env = {f"RAPPORT_{name.upper()}": str(value) for name, value in settings.items() if name != "mongo_uri"}
        env |= {"RAPPORT_MONGO_URI": self.mongo, "PYTHONPATH": str(ROOT), "RAPPORT_LOG_LEVEL": "warning"}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.kafka.worker", env=dict(os.environ) | env | more, cwd=ROOT
        )
        self.processes.append(process)
        return process

    async def send(self, events: Iterable[Event]) -> None:
        """Events as company systems send them; returns when the broker has them."""
        words = []
        for event in events:
            record = encode(event)
            words.append(
                await self.producer.send(topic_of(event.type), record.value, record.key, headers=record.headers)
            )
        await asyncio.gather(*words)

    async def ends(self) -> dict[TopicPartition, int]:
        """Where each partition of the topic read by the service ends."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka, auto_offset_reset="earliest", enable_auto_commit=False
        )
        await consumer.start()
        try:
            topics = await self.admin.describe_topics([IN])
            places = [TopicPartition(IN, part["partition"]) for part in topics[0]["partitions"]]
            ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
            return ends
        finally:
            await consumer.stop()

    async def begin_at_end(self) -> None:
        """As if all that others have sent so far had been applied here."""
        now = datetime.now(UTC)
        for tp, end in (await self.ends()).items():
            doc = {"topic": tp.topic, "partition": tp.partition, "next": end, "clock": now}
            await self.lab.db["offsets"].replace_one({"_id": f"{tp.topic}/{tp.partition}"}, doc, upsert=True)

    async def applied(self, number: int, **options: Any) -> None:
        """Wait until so many facts are in the ledger."""
        ledger = self.lab.db["ledger"]

        async def all_there() -> bool:
            for one in self.running:
                if one.task.done() and not one.runtime.stopping.is_set():
                    one.task.result()
            return await ledger.count_documents({}) >= number

        try:
            await until(all_there, f"{number} facts to be applied", every_s=0.05, **options)
        except AssertionError as late:
            late.add_note(f"there are {await ledger.count_documents({})}; the topic ends at {await self.ends()}")
            for one in self.running:
                if one.runtime.intake is not None:
                    late.add_note(f"read to {one.intake._read}, applied to {one.intake.next}")
            raise

    async def sent(self) -> None:
        """Wait until the outbox is empty."""
        await until(self._outbox_is_empty, "the outbox to be sent")

    async def _outbox_is_empty(self) -> bool:
        return await self.lab.db["outbox"].count_documents({}) == 0

    async def trails(self) -> dict[str, list[str]]:
        """Of every subject, the events that were folded, in order."""
        return {doc["_id"]: list(doc["state"].get("trail", ())) async for doc in self.lab.db["cards"].find({})}

    async def close(self) -> None:
        """End all that is left running."""
        for one in self.running:
            one.runtime.stopping.set()
        for one in self.running:
            await asyncio.wait({one.task})
        for process in self.processes:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


@asynccontextmanager
async def house_on(kafka: str, mongo: str) -> AsyncIterator[House]:
    """A house on a running stack; what was started in it ends with it."""
    await apply_topics({"bootstrap_servers": kafka}, [TOPICS[name] for name in NAMES])
    producer, admin = AIOKafkaProducer(bootstrap_servers=kafka), AIOKafkaAdminClient(bootstrap_servers=kafka)
    await producer.start()
    await admin.start()
    try:
        async with opened(mongo) as lab:
            house = House(kafka, mongo, lab, producer, admin)
            lab.db = lab.client.get_database(f"{house.run}_profiles", codec_options=lab.db.codec_options)
            await ensure(lab.db, [*OWN, *(kind.collection() for kind in lab.service.kinds.values())])
            try:
                yield house
            finally:
                await house.close()
                await lab.client.drop_database(lab.db.name)
    finally:
        await producer.stop()
        await admin.close()


async def heard(kafka: str, topic: str, subjects: Iterable[str]) -> Mapping[str, list[Any]]:
    """All records of a topic under these keys, in the order of each key."""
    wanted = {subject.encode() for subject in subjects}
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    found: dict[str, list[Any]] = {key.decode(): [] for key in wanted}
    try:
        places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()] or [
            TopicPartition(topic, number) for number in range(TOPICS[topic].partitions)
        ]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    if record.key in wanted:
                        found[record.key.decode()].append(record)
    finally:
        await consumer.stop()
    return found

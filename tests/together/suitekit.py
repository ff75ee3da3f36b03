"""Profiles and alerts as processes of their own on one broker and one database server, with a gateway before them.

Each test has databases of its own, and reading begins where the topics end. What the services know is read from their
databases: a kill leaves nobody who could be asked.
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pydantic import SecretStr

from contracts.envelope import Event, encode
from contracts.events import trade
from contracts.events.customers import CustomerRegistered
from contracts.money import Money
from contracts.payload import Payload
from contracts.registry import TOPICS, topic_of
from deploy.local import ports
from deploy.local.stack import Stack
from services.alerts.handlers import alerts_service
from services.alerts.settings import AlertsSettings
from services.chassis.mongo import Doc, find
from services.chassis.runtime import Runtime
from services.chassis.topics import apply_topics
from services.profiles.handlers import profiles_service
from services.profiles.settings import ProfilesSettings
from tests.alerts.buskit import begin_at_end
from tests.gateway.gatekit import House, house, unique
from tests.waiting import until

ROOT = Path(__file__).parent.parent.parent
PATIENCE_S: Final = 180.0  # processes start beside whatever else runs here
# What a subject is to a service, and what of it says how often it was written and not what is known.
_KINDS: Final = {
    "profiles": ("customers", "limits", "consents"),
    "alerts": ("accounts", "items", "settlements", "credit", "alerts", "rhythms"),
}
_TECHNICAL: Final = ("v", "spoke", "fv", "heard", "ticked")


@dataclass
class Suite:
    """The surroundings: `looks` are visitors that read a service's database."""

    stack: Stack
    gateway: House
    looks: dict[str, Runtime]
    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer
    log: Path
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    async def start(self, name: str, kill_at: str = "") -> None:
        """Start a service as a process, killed when it comes to a stage, if one is named."""
        settings = self.looks[name].settings
        given = settings.model_dump(include=settings.model_fields_set)
        open_ = {key: one.get_secret_value() if isinstance(one, SecretStr) else one for key, one in given.items()}
        env = {f"RAPPORT_{key.upper()}": str(one) for key, one in open_.items()}
        env |= {"RAPPORT_KILL_AT": f"{kill_at}:1" if kill_at else "", "RAPPORT_KILL_LOG": str(self.log)}
        env |= {
            "RAPPORT_KAFKA_GROUP_INSTANCE_ID": f"{name}-1",
            "RAPPORT_HTTP_PORT": str(ports.choose()),
        }
        self.processes[name] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"services.{name}", env=dict(os.environ) | env, cwd=ROOT
        )

    async def stop(self, name: str) -> None:
        """As on SIGTERM."""
        process = self.processes.pop(name)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 30) == 0

    async def dies(self, name: str, stage: str) -> None:
        """Wait for the kill, and see where it landed."""
        process = self.processes[name]
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == -9, f"{name} never came to {stage}"
        assert (await asyncio.to_thread(self.log.read_text)).split("\n")[-2] == f"{stage} {process.pid}"

    async def tell(self, payload: Payload, subject: str, source: str = "crm", ahead: float = 0) -> None:
        """An event as a company's system sends it; `ahead`: seconds by which its clock differs."""
        at = datetime.now(UTC) + timedelta(seconds=ahead)
        event = Event(id=uuid.uuid4().hex, source=source, type=payload.TYPE, subject=subject, time=at, data=payload)
        record = encode(event)
        await self.producer.send_and_wait(topic_of(event.type), record.value, record.key, headers=record.headers)

    async def customer(self, name: str, subject: str = "", **more: Any) -> str:
        """Somebody whom the CRM registers."""
        subject = subject or unique()
        given: dict[str, Any] = {"kind": "organisation", "relation": "current", "external_role": "consumer"}
        await self.tell(CustomerRegistered(name=name, **(given | more)), subject)
        return subject

    async def invoice(self, subject: str, number: str = "INV-1", late: int = 5, amount: str = "100.00") -> None:
        """An invoice that has been overdue for some days, or falls due in some (below zero)."""
        due = self.today - timedelta(days=late)
        issued = due - timedelta(days=30)
        total = Money.of(amount, "CNY")
        await self.tell(
            trade.InvoiceIssued(invoice_id=number, issued_on=issued, due_on=due, total=total), subject, "erp"
        )

    @property
    def today(self) -> date:
        """The company's day."""
        return self.looks["alerts"].settings.rules.day(datetime.now(UTC))  # type: ignore[attr-defined, no-any-return]

    async def settled(self) -> None:
        """Wait until everybody has taken what was said, and nothing is left to be said or folded again."""
        for _ in range(2):  # what one says the other still has to take
            for name in ("profiles", "alerts", "profiles"):
                await until(partial(self._rests, name), f"{name} to come to rest", deadline_s=PATIENCE_S)

    async def _rests(self, name: str) -> bool:
        process = self.processes[name]
        assert process.returncode is None, f"{name} ended with {process.returncode}"
        look = self.looks[name]
        if await look.db["ledger"].count_documents({"w": True}) or await look.db["outbox"].count_documents({}):
            return False
        read = {(doc["topic"], doc["partition"]): doc["next"] for doc in await find(look.db, "offsets", {})}
        places = [TopicPartition(topic, n) for topic in look.service.topics() for n in range(TOPICS[topic].partitions)]
        ends = await self.consumer.end_offsets(places)
        return all(read.get((tp.topic, tp.partition), 0) >= end for tp, end in ends.items())

    async def known(self, subjects: Iterable[str]) -> dict[str, list[Doc]]:
        """All that both services know of these accounts."""
        names, found = list(subjects), dict[str, list[Doc]]()
        for service, kinds in _KINDS.items():
            for kind in kinds:
                where = {"$or": [{"_id": {"$in": names}}, {"s": {"$in": names}}]}
                docs = await find(self.looks[service].db, kind, where, sort=[("_id", 1)])
                found[f"{service}.{kind}"] = [one for doc in docs if (one := _content(doc)).keys() > {"_id"}]
        return found


def _content(doc: Doc) -> Doc:
    found = {name: value for name, value in doc.items() if name not in _TECHNICAL}
    for at in ("state", "was"):
        held = dict(found.pop(at, {}))
        # That there is a snapshot counts; the number of the last one only puts it in order.
        if "revision" in held:
            held["revision"] = True
        held.pop("withdrawn", None)
        if held:
            found[at] = held
    return found


@asynccontextmanager
async def suite_on(stack: Stack, home: Path) -> AsyncIterator[Suite]:
    """Both services, not started yet, and a gateway; their databases go at the end."""
    await apply_topics({"bootstrap_servers": stack.kafka}, TOPICS.values())
    run = f"t{uuid.uuid4().hex[:10]}"
    given: dict[str, Any] = {
        "kafka_bootstrap": stack.kafka,
        "mongo_uri": SecretStr(stack.mongo),
        "mongo_database_prefix": run,
        "home": home,
        "clock_poll_ms": 50,
        "outbox_poll_ms": 50,
        "lease_ms": 1000,
        "kafka_session_timeout_ms": 6000,
        "log_level": "warning",
    }
    profiles = ProfilesSettings(**given, kafka_group=f"{run}-profiles")
    alerts = AlertsSettings(**given, kafka_group=f"{run}-alerts", smtp_port=9)
    looks = {
        "profiles": await Runtime.open(profiles_service(profiles.days), profiles),
        "alerts": await Runtime.open(alerts_service(alerts.rules), alerts),
    }
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka)
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka, enable_auto_commit=False, auto_offset_reset="earliest")
    await producer.start()
    await consumer.start()
    async with house(stack.kafka, stack.mongo, home) as gateway:
        suite = Suite(stack, gateway, looks, producer, consumer, home / "kills")
        try:
            for look in looks.values():
                await begin_at_end(look)
            yield suite
        finally:
            for process in suite.processes.values():
                if process.returncode is None:
                    process.kill()
                await process.wait()
            for look in looks.values():
                await look.client.drop_database(look.settings.database)
                await look.close()
            await producer.stop()
            await consumer.stop()

"""The gateway between a real broker and a real database, inside this process; asked over its own door."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from aiokafka.structs import ConsumerRecord
from fastapi import FastAPI
from pydantic import SecretStr

from contracts.registry import TOPICS, Topic, consumed_by, produced_by
from services.chassis.auth import Role
from services.chassis.runtime import Runtime
from services.chassis.tokens import LocalIssuer
from services.chassis.topics import apply_topics
from services.gateway.api import build
from services.gateway.app import clinic_of, folders_of, gate_of, importer_of
from services.gateway.gate import Gate
from services.gateway.handlers import gateway_service
from services.gateway.reading import BATCH, STRUCTURED
from services.gateway.settings import GatewaySettings
from tests.kafka.house import heard
from tests.waiting import until

Event = dict[str, Any]


def unique(prefix: str = "C") -> str:
    """A name nobody else has."""
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def invoice(customer: str, number: int = 1, **more: Any) -> Event:
    """An invoice, as an ERP sends it."""
    return {
        "specversion": "1.0",
        "id": f"{customer}-{number}",
        "source": "erp/shanghai",
        "type": "rapport.invoice.issued.v1",
        "subject": customer,
        "time": "2026-11-02T09:00:00+08:00",
        "data": {
            "invoice_id": f"INV-{number}",
            "issued_on": "2026-11-02",
            "due_on": "2026-12-02",
            "total": {"amount": "1250.50", "currency": "CNY"},
        },
    } | more


class House:
    """The gateway, its issuer of tokens, and clients that call it."""

    def __init__(self, runtime: Runtime, gate: Gate, settings: GatewaySettings) -> None:
        self.runtime, self.gate, self.settings = runtime, gate, settings
        self.issuer = LocalIssuer(settings)
        self.issuer.ensure()
        self.importer = importer_of(runtime, settings, gate)
        self.reader, self.carrier = clinic_of(runtime, settings, gate)
        self.app: FastAPI = build(runtime, gate, self.importer, self.carrier, settings)

    def client(self, *roles: Role, person: str = "erp", token: str | None = None) -> httpx.AsyncClient:
        """A caller with a token of those roles, or with a token of a source."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url="http://gateway",
            headers={"Authorization": f"Bearer {token or self.issuer.issue(person, roles)}"},
            timeout=60,
        )

    async def post(
        self, body: Any, kind: str = STRUCTURED, *, token: str | None = None, **headers: str
    ) -> httpx.Response:
        """A request with events; what is no bytes is written as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.client(Role.SYSTEM, token=token) as client:
            return await client.post("/events", content=content, headers={"Content-Type": kind, **headers})

    async def batch(self, events: Iterable[Event], **more: Any) -> httpx.Response:
        """Several events."""
        return await self.post(list(events), BATCH, **more)

    async def sent(self, *subjects: str, topic: str = "rapport.trade") -> dict[str, list[ConsumerRecord]]:
        """What lies in a topic under these keys."""
        return dict(await heard(self.settings.kafka_bootstrap, topic, subjects))

    async def ids(self, subject: str, topic: str = "rapport.trade") -> list[str]:
        """The ids of the events that lie there, in their order."""
        return [dict(one.headers)["ce_id"].decode() for one in (await self.sent(subject, topic=topic))[subject]]

    async def source(self, name: str | None = None, **grant: Any) -> tuple[str, str]:
        """A registered source and its token."""
        name = name or unique("s").lower()
        wanted = {"name": name, "sources": ["erp/shanghai"], "takes": ["rapport.trade"]} | grant
        async with self.client(Role.ADMIN, person="boss") as client:
            answer = await client.post("/sources", json=wanted)
            assert answer.status_code == 201, answer.text
            made = await client.post(f"/sources/{name}/tokens")
        assert made.status_code == 201, made.text
        return name, made.json()["token"]


def topics() -> list[Topic]:
    """Those that a gateway writes and reads."""
    return [TOPICS[name] for name in {topic.name for topic in (*produced_by("gateway"), *consumed_by("gateway"))}]


@asynccontextmanager
async def house(kafka: str, mongo: str, home: Path, *, clinic: bool = False, **settings: Any) -> AsyncIterator[House]:
    """A gateway on a database of its own, which goes at the end; with its `clinic` at work, if that is wanted."""
    await apply_topics({"bootstrap_servers": kafka}, topics())
    told = GatewaySettings(
        kafka_bootstrap=kafka,
        mongo_uri=SecretStr(mongo),
        mongo_database_prefix=f"t{uuid.uuid4().hex[:10]}",
        home=home,
        **settings,
    )
    runtime = await Runtime.open(gateway_service(), told)
    gate = gate_of(runtime, told)
    working = [asyncio.create_task(gate.sender.run()), asyncio.create_task(gate.registry.run())]
    opened = House(runtime, gate, told)
    folders = folders_of(runtime, told, gate, opened.importer)
    beside = [*folders, opened.importer, *((opened.reader, opened.carrier) if clinic else ())]
    running = [asyncio.create_task(one.run()) for one in beside]
    try:
        await until(lambda: gate.sender.ready or any(task.done() for task in working), "the broker to be reached")
        yield opened
    finally:
        for one in beside:
            await one.stop()
        await asyncio.gather(*running)
        await gate.sender.stop()
        await gate.registry.stop()
        await asyncio.gather(*working)
        await runtime.client.drop_database(told.database)
        await runtime.close()

"""The profiles service's API on a real database, without Kafka: facts are handed to the applier."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from contracts.envelope import Event, encode_data
from contracts.events.customers import CustomerRegistered, OwnerAssigned
from contracts.payload import Payload
from services.chassis.auth import Role
from services.chassis.mongo import Doc, find
from services.chassis.runtime import Runtime
from services.chassis.tokens import LocalIssuer
from services.chassis.work import event_work
from services.profiles.app import build
from services.profiles.handlers import profiles_service
from services.profiles.settings import ProfilesSettings


class House:
    """The service, its issuer of tokens, and the facts it is told."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.issuer = LocalIssuer(runtime.settings)
        self.issuer.ensure()
        self.app: FastAPI = build(runtime)

    def client(self, *roles: Role, person: str = "staff/1") -> httpx.AsyncClient:
        """A caller with a token of those roles."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url="http://profiles",
            headers={"Authorization": f"Bearer {self.issuer.issue(person, roles)}"},
        )

    async def get(self, path: str, *roles: Role, person: str = "staff/1") -> httpx.Response:
        """One question."""
        async with self.client(*roles, person=person) as client:
            return await client.get(path)

    async def tell(self, payload: Payload, subject: str, source: str = "crm") -> None:
        """A fact arrives and is applied."""
        now = datetime.now(UTC)
        event = Event(id=uuid.uuid4().hex, source=source, type=payload.TYPE, subject=subject, time=now, data=payload)
        handler = self.runtime.service.handlers[event.type]
        outcome = await self.runtime.applier.apply([event_work(event, handler, now, None, encode_data(payload))])
        assert not outcome.dead, outcome.dead

    async def customer(self, owner: str | None = None, deputy: str | None = None, **fields: Any) -> str:
        """A new customer with his owner."""
        customer = f"C-{uuid.uuid4().hex[:8]}"
        given = {"kind": "person", "name": "Li Lei", "relation": "current", "external_role": "consumer"} | fields
        await self.tell(CustomerRegistered(**given), customer)
        if owner is not None:
            since = datetime.now(UTC).date() - timedelta(days=400)
            await self.tell(OwnerAssigned(owner_id=owner, since=since, deputy_id=deputy), customer)
        return customer

    async def trail(self, subject: str) -> list[Doc]:
        """What the audit trail holds about a party."""
        return await find(self.runtime.db, "audit", {"subject": subject}, sort=[("_id", 1)])


@asynccontextmanager
async def house(mongo: str, home: Path) -> AsyncIterator[House]:
    """The API on a database of its own, which goes at the end."""
    settings = ProfilesSettings(
        mongo_uri=SecretStr(mongo), mongo_database_prefix=f"t{uuid.uuid4().hex[:10]}", home=home, page_size=3
    )
    runtime = await Runtime.open(profiles_service(settings.days), settings)
    try:
        yield House(runtime)
    finally:
        await runtime.client.drop_database(settings.database)
        await runtime.close()

"""Sending files to the gateway of a test and looking at what became of them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from deploy.local import ports
from deploy.local.stack import Stack
from services.chassis.auth import Role
from services.chassis.mongo import connect
from services.chassis.tokens import LocalIssuer
from services.chassis.topics import apply_topics
from services.gateway.settings import GatewaySettings
from tests.gateway.gatekit import House, topics
from tests.waiting import until

ROOT = Path(__file__).parent.parent.parent
SOURCE = "erp/shanghai"


async def send(
    gateway: House, kind: str, content: bytes, *, token: str | None = None, source: str | None = SOURCE, **asked: Any
) -> httpx.Response:
    """POST /imports/{kind}."""
    told = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in asked.items()}
    query = told | ({"source": source} if source is not None else {})
    async with gateway.client(Role.OPERATOR, person="op", token=token) as client:
        return await client.post(f"/imports/{kind}", params=query, content=content)


async def ask(gateway: House, path: str, token: str | None = None, **query: Any) -> httpx.Response:
    """GET."""
    async with gateway.client(Role.OPERATOR, person="op", token=token) as client:
        return await client.get(path, params=query)


async def ended(gateway: House, import_id: str) -> dict[str, Any]:
    """The import, once it is done or has failed."""

    async def look() -> bool:
        return (await ask(gateway, f"/imports/{import_id}")).json()["state"] in ("done", "failed")

    await until(look, f"the import {import_id} to end", deadline_s=60)
    found: dict[str, Any] = (await ask(gateway, f"/imports/{import_id}")).json()
    return found


async def imported(gateway: House, kind: str, content: bytes, **more: Any) -> dict[str, Any]:
    """A file sent and carried out."""
    answer = await send(gateway, kind, content, **more)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/imports/{answer.json()['id']}"
    return await ended(gateway, answer.json()["id"])


async def undo(gateway: House, import_id: str, token: str | None = None) -> httpx.Response:
    """POST /imports/{id}/undo."""
    async with gateway.client(Role.OPERATOR, person="op", token=token) as client:
        return await client.post(f"/imports/{import_id}/undo", params={"reason": "of another year"})


async def undone(gateway: House, import_id: str) -> dict[str, Any]:
    """The import, undone."""
    answer = await undo(gateway, import_id)
    assert (answer.status_code, answer.json()["state"]) == (202, "undoing"), answer.text

    async def look() -> bool:
        return bool((await ask(gateway, f"/imports/{import_id}")).json()["state"] == "undone")

    await until(look, "the import to be undone", deadline_s=60)
    found: dict[str, Any] = (await ask(gateway, f"/imports/{import_id}")).json()
    return found


async def data_of(gateway: House, customer: str, topic: str = "rapport.trade") -> list[dict[str, Any]]:
    """What lies in the topic about a customer: each event's data with its id and type."""
    found = []
    for record in (await gateway.sent(customer, topic=topic))[customer]:
        headers = {name: value.decode() for name, value in record.headers}
        value = record.value
        assert value is not None
        found.append(json.loads(value) | {"@id": headers["ce_id"], "@type": headers["ce_type"]})
    return found


@asynccontextmanager
async def serving(
    settings: GatewaySettings, kill_at: str = "", log: Path | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The gateway as a process of its own, killed at the stage named, if one is."""
    given = settings.model_dump(include=settings.model_fields_set)
    open_ = {name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in given.items()}
    env = {f"RAPPORT_{name.upper()}": str(value) for name, value in open_.items()}
    aim = {"RAPPORT_KILL_AT": kill_at, "RAPPORT_KILL_LOG": str(log or ""), "RAPPORT_LOG_LEVEL": "warning"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.gateway", env=dict(os.environ) | env | aim, cwd=ROOT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def lives(client: httpx.AsyncClient) -> bool:
    """Whether the gateway answers that it is ready."""
    try:
        return (await client.get("/healthz/ready")).status_code == 200
    except httpx.TransportError:
        return False


@asynccontextmanager
async def own_settings(stack: Stack, home: Path) -> AsyncIterator[GatewaySettings]:
    """Settings of a gateway with a port and a database of its own, which goes at the end."""
    await apply_topics({"bootstrap_servers": stack.kafka}, topics())
    told = GatewaySettings(
        kafka_bootstrap=stack.kafka,
        mongo_uri=SecretStr(stack.mongo),
        mongo_database_prefix=f"t{uuid.uuid4().hex[:10]}",
        home=home,
        http_port=ports.choose(),
        kafka_group_instance_id="gateway-1",
    )
    LocalIssuer(told).ensure()
    yield told
    client = connect(stack.mongo)
    await client.drop_database(told.database)
    client.close()

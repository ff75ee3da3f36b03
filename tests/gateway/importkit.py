"""Sending files to the gateway of a test and looking at what became of them."""

from __future__ import annotations

import json
from typing import Any

import httpx

from services.chassis.auth import Role
from tests.gateway.gatekit import House
from tests.waiting import until

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


async def data_of(gateway: House, customer: str, topic: str = "rapport.trade") -> list[dict[str, Any]]:
    """What lies in the topic about a customer: each event's data with its id and type."""
    found = []
    for record in (await gateway.sent(customer, topic=topic))[customer]:
        headers = {name: value.decode() for name, value in record.headers}
        value = record.value
        assert value is not None
        found.append(json.loads(value) | {"@id": headers["ce_id"], "@type": headers["ce_type"]})
    return found

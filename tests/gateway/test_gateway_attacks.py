"""Who sends slowly on purpose holds no room that others wait for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.chassis.auth import Role
from services.gateway import gate
from tests.gateway.gatekit import House, invoice, unique

pytestmark = pytest.mark.stack


async def test_a_body_that_never_comes_gives_its_room_back(gateway: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BODY_SECONDS", 0.3)

    async def trickle() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    headers = {"Content-Type": "application/cloudevents+json", "Content-Length": "3900000"}
    async with gateway.client(Role.SYSTEM) as client:
        asked = [client.post("/events", content=trickle(), headers=headers) for _ in range(8)]
        answers = await asyncio.gather(*asked)
    assert {(one.status_code, one.json()["code"]) for one in answers} == {(408, "too_slow")}
    assert gateway.gate.admission.held == 0
    assert (await gateway.post(invoice(unique()))).status_code == 200

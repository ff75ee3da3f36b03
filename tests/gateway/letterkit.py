"""The clinic of a gateway, and events that a service cannot take."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer

from contracts.envelope import Record
from services.chassis.auth import Role
from services.gateway.letters.store import case_id
from tests.gateway.gatekit import Event, House, invoice, unique
from tests.waiting import until

DEAD = "rapport.dead.alerts"
Header = tuple[str, bytes]


def record_of(event: Event) -> Record:
    """An event on the bus, whatever it holds."""
    given = dict(event)
    value = json.dumps(given.pop("data")).encode()
    headers = [("content-type", b"application/json"), *((f"ce_{name}", text.encode()) for name, text in given.items())]
    return Record(event["subject"].encode(), value, headers)


def letter_of(event: Event, reason: str, offset: int = 0, **more: str) -> Record:
    """The dead letter that alerts would make of an event."""
    key, value, headers = record_of(event)
    told = {
        "original-topic": "rapport.trade",
        "original-partition": "0",
        "original-offset": str(offset),
        "reason": reason,
        "message": "made for a test; expected nothing",
        "id": f"{event['source']}:{event['id']}",
    } | more
    return Record(key, value, [*headers, *((f"x-rapport-{name}", text.encode()) for name, text in told.items())])


async def publish(kafka: str, topic: str, records: Iterable[Record]) -> None:
    """Records on the bus; returns when the broker has them."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        words = [await producer.send(topic, value, key, headers=headers) for key, value, headers in records]
        for word in words:
            await word
    finally:
        await producer.stop()


class Clinic:
    """What somebody does who looks after letters."""

    def __init__(self, gateway: House) -> None:
        self.gateway = gateway
        self.kafka: str = gateway.settings.kafka_bootstrap

    async def ask(
        self, method: str, path: str, version: str | None = None, *, person: str = "op", key: str = "", **more: Any
    ) -> httpx.Response:
        """A call as an operator."""
        headers = {"If-Match": version} if version is not None else {}
        async with self.gateway.client(Role.OPERATOR, person=person) as client:
            return await client.request(
                method, path, headers=headers | ({"Idempotency-Key": key} if key else {}), **more
            )

    async def case(self, event: Event, service: str = "alerts") -> tuple[str, dict[str, Any], str]:
        """The case of an event once there is one: its path, how it is shown, its version."""
        name = f"{event['source']}:{event['id']}"
        return await self.at(f"/letters/{case_id(service, name)}", lambda _: True, "a case")

    async def at(self, path: str, holds: Any, what: str) -> tuple[str, dict[str, Any], str]:
        """A case once something holds of it."""

        async def seen() -> Any:
            answer = await self.ask("GET", path)
            shown = answer.json()
            return (path, shown, answer.headers["etag"]) if answer.status_code == 200 and holds(shown) else None

        found: tuple[str, dict[str, Any], str] = await until(seen, f"{what} at {path}", deadline_s=60, every_s=0.05)
        return found

    async def state(self, path: str, state: str) -> dict[str, Any]:
        """The case once it is in that state."""
        return (await self.at(path, lambda shown: shown["state"] == state, f"the state {state}"))[1]

    async def made(self, number: int = 1, reason: str | None = None) -> tuple[list[Event], str]:
        """So many letters of a reason that nobody else has, about events that are all right."""
        reason, tag = reason or unique("made").lower(), unique("e")
        events = [invoice(unique(), n, id=f"{tag}/{n:05d}") for n in range(number)]
        letters = [letter_of(event, reason, n) for n, event in enumerate(events)]
        await publish(self.kafka, DEAD, letters)

        async def there() -> bool:
            counts = (await self.ask("GET", f"/letters/counts?reason={reason}")).json()
            return sum(sum(one["states"].values()) for one in counts) == number

        await until(there, f"{number} letters to be read", deadline_s=120, every_s=0.1)
        return events, reason

    async def ended(self, path: str) -> dict[str, Any]:
        """A bulk, once it is done or undone."""

        async def over() -> Any:
            shown: dict[str, Any] = (await self.ask("GET", path)).json()
            return shown if shown["state"] in ("done", "undone") else None

        found: dict[str, Any] = await until(over, f"{path} to end", deadline_s=120, every_s=0.1)
        return found


def due(event: Event, days_late: int, total: Any = "1250.50") -> Event:
    """The same invoice, so many days late by today; a `total` that is no text is refused."""
    today = datetime.now(UTC).date().toordinal()
    dates = {"issued_on": today - days_late - 30, "due_on": today - days_late}
    data = {name: datetime.fromordinal(day).date().isoformat() for name, day in dates.items()}
    money = {"amount": total, "currency": "CNY"}
    return event | {"data": event["data"] | data | {"total": money}, "time": datetime.now(UTC).isoformat()}

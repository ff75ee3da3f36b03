"""What one would write at first: a FastStream handler that takes one message, finds the customer, updates him and
publishes, each awaited before the next. With `inbox` it also writes the event's id down first and skips known ones.

It keeps less than the service does (open invoices in the customer's document; no ledger, no alert, no clock) and
publishes only where the service would say something too, about invoices that are overdue when they come and about their
payments. It loses events when it fails; that is not measured here.
"""

from __future__ import annotations

import asyncio
import time
from datetime import date
from typing import Any

import uvloop
from faststream.kafka import KafkaBroker, KafkaMessage
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase
from pymongo.errors import DuplicateKeyError

from tests.bench.ground import BESIDE, TRADE
from tests.waiting import until


class Handler:
    """The handler and its count."""

    def __init__(self, db: AsyncIOMotorDatabase[dict[str, Any]], broker: KafkaBroker, *, inbox: bool) -> None:
        self.db, self.broker, self.inbox = db, broker, inbox
        self.done = 0

    async def handle(self, body: dict[str, Any], message: KafkaMessage) -> None:
        """One event."""
        headers = message.headers
        if not self.inbox or await self._new(f"{headers['ce_source']}:{headers['ce_id']}"):
            await self._apply(headers["ce_subject"], body)
        self.done += 1

    async def _new(self, event: str) -> bool:
        try:
            await self.db["inbox"].insert_one({"_id": event})
        except DuplicateKeyError:
            return False
        return True

    async def _apply(self, customer: str, body: dict[str, Any]) -> None:
        held = await self.db["accounts"].find_one({"_id": customer}) or {"open": {}}
        if "document_id" in body:
            invoice = body["applied_to"][0]["invoice_id"]
            news = _overdue(held["open"].get(invoice))
            change: dict[str, Any] = {"$unset": {f"open.{invoice}": ""}}
        else:
            invoice, news = body["invoice_id"], _overdue(body)
            change = {"$set": {f"open.{invoice}": {"due_on": body["due_on"], "total": body["total"]}}}
        await self.db["accounts"].update_one({"_id": customer}, change, upsert=True)
        if news:
            await self.broker.publish({"invoice": invoice}, BESIDE, key=customer.encode())


def _overdue(invoice: dict[str, Any] | None) -> bool:
    return invoice is not None and date.fromisoformat(invoice["due_on"]) < date.today()  # noqa: DTZ011 - as one would


def measure(kafka: str, mongo: str, name: str, warm: int, seconds: float, *, inbox: bool) -> float:
    """Messages a second from the beginning of the topic, after the first `warm`; in its own process."""
    return uvloop.run(_measured(kafka, mongo, name, warm, seconds, inbox=inbox))


async def _measured(kafka: str, mongo: str, name: str, warm: int, seconds: float, *, inbox: bool) -> float:
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(mongo)
    broker = KafkaBroker(kafka, logger=None)
    handler = Handler(client[name], broker, inbox=inbox)
    broker.subscriber(TRADE, group_id=name, auto_offset_reset="earliest")(handler.handle)
    try:
        await broker.start()
        await until(lambda: handler.done >= warm, "the first messages")
        began, before = time.perf_counter(), handler.done
        await asyncio.sleep(seconds)
        return (handler.done - before) / (time.perf_counter() - began)
    finally:
        await broker.stop()
        await client.drop_database(name)
        client.close()

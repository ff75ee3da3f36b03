"""The alerts service's API on a real database, without Kafka: facts are handed to the applier, the clock is moved."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from contracts.envelope import Event, encode_data
from contracts.events.lifecycle import LimitChanged, OwnerChanged
from contracts.events.profiles import ProfileChanged
from contracts.events.staff import StaffRegistered
from contracts.events.trade import AppliedTo, InvoiceIssued, PaymentReceived
from contracts.money import Amount, Money
from contracts.payload import Payload
from services.alerts.api import build
from services.alerts.handlers import alerts_service
from services.alerts.model import notification as messages
from services.alerts.model.notification import Notification
from services.alerts.settings import AlertsSettings
from services.alerts.store import ACCOUNTS, CREDIT, ITEMS, NOTIFICATIONS, Item, invoice_key
from services.chassis.aggregate import Desk
from services.chassis.auth import Role
from services.chassis.mongo import find, from_doc
from services.chassis.runtime import Runtime
from services.chassis.tokens import LocalIssuer
from services.chassis.work import act_work, event_work, tick_work


class House:
    """The service, its issuer of tokens, and the facts it is told."""

    def __init__(self, runtime: Runtime, settings: AlertsSettings) -> None:
        self.runtime, self.settings = runtime, settings
        self.issuer = LocalIssuer(settings)
        self.issuer.ensure()
        self.app: FastAPI = build(runtime, settings.rules)

    @property
    def today(self) -> date:
        """The company's day."""
        return self.settings.rules.day(datetime.now(UTC))

    def ago(self, days: int) -> date:
        """A day so many days back; below zero: ahead."""
        return self.today - timedelta(days=days)

    def client(self, role: Role, person: str = "staff/wang", **headers: str) -> httpx.AsyncClient:
        """A caller with a token of that role."""
        token = self.issuer.issue(person, [role])
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url="http://alerts",
            headers={"Authorization": f"Bearer {token}"} | headers,
        )

    async def tell(self, payload: Payload, subject: str, source: str = "erp") -> Event:
        """A fact arrives and is applied."""
        event = Event(
            id=uuid.uuid4().hex,
            source=source,
            type=payload.TYPE,
            subject=subject,
            time=self.runtime.now(),
            data=payload,
        )
        handler = self.runtime.service.handlers[event.type]
        work = event_work(event, handler, self.runtime.now(), None, encode_data(payload))
        outcome = await self.runtime.applier.apply([work])
        assert not outcome.dead, outcome.dead
        return event

    async def tick(self) -> None:
        """Let everything happen that is due by now."""
        now = self.runtime.now()
        for kind in (ITEMS, CREDIT):
            _, tick = self.runtime.service.ticks[kind.name]
            for row in await find(self.runtime.db, kind.name, {"due": {"$lte": now}}):
                work = tick_work(kind, ACCOUNTS, tick, row["s"], row["k"], row["due"])
                await self.runtime.applier.apply([work])

    async def customer(self, owner: str = "staff/wang", deputy: str | None = None, name: str = "华东示例公司") -> str:
        """A new customer with his owner."""
        customer = f"C-{uuid.uuid4().hex[:8]}"
        await self.tell(OwnerChanged(owner_id=owner, deputy_id=deputy, valid_from=self.ago(400)), customer)
        await self.tell(ProfileChanged(revision=1, kind="organisation", name=name), customer)
        return customer

    async def colleague(self, staff_id: str) -> None:
        """A colleague HR has registered."""
        await self.tell(StaffRegistered(name="李示例", mail="li@company.example", language="zh-CN"), staff_id, "hr")

    async def grace(self, customer: str, days: int) -> None:
        """The customer's own days of grace."""
        limit = Money(Decimal("1000.00"), "CNY")
        await self.tell(LimitChanged(limit=limit, valid_from=self.ago(400), grace_days=days), customer)

    async def invoice(self, customer: str, number: str, *, late: int, total: str = "1200.00", **more: Any) -> Event:
        """An invoice so many days past due (below zero: not due yet); what that raises is raised."""
        issued = InvoiceIssued(
            invoice_id=number,
            issued_on=self.ago(late + 30),
            due_on=self.ago(late),
            total=Money(Decimal(total), more.pop("currency", "CNY")),
            **more,
        )
        event = await self.tell(issued, customer)
        await self.tick()
        return event

    async def payment(self, customer: str, document: str, total: str, *used: tuple[str, str], **more: Any) -> Event:
        """A payment and what it is used for."""
        paid = PaymentReceived(
            document_id=document,
            dated_on=more.pop("on", self.today),
            total=Money(Decimal(total), more.pop("currency", "CNY")),
            applied_to=[AppliedTo(invoice_id=number, amount=Amount(Decimal(part))) for number, part in used] or None,
            **more,
        )
        return await self.tell(paid, customer, "bank")

    async def overdue(self, **owner: str) -> tuple[str, str]:
        """A new customer with one overdue invoice INV-1 and its alert; returns both ids."""
        customer = await self.customer(**owner)
        await self.invoice(customer, "INV-1", late=3)
        return customer, await self.alert_of(customer, "INV-1")

    async def alert_of(self, customer: str, number: str, company: str = "") -> str:
        """The id of the invoice's alert."""
        rows = await find(self.runtime.db, ITEMS.name, {"_id": ITEMS.doc_id(customer, invoice_key(company, number))})
        return from_doc(rows[0]["state"], Item).alerts[-1]

    async def mailed(self, customer: str, alert_id: str, *, doubted: bool = False) -> None:
        """The mailer gets the message about the alert accepted, after a crash in mid-air if `doubted`."""
        now = datetime.now(UTC)

        def send(held: Notification) -> Notification:
            tries = (1, 2) if doubted else (1,)
            for n in tries:
                held = messages.begun(held, now + timedelta(seconds=n), "mailer-1")
            return messages.accepted(held, now + timedelta(seconds=3), "250 ok")

        def act(desk: Desk) -> None:
            held = desk.get(NOTIFICATIONS, alert_id)
            assert held is not None
            desk.put(NOTIFICATIONS, send(held), alert_id)

        work = act_work(ACCOUNTS, customer, now, f"test:{alert_id}", act)
        await self.runtime.applier.apply([work])


def money(amount: str, currency: str = "CNY") -> dict[str, str]:
    """Money as the API shows it."""
    return {"amount": amount, "currency": currency}


@asynccontextmanager
async def house(mongo: str, home: Path, **more: Any) -> AsyncIterator[House]:
    """A house with a database of its own, removed in the end."""
    settings = AlertsSettings(
        home=home, mongo_uri=SecretStr(mongo), mongo_database_prefix=f"api_{uuid.uuid4().hex[:10]}", **more
    )
    runtime = await Runtime.open(alerts_service(settings.rules), settings)
    try:
        yield House(runtime, settings)
    finally:
        await runtime.client.drop_database(settings.database)
        runtime.client.close()

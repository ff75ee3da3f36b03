"""The alerts service as it runs, between a real broker, a real database and a real mail server.

Events go in by the bus as other systems send them; what became of them is asked over HTTP, read in the mailbox, or read
from the topics. Each group of tests has a database and a consumer group of its own, and reading begins where the topics
end.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import ConsumerRecord
from pydantic import SecretStr

from contracts.envelope import Event, decode, encode
from contracts.events import trade
from contracts.events.lifecycle import OwnerChanged
from contracts.events.profiles import ProfileChanged
from contracts.events.staff import StaffRegistered
from contracts.money import Amount, Money
from contracts.payload import Payload
from contracts.registry import TOPICS, topic_of
from deploy.local.mailbox.process import MailboxProcess
from deploy.local.stack import Stack
from services.alerts.api import build
from services.alerts.handlers import alerts_service
from services.alerts.pipeline.deliver import couriers
from services.alerts.rating import Rater
from services.alerts.settings import AlertsSettings
from services.chassis.auth import Role
from services.chassis.mongo import Doc, connect, find
from services.chassis.runtime import Runtime, Worker
from services.chassis.tokens import LocalIssuer
from services.chassis.topics import apply_topics
from tests.waiting import until

TRADE = "rapport.trade"
OUT = ("rapport.alerts", "rapport.dead.alerts")
QUICK: dict[str, Any] = {
    "clock_poll_ms": 50,
    "outbox_poll_ms": 50,
    "lease_ms": 1000,
    "kafka_session_timeout_ms": 6000,
    "http_port": 0,
}


def unique(prefix: str = "C") -> str:
    """A name nobody else has."""
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def settings_on(stack: Stack, run: str, **more: Any) -> AlertsSettings:
    """Settings of one alerts process; processes with the same `run` are one service."""
    given: dict[str, Any] = {
        "kafka_bootstrap": stack.kafka,
        "mongo_uri": SecretStr(stack.mongo),
        "mongo_database_prefix": run,
        "kafka_group": run,
        "home": stack.home,
    }
    return AlertsSettings(**(QUICK | given | more))


@dataclass
class Running:
    """A process of the service inside this one."""

    runtime: Runtime
    task: asyncio.Task[None]

    async def stop(self) -> None:
        """As on SIGTERM; raises what the process ended with."""
        self.runtime.stopping.set()
        await self.task


async def serve(settings: AlertsSettings, *, mails: bool = True) -> Running:
    """Start the service as `services.alerts.app` does, and wait until it reads. Without `mails` it sends none."""
    runtime = await Runtime.open(alerts_service(settings.rules), settings)
    await begin_at_end(runtime)
    app = build(runtime, settings.rules)
    workers: list[Worker] = [*(couriers(runtime, settings) if mails else ()), Rater(runtime, settings.rules)]
    task = asyncio.create_task(runtime.run(app, workers))
    await until(lambda: task.done() or (runtime.intake is not None and runtime.intake.next), "partitions")
    if task.done():
        task.result()
    return Running(runtime, task)


async def begin_at_end(runtime: Runtime) -> None:
    """In a new database: as if all that others have sent so far had been applied."""
    if await runtime.db["offsets"].count_documents({}):
        return
    bootstrap = runtime.settings.kafka_bootstrap
    consumer, admin = AIOKafkaConsumer(bootstrap_servers=bootstrap), AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await consumer.start()
    await admin.start()
    try:
        topics = await admin.describe_topics(runtime.service.topics())
        # As many as there are, which may be more than the files say.
        places = [TopicPartition(one["topic"], part["partition"]) for one in topics for part in one["partitions"]]
        for tp, end in (await consumer.end_offsets(places)).items():
            doc = {"topic": tp.topic, "partition": tp.partition, "next": end, "clock": datetime.now(UTC)}
            await runtime.db["offsets"].replace_one({"_id": f"{tp.topic}/{tp.partition}"}, doc, upsert=True)
    finally:
        await consumer.stop()
        await admin.close()


@dataclass
class Bus:
    """The surroundings of a running alerts service."""

    settings: AlertsSettings
    running: Running
    producer: AIOKafkaProducer
    listener: AIOKafkaConsumer
    http: httpx.AsyncClient
    mailbox: MailboxProcess | None = None
    records: list[ConsumerRecord] = field(default_factory=list)

    @property
    def today(self) -> date:
        """The company's day."""
        return self.settings.rules.day(datetime.now(UTC))

    def ago(self, days: int) -> date:
        """A day so many days back; below zero: ahead."""
        return self.today - timedelta(days=days)

    def event(self, payload: Payload, subject: str, source: str = "erp/made", time: datetime | None = None) -> Event:
        """An event as a company system makes it."""
        at = time or datetime.now(UTC)
        return Event(id=unique("e"), source=source, type=payload.TYPE, subject=subject, time=at, data=payload)

    async def send(self, *events: Event) -> None:
        """Hand events over; returns when the broker has them."""
        words = []
        for event in events:
            record = encode(event)
            words.append(
                await self.producer.send(topic_of(event.type), record.value, record.key, headers=record.headers)
            )
        await asyncio.gather(*words)

    async def tell(self, payload: Payload, subject: str, source: str = "erp/made") -> Event:
        """An event is sent."""
        event = self.event(payload, subject, source)
        await self.send(event)
        return event

    async def taken(self, *events: Event) -> None:
        """Wait until each of these is in the ledger."""
        ids = [f"{event.source}:{event.id}" for event in events]

        async def all_there() -> bool:
            self.check()
            rows = await find(self.running.runtime.db, "ledger", {"_id": {"$in": ids}}, fields={"_id": 1})
            return len(rows) == len(ids)

        await until(all_there, f"{len(ids)} events to be applied", every_s=0.03)

    async def close(self) -> None:
        """Stop what runs now: a test may have put another process in the place of the first."""
        await self.running.stop()

    def check(self) -> None:
        """Raises what the service ended with, if it ended."""
        if self.running.task.done():
            self.running.task.result()

    async def letters(self, subjects: Iterable[str]) -> list[Doc]:
        """Dead letters about these subjects as the service keeps them."""
        return await find(self.running.runtime.db, "dead", {"subject": {"$in": list(subjects)}}, sort=[("_id", 1)])

    async def get(self, path: str, **query: Any) -> Any:
        """Something of the API, as an administrator sees it."""
        assert self.running.runtime.http is not None
        answer = await self.http.get(self.running.runtime.http.url + path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def alerts(self, customer: str) -> list[Any]:
        """All alerts of a customer with why, the oldest first."""
        listed = (await self.get("/alerts", customer=customer, state="all"))["items"]
        return [await self.get(f"/alerts/{one['id']}") for one in reversed(listed)]

    async def the_alert(self, customer: str, condition: Callable[[Any], Any], what: str, **options: Any) -> Any:
        """Wait until the customer has one alert and a condition holds of it; returns it."""

        async def seen() -> Any:
            self.check()
            found = await self.alerts(customer)
            return found[0] if len(found) == 1 and condition(found[0]) else None

        return await until(seen, what, every_s=0.05, **options)

    async def mails(self, address: str) -> list[Any]:
        """The mails to somebody, whole, in the order in which they came."""
        assert self.mailbox is not None
        there = f"{self.mailbox.url}/api/messages"
        items = (await self.http.get(there, params={"to": address})).json()["items"]
        return [(await self.http.get(f"{there}/{item['id']}")).json() for item in items]

    async def said(self, customer: str) -> list[Payload]:
        """What the service has said of a customer's alerts so far."""
        await self.hear()
        found = [one for one in self.records if one.topic == "rapport.alerts" and one.key == customer.encode()]
        return [decode(one.value, one.headers, one.key).data for one in found]

    async def hear(self) -> None:
        """Read the outgoing topics to their end."""
        places = list(self.listener.assignment())
        ends = await self.listener.end_offsets(places)
        while any([await self.listener.position(tp) < ends[tp] for tp in places]):
            for records in (await self.listener.getmany(timeout_ms=100)).values():
                self.records += records

    async def quiet(self) -> None:
        """Wait until everything said has been sent."""

        async def empty() -> bool:
            return await self.running.runtime.db["outbox"].count_documents({}) == 0

        await until(empty, "the outbox to be sent")

    # What most stories need.

    async def customer(self, owner: str | None = None, name: str = "华东示例公司") -> str:
        """A customer as profiles tells of him."""
        customer = unique()
        told = [self.event(ProfileChanged(revision=1, kind="organisation", name=name), customer, "rapport/profiles")]
        if owner is not None:
            told.append(self.owned(customer, owner))
        await self.send(*told)
        await self.taken(*told[1:])
        return customer

    def owned(self, customer: str, owner: str) -> Event:
        """Somebody answers for the customer."""
        return self.event(OwnerChanged(owner_id=owner, valid_from=self.ago(400)), customer, "rapport/profiles")

    async def tick_to(self, moment: datetime) -> None:
        """Under a clock of events: say of every partition of trade that all is known up to a moment."""
        mark = self.event(trade.SourceCompleted(source="erp/made", up_to=moment), "source/erp", time=moment)
        record = encode(mark)
        for partition in range(TOPICS[TRADE].partitions):
            await self.producer.send_and_wait(
                TRADE, record.value, record.key, headers=record.headers, partition=partition
            )

    async def colleague(self, language: Any = "en", *, mail: bool = True, **more: Any) -> tuple[str, str]:
        """A colleague as HR tells of him; returns his id and his address."""
        staff = unique("staff/E").replace("E-", "E")
        address = f"{staff.rpartition('/')[2].lower()}@company.example"
        card = StaffRegistered(name="李示例", mail=address if mail else None, language=language, **more)
        await self.taken(await self.tell(card, staff, "hr/made"))
        return staff, address

    def invoice(self, number: str = "INV-1", *, late: int = 3, total: str = "1200.00") -> trade.InvoiceIssued:
        """An invoice so many days past due (below zero: not due yet)."""
        return trade.InvoiceIssued(
            invoice_id=number, issued_on=self.ago(late + 30), due_on=self.ago(late), total=Money.of(total, "CNY")
        )

    def payment(
        self, document: str, total: str, *used: tuple[str, str], on: date | None = None
    ) -> trade.PaymentReceived:
        """A payment and what it is used for, by itself invoice INV-1."""
        return trade.PaymentReceived(
            document_id=document,
            dated_on=on or self.today,
            total=Money.of(total, "CNY"),
            applied_to=self.parts(*(used or (("INV-1", total),))),
        )

    def parts(self, *used: tuple[str, str]) -> list[trade.AppliedTo]:
        """Invoices and how much is used for each."""
        return [trade.AppliedTo(invoice_id=number, amount=Amount(Decimal(part))) for number, part in used]


def dollars(amount: str) -> Amount:
    """A part of a document, said to be in dollars."""
    return Amount(Decimal(amount), "USD")


@asynccontextmanager
async def bus_on(
    stack: Stack, *, mailbox: MailboxProcess | None = None, run: str = "", **more: Any
) -> AsyncIterator[Bus]:
    """A running service on a stack, with its surroundings; its database goes in the end."""
    smtp = {"smtp_host": mailbox.host, "smtp_port": mailbox.smtp_port} if mailbox is not None else {"smtp_port": 9}
    settings = settings_on(stack, run or f"t{uuid.uuid4().hex[:10]}", **(smtp | more))
    await apply_topics({"bootstrap_servers": stack.kafka}, TOPICS.values())
    issuer = LocalIssuer(settings)
    issuer.ensure()
    token = issuer.issue("staff/admin", [Role.ADMIN])
    async with AsyncExitStack() as things:
        headers = {"Authorization": f"Bearer {token}", "Accept-Language": "en"}
        http = await things.enter_async_context(httpx.AsyncClient(headers=headers, timeout=10))
        # As large as a system may try, so that the broker's word about it is seen.
        producer = AIOKafkaProducer(bootstrap_servers=stack.kafka, max_request_size=8_000_000)
        await producer.start()
        things.push_async_callback(producer.stop)
        listener = await _listener(stack)
        things.push_async_callback(listener.stop)
        things.push_async_callback(_forget, stack, settings)
        bus = Bus(settings, await serve(settings), producer, listener, http, mailbox)
        things.push_async_callback(bus.close)
        yield bus


async def _listener(stack: Stack) -> AIOKafkaConsumer:
    """What the service says from now on."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(name, n) for name in OUT for n in range(TOPICS[name].partitions)])
    await consumer.seek_to_end()
    return consumer


async def _forget(stack: Stack, settings: AlertsSettings) -> None:
    client = connect(stack.mongo)
    await client.drop_database(settings.database)
    client.close()

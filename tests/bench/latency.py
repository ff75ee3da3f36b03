"""From an event's sending to the outgoing event as another consumer reads it, and to the mail as its server accepts it.

Two ways. A payment resolves a standing alert in its own transaction: `payment.received` -> `alert.resolved`. An invoice
that is overdue when it comes raises one, but never in its own transaction: the clock does it, when every partition is
known to hold nothing that could deny it: `invoice.issued` -> `alert.raised` -> the mail. Events are sent at random
moments (exponential pauses), each customer's own; a moment is taken just before the producer is given the event.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from statistics import median
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiosmtpd.smtp import SMTP, Envelope

from contracts.envelope import Event, encode
from contracts.events.lifecycle import OwnerChanged
from contracts.events.staff import StaffRegistered
from contracts.events.trade import AppliedTo, InvoiceIssued, PaymentReceived
from contracts.money import Amount, Money
from contracts.payload import Payload
from contracts.registry import TOPICS, topic_of
from deploy.local import ports
from services.chassis.mongo import MAJORITY
from tests.bench.ground import Ground
from tests.bench.load import SOURCE, SUM
from tests.bench.throughput import APPLIED
from tests.waiting import until

ALERTS = "rapport.alerts"
OWNER = "staff/bench-1"
CUSTOMERS = 2_000
COMMITS = 200
_PATIENCE_S = 60.0
_message_id = re.compile(rb"^message-id:\s*<([^@>]+)@", re.I | re.M)


@dataclass(frozen=True)
class Times:
    """Milliseconds of one way at one rate; the multiples are those of the run's empty commit."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Times:
        """The two quantiles of what was measured."""
        ordered = sorted(seconds)
        return cls(1000 * ordered[len(ordered) // 2], 1000 * ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)])


@dataclass(frozen=True)
class Latency:
    """One round at one rate: an empty majority commit (median, ms), and the ways."""

    rate: float
    commit: float
    resolved: Times
    raised: Times
    mailed: Times


class _Said(msgspec.Struct):
    """What is looked at of an outgoing event."""

    alert_id: str
    because: list[str] = []


@dataclass
class Bench:
    """The producer, the reader and the mail server around the service."""

    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer
    sent: dict[str, float] = field(default_factory=dict)
    heard: dict[str, float] = field(default_factory=dict)  # by the event that led to it
    raised_by: dict[str, str] = field(default_factory=dict)  # the event by the alert
    mailed: dict[str, float] = field(default_factory=dict)  # by the alert
    smtp_port: int = 0

    async def send(self, event: Event) -> None:
        """Give it to the producer; its batch goes off at once."""
        record = encode(event)
        self.sent[f"{event.source}:{event.id}"] = time.perf_counter()
        await self.producer.send(topic_of(event.type), key=record.key, value=record.value, headers=record.headers)

    async def listen(self) -> None:
        """Note when each alert is said to be raised or resolved."""
        decoder = msgspec.json.Decoder(_Said)
        async for record in self.consumer:
            now = time.perf_counter()
            kind = dict(record.headers).get("ce_type")
            if kind in (b"rapport.alert.raised.v1", b"rapport.alert.resolved.v1"):
                said = decoder.decode(record.value)
                self.heard.setdefault(said.because[-1], now)
                if kind == b"rapport.alert.raised.v1":
                    self.raised_by[said.alert_id] = said.because[-1]

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Envelope) -> str:
        """The mail server's word on a mail."""
        found = _message_id.search(envelope.original_content or b"")
        if found is not None:
            self.mailed.setdefault(found[1].decode(), time.perf_counter())
        return "250 accepted"


async def measure(ground: Ground, today: date, rate: float, seconds: float) -> Latency:
    """One round at `rate` events a second, `seconds` for each of the two ways."""
    prefix = ground.name()
    begins = await ground.ends()
    async with AsyncExitStack() as held:
        held.push_async_callback(ground.forget, prefix)
        await ground.place(prefix, begins)
        bench = await held.enter_async_context(_around(ground))
        process = await held.enter_async_context(
            ground.service(prefix, {"RAPPORT_ALERTS_SMTP_PORT": str(bench.smtp_port)})
        )
        made = Made(prefix, today)
        for event in made.people():
            await bench.send(event)
        await process.until(APPLIED, CUSTOMERS + 1)
        commit = await _commit(ground, prefix)
        count = max(int(rate * seconds), 10)
        invoices, payments = made.invoices(count), made.payments(count)
        await _paced(bench, invoices, rate)
        raised = await _all(bench, invoices, "alerts raised")
        mailed = await _mails(bench, invoices)
        await _paced(bench, payments, rate)
        resolved = await _all(bench, payments, "alerts resolved")
        process.check()
        return Latency(rate, commit, Times.of(resolved), Times.of(raised), Times.of(mailed))


@dataclass(frozen=True)
class Made:
    """The events of a round."""

    run: str
    today: date

    def people(self) -> list[Event]:
        """Who is told, and that he answers for everybody."""
        colleague = StaffRegistered(name="Bench", mail="bench@rapport.example", language="en")
        owned = OwnerChanged(owner_id=OWNER, valid_from=self.today - timedelta(days=300))
        return [self._event(OWNER, "staff", colleague)] + [
            self._event(self._customer(n), f"owner-{n}", owned) for n in range(CUSTOMERS)
        ]

    def invoices(self, count: int) -> list[Event]:
        """Overdue ones."""
        total, due = Money(SUM, "CNY"), self.today - timedelta(days=10)
        issued = self.today - timedelta(days=40)
        return [
            self._event(
                self._customer(n),
                f"invoice-{n}",
                InvoiceIssued(invoice_id=f"INV-{n}", issued_on=issued, due_on=due, total=total),
            )
            for n in range(count)
        ]

    def payments(self, count: int) -> list[Event]:
        """One for each of them."""
        total, on = Money(SUM, "CNY"), self.today - timedelta(days=1)
        amount = Amount.from_wire(str(SUM))
        return [
            self._event(
                self._customer(n),
                f"payment-{n}",
                PaymentReceived(
                    document_id=f"PAY-{n}", dated_on=on, total=total,
                    applied_to=[AppliedTo(invoice_id=f"INV-{n}", amount=amount)],
                ),
            )
            for n in range(count)
        ]  # fmt: skip

    def _customer(self, n: int) -> str:
        return f"C-{self.run}-{n % CUSTOMERS:05d}"

    def _event(self, subject: str, name: str, data: Payload) -> Event:
        return Event(
            id=f"{self.run}-{name}", source=SOURCE, type=data.TYPE, subject=subject, time=datetime.now(UTC), data=data
        )


@asynccontextmanager
async def _around(ground: Ground) -> AsyncIterator[Bench]:
    producer = AIOKafkaProducer(bootstrap_servers=ground.stack.kafka, enable_idempotence=True, acks="all", linger_ms=0)
    consumer = AIOKafkaConsumer(bootstrap_servers=ground.stack.kafka, auto_offset_reset="latest")
    bench = Bench(producer, consumer, smtp_port=ports.choose())
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(bench), ports.LOCAL, bench.smtp_port)
    await producer.start()
    await consumer.start()
    parts = [TopicPartition(ALERTS, n) for n in range(TOPICS[ALERTS].partitions)]
    consumer.assign(parts)
    await consumer.seek_to_end(*parts)
    listening = asyncio.create_task(bench.listen())
    try:
        yield bench
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
        await consumer.stop()
        await producer.stop()
        server.close()


async def _paced(bench: Bench, events: list[Event], rate: float) -> None:
    draw, due = Random(len(events)), time.perf_counter()
    for event in events:
        due += draw.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await bench.send(event)


async def _all(bench: Bench, events: list[Event], what: str) -> list[float]:
    refs = [f"{event.source}:{event.id}" for event in events]
    await until(lambda: bench.heard.keys() >= set(refs), what, deadline_s=_PATIENCE_S)
    return [bench.heard[ref] - bench.sent[ref] for ref in refs]


async def _mails(bench: Bench, events: list[Event]) -> list[float]:
    refs = {f"{event.source}:{event.id}" for event in events}
    alerts = {alert: ref for alert, ref in bench.raised_by.items() if ref in refs}
    await until(lambda: bench.mailed.keys() >= alerts.keys(), "mails", deadline_s=_PATIENCE_S)
    return [bench.mailed[alert] - bench.sent[ref] for alert, ref in alerts.items()]


async def _commit(ground: Ground, prefix: str) -> float:
    """The median of a majority commit of a transaction that writes one empty document, from its start, in ms."""
    db = ground.database(prefix)
    await db.create_collection("bench")
    taken = []
    async with await ground.client.start_session() as session:
        for _ in range(COMMITS):
            began = time.perf_counter()
            async with session.start_transaction(write_concern=MAJORITY):
                await db["bench"].insert_one({}, session=session)
            taken.append(time.perf_counter() - began)
    return 1000 * median(taken)

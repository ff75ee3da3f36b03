"""The profiles service as a process between real topics: what goes in, what comes out, in which order."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import httpx
import msgspec
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from contracts.envelope import Event, decode, encode
from contracts.events.customers import (
    CreditLimitSet,
    CustomerChanged,
    CustomerErased,
    CustomerRegistered,
    OwnerAssigned,
)
from contracts.events.lifecycle import LimitChanged, OwnerChanged, ProfileErased, StandingChanged
from contracts.events.profiles import ProfileChanged
from contracts.events.staff import StaffRegistered
from contracts.money import Money
from contracts.payload import Payload
from contracts.registry import TOPICS, topic_of
from deploy.local import services
from deploy.local.stack import Stack
from services.chassis.auth import Role
from services.chassis.security import kafka_options
from services.chassis.tokens import LocalIssuer
from services.chassis.topics import apply_topics
from services.profiles.settings import ProfilesSettings

pytestmark = pytest.mark.stack
OUT = ("rapport.lifecycle", "rapport.profiles", "rapport.dead.profiles")
PATIENCE_S = 60.0


@dataclass
class Bus:
    """The running service's surroundings: events go in with `send`, `heard` is what came out about a subject."""

    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer
    url: str
    issuer: LocalIssuer
    records: list[ConsumerRecord] = field(default_factory=list)
    sent: int = 0

    async def send(self, payload: Payload, subject: str, *, times: int = 1) -> Event:
        """An event as a company system sends it, `times` times."""
        self.sent += 1
        event = Event(
            id=f"{subject}-{self.sent}",
            source="crm",
            type=payload.TYPE,
            subject=subject,
            time=datetime.now(UTC),
            data=payload,
        )
        record = encode(event)
        for _ in range(times):
            await self.producer.send_and_wait(topic_of(event.type), record.value, record.key, headers=record.headers)
        return event

    def heard(self, subject: str, topic: str) -> list[ConsumerRecord]:
        """What came out about a subject so far."""
        return [one for one in self.records if one.topic == topic and one.key == subject.encode()]

    def said(self, subject: str, topic: str) -> list[Payload]:
        """The payloads of that; a tombstone has none."""
        return [decode(one.value, one.headers, one.key).data for one in self.heard(subject, topic) if one.value]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Read what comes out until the condition holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                for records in (await self.consumer.getmany(timeout_ms=200)).values():
                    self.records += records


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bus(stack: Stack) -> AsyncIterator[Bus]:
    settings = ProfilesSettings(kafka_bootstrap=stack.kafka, home=stack.home)
    issuer = LocalIssuer(settings)
    issuer.ensure()
    await apply_topics(kafka_options(settings), TOPICS.values())
    run = f"t{uuid.uuid4().hex[:10]}"
    env = {"RAPPORT_MONGO_DATABASE_PREFIX": run, "RAPPORT_KAFKA_GROUP": run, "RAPPORT_CLOCK_POLL_MS": "100"}
    process = services.start_service(stack, "profiles", env)
    producer, consumer = AIOKafkaProducer(bootstrap_servers=stack.kafka), _listener(stack)
    try:
        await producer.start()
        await consumer.start()
        consumer.assign([TopicPartition(name, n) for name in OUT for n in range(TOPICS[name].partitions)])
        await consumer.seek_to_end()
        await asyncio.to_thread(services.wait_ready, [process])
        yield Bus(producer, consumer, process.url, issuer)
    finally:
        await asyncio.to_thread(services.stop, [process], stack)
        await consumer.stop()
        await producer.stop()


def _listener(stack: Stack) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(bootstrap_servers=stack.kafka, auto_offset_reset="earliest", enable_auto_commit=False)


def described(name: str, kind: type[CustomerRegistered] = CustomerRegistered) -> CustomerRegistered:
    return kind(kind="person", name=name, relation="current", external_role="consumer", group="g1")


async def test_facts_come_out_in_order_and_repeats_do_not(bus: Bus) -> None:
    customer = f"C-{uuid.uuid4().hex[:8]}"
    await bus.send(described("Li Lei"), customer, times=2)
    await bus.send(OwnerAssigned(owner_id="staff/1", since=date(2026, 1, 1)), customer, times=3)
    limit = CreditLimitSet(limit=Money.of("500", "CNY"), valid_from=date(2026, 1, 1))
    await bus.send(limit, customer, times=2)
    await bus.send(described("Li Lei 2", CustomerChanged), customer)
    last = CreditLimitSet(limit=None, valid_from=date(2026, 1, 1), company="east")
    await bus.send(last, customer)

    # The last one of each topic: whatever was said before them is there too.
    await bus.until(lambda: len(bus.heard(customer, OUT[0])) >= 4 and len(bus.heard(customer, OUT[1])) >= 3)

    assert [type(one) for one in bus.said(customer, "rapport.lifecycle")] == [
        StandingChanged, OwnerChanged, LimitChanged, LimitChanged
    ]  # fmt: skip
    assert bus.said(customer, "rapport.lifecycle")[1:] == [
        OwnerChanged(owner_id="staff/1", valid_from=date(2026, 1, 1)),
        LimitChanged(limit=limit.limit, valid_from=date(2026, 1, 1)),
        LimitChanged(limit=None, valid_from=date(2026, 1, 1), company="east"),
    ]
    snapshots = [one for one in bus.said(customer, "rapport.profiles") if isinstance(one, ProfileChanged)]
    assert [(one.revision, one.name, one.owner_id) for one in snapshots] == [
        (1, "Li Lei", None), (2, "Li Lei", "staff/1"), (3, "Li Lei 2", "staff/1")
    ]  # fmt: skip


async def test_the_same_process_answers_over_http_about_what_it_has_read(bus: Bus) -> None:
    customer = f"C-{uuid.uuid4().hex[:8]}"
    await bus.send(described("Han Meimei"), customer)
    await bus.until(lambda: bool(bus.heard(customer, "rapport.profiles")))
    headers = {"Authorization": f"Bearer {bus.issuer.issue('ann', [Role.AGENT])}"}
    async with httpx.AsyncClient(base_url=bus.url, headers=headers) as client:
        answer = await client.get(f"/customers/{customer}")
    assert (answer.status_code, answer.json()["fields"]["name"]) == (200, "Han Meimei")


async def test_an_erasure_ends_in_a_tombstone_and_later_events_are_refused_without_their_content(bus: Bus) -> None:
    customer = f"C-{uuid.uuid4().hex[:8]}"
    await bus.send(described("Secret Name"), customer)
    await bus.until(lambda: bool(bus.heard(customer, "rapport.profiles")))
    erasure = await bus.send(CustomerErased(), customer)
    late = await bus.send(described("Secret Name", CustomerChanged), customer)

    await bus.until(lambda: [len(bus.heard(customer, topic)) for topic in OUT] == [2, 2, 1])

    assert [type(one) for one in bus.said(customer, "rapport.lifecycle")] == [StandingChanged, ProfileErased]
    erased = decode_last(bus.heard(customer, "rapport.lifecycle"))
    assert erased.id.startswith(f"crm:{erasure.id}/")
    assert bus.heard(customer, "rapport.profiles")[-1].value is None
    (letter,) = bus.heard(customer, "rapport.dead.profiles")
    headers = dict(letter.headers)
    assert (letter.value, headers["x-rapport-reason"]) == (None, b"erased")
    assert headers["x-rapport-id"] == f"crm:{late.id}".encode()
    assert not [one for name, one in letter.headers if b"Secret" in one]


def decode_last(records: list[ConsumerRecord]) -> Event:
    return decode(records[-1].value, records[-1].headers, records[-1].key)


async def test_a_colleague_comes_out_as_a_snapshot(bus: Bus) -> None:
    party = f"staff/{uuid.uuid4().hex[:8]}"
    await bus.send(StaffRegistered(name="Wang", mail="w@example.com"), party, times=2)
    await bus.until(lambda: bool(bus.heard(party, "rapport.profiles")))
    (snapshot,) = bus.said(party, "rapport.profiles")
    assert isinstance(snapshot, ProfileChanged)
    assert (snapshot.kind, snapshot.name, snapshot.revision) == ("staff", "Wang", 1)


async def test_an_event_that_cannot_be_taken_does_not_hold_the_next_one_up(bus: Bus) -> None:
    customer = f"C-{uuid.uuid4().hex[:8]}"
    wrong = msgspec.structs.replace(described("Li Lei"), parent_id=customer)
    await bus.send(wrong, customer)
    await bus.send(described("Li Lei", CustomerChanged), customer)
    await bus.until(lambda: all(bus.heard(customer, topic) for topic in OUT))
    (letter,) = bus.heard(customer, "rapport.dead.profiles")
    assert dict(letter.headers)["x-rapport-reason"] == b"bad_field"
    assert len(bus.said(customer, "rapport.profiles")) == 1

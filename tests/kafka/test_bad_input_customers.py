"""Bad input about customers to the running profiles service, and an erasure through both services.

As in test_bad_input.py: each bad record lies among good ones about the same customer, in one partition and one batch.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest
import pytest_asyncio
from aiokafka.structs import RecordMetadata

from contracts.envelope import Event, encode
from contracts.events.customers import (
    CreditLimitSet,
    CustomerChanged,
    CustomerErased,
    CustomerLinked,
    CustomerRegistered,
    OwnerAssigned,
)
from contracts.money import Money
from contracts.payload import Payload
from deploy.local.stack import Stack
from services.chassis.mongo import Doc, find, from_doc
from services.chassis.runtime import Runtime
from services.profiles.app import build
from services.profiles.handlers import profiles_service
from services.profiles.model.customer import Customer
from services.profiles.settings import ProfilesSettings
from tests.alerts.buskit import QUICK, Bus, begin_at_end, bus_on, unique
from tests.kafka.bad_input import PHONE, Bad, about, headers, invoice, text, wire
from tests.waiting import until

pytestmark = pytest.mark.stack
CUSTOMERS: Final = "rapport.customers"
LIMIT: Final = CreditLimitSet(limit=Money.of("500.00", "CNY"), valid_from=date(2026, 1, 1))
OWNER: Final = OwnerAssigned(owner_id="staff/E1", since=date(2026, 1, 1))
LINK: Final = CustomerLinked(system="shop", local_id="4711")


def described(name: str, kind: type[CustomerRegistered] = CustomerRegistered) -> CustomerRegistered:
    """An organisation of that name."""
    return kind(kind="organisation", name=name, relation="current", external_role="consumer")


REFUSED: Final = (
    Bad("a phone number as the account", "personal_id", "subject looks like a phone number", about(PHONE), LIMIT),
    Bad("a phone number as the owner", "personal_id", "$.owner_id looks like",
        text("staff/E1", f"staff/{PHONE}"), OWNER),
    Bad("a mail address in another system", "personal_id", "an e-mail address", text("4711", "li@shop.example"), LINK),
    Bad("an identity number as the parent", "personal_id", "a personal identity number",
        text('"relation"', '"parent_id":"11010519491231002X","relation"'), described("Wrong")),
    Bad("a limit as a float", "bad_money", "but got the number 500.0", text('"500.00"', "500.0"), LIMIT),
    Bad("a limit of half a yen", "bad_money", "more decimals than JPY has", text("CNY", "JPY"), LIMIT),
    Bad("a limit below zero", "bad_money", "below zero", text('"500.00"', '"-500.00"'), LIMIT),
    Bad("no limit and no null", "bad_field", "limit is missing", text('"limit"', '"limits"'), LIMIT),
    Bad("a relation nobody knows", "bad_field", "competitor or current or former or potential",
        text('"current"', '"friend"'), described("Wrong")),
    Bad("a colleague where a customer is expected", "bad_attribute", "expected a customer account",
        about("staff/E9"), described("Wrong")),
    Bad("a customer who is his own parent", "bad_field", "expected another account",
        lambda one: text('"relation"', f'"parent_id":"{one.subject}","relation"')(one), described("Wrong")),
    Bad("a newer major version of a customer", "newer_major", "which knows rapport.customer.registered.v1",
        headers(type=b"rapport.customer.registered.v2"), described("Wrong")),
)  # fmt: skip


@dataclass
class Profiles:
    """The profiles service running in this process, beside the alerts service of the bus."""

    bus: Bus
    runtime: Runtime
    customers: dict[str, str] = field(default_factory=dict)
    places: dict[str, RecordMetadata] = field(default_factory=dict)
    sent: list[Event] = field(default_factory=list)

    def event(self, payload: Payload, customer: str) -> Event:
        """An event of the CRM, later by its time than those before it."""
        time = datetime.now(UTC) + timedelta(seconds=len(self.sent))
        self.sent.append(self.bus.event(payload, customer, "crm/made", time))
        return self.sent[-1]

    async def lay(self, case: Bad, partition: int) -> None:
        """A good event, the bad one, another good one."""
        customer = self.customers[case.name] = unique()
        assert case.payload is not None
        spoilt = case.spoil(self.bus.event(case.payload, customer, "crm/made"))
        before, after = described("Before"), described("After", CustomerChanged)
        for one in (wire(self.event(before, customer)), spoilt, wire(self.event(after, customer))):
            place = await self.bus.producer.send_and_wait(
                CUSTOMERS, one.value, one.key, partition=partition, headers=one.headers
            )
            if one is spoilt:
                self.places[case.name] = place

    async def letters(self, where: Doc) -> list[Doc]:
        """Dead letters of the service."""
        return await find(self.runtime.db, "dead", where)

    async def name_of(self, customer: str) -> str | None:
        """The name the service knows a customer by; None where it knows nothing."""
        rows = await find(self.runtime.db, "customers", {"_id": customer, "state": {"$exists": True}})
        return from_doc(rows[0]["state"], Customer).name if rows else None


@asynccontextmanager
async def profiles_on(bus: Bus) -> AsyncIterator[Profiles]:
    """A profiles service whose reading begins where the topics end, once it is given events."""
    run, given = f"t{uuid.uuid4().hex[:10]}", bus.settings
    own: dict[str, Any] = {name: getattr(given, name) for name in ("kafka_bootstrap", "mongo_uri", "home")}
    settings = ProfilesSettings(**(QUICK | own), mongo_database_prefix=run, kafka_group=run)
    runtime = await Runtime.open(profiles_service(settings.days), settings)
    await begin_at_end(runtime)
    profiles = Profiles(bus, runtime)
    for number, case in enumerate(REFUSED):
        await profiles.lay(case, number % 8)
    task = asyncio.create_task(runtime.run(build(runtime)))
    try:
        yield profiles
    finally:
        runtime.stopping.set()
        await task


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def profiles(stack: Stack) -> AsyncIterator[Profiles]:
    async with bus_on(stack) as bus, profiles_on(bus) as profiles:
        ids = [f"crm/made:{event.id}" for event in profiles.sent]

        async def all_there() -> bool:
            return len(await find(profiles.runtime.db, "ledger", {"_id": {"$in": ids}})) == len(ids)

        await until(all_there, "the good events to be applied")
        yield profiles


@pytest.mark.parametrize("case", REFUSED, ids=[case.name for case in REFUSED])
async def test_what_cannot_be_taken_is_a_dead_letter_with_a_reason_and_those_beside_it_are_applied(
    profiles: Profiles, case: Bad
) -> None:
    at = profiles.places[case.name]
    (letter,) = await profiles.letters({"topic": CUSTOMERS, "partition": at.partition, "offset": at.offset})
    print(f"\n{case.came}: {letter['reason']}: {letter['message']}")
    assert letter["reason"] == case.reason
    assert case.says in letter["message"]
    assert await profiles.name_of(profiles.customers[case.name]) == "After"


async def test_nothing_else_became_a_dead_letter(profiles: Profiles) -> None:
    # That of the erased customer comes later, if at all.
    assert len(await profiles.letters({"reason": {"$ne": "erased"}})) == len(REFUSED)


async def test_an_erasure_reaches_both_services_and_what_comes_after_it_leaves_ids_and_a_reason(
    profiles: Profiles,
) -> None:
    bus, customer = profiles.bus, unique()
    bought = bus.event(invoice("I-1"), customer)
    await bus.send(profiles.event(described("Secret Ltd"), customer), bought)
    await bus.taken(bought)
    await bus.send(profiles.event(CustomerErased(), customer))
    await until(lambda: forgotten(bus, customer), "alerts to forget him")
    assert await profiles.name_of(customer) is None
    late, words = (
        bus.event(invoice("I-2"), customer),
        profiles.event(described("Secret Ltd", CustomerChanged), customer),
    )
    await bus.send(late, words)

    async def about_the_invoice() -> list[Any]:
        # What profiles said of him before may come behind his erasure too, and is refused as well.
        return [one for one in await bus.letters([customer]) if one["source"] == late.source]

    (letter,) = await until(about_the_invoice, "the invoice's letter")
    (other,) = await until(lambda: profiles.letters({"subject": customer}), "the description's letter")
    for one, event in ((letter, late), (other, words)):
        assert (one["reason"], one["source"], one["event_id"]) == ("erased", event.source, event.id)
        assert "erased on request" in one["message"]
        assert not {"value", "key", "headers"} & one.keys()
    (book,) = await find(bus.running.runtime.db, "ledger", {"_id": f"{bought.source}:{bought.id}"})
    assert (book["s"], book["d"]) == ("", encode(bought).value.decode()), "law keeps books, without him"


async def forgotten(bus: Bus, customer: str) -> bool:
    rows = await find(bus.running.runtime.db, "accounts", {"_id": customer, "erased": True})
    return bool(rows) and not await find(bus.running.runtime.db, "items", {"s": customer})

"""Bad input to the running services, and what it gets: a dead letter that a person understands, or a reason to take it.

The good events beside it, in the same partition and the same batch, are applied. `pytest -s` prints the table.
"""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.structs import ConsumerRecord, RecordMetadata

from contracts.envelope import Event, encode
from contracts.events import trade
from contracts.events.lifecycle import ProfileErased
from deploy.local.stack import Stack
from services.chassis.mongo import Doc, find
from tests.alerts.buskit import Bus, bus_on, dollars, serve, unique
from tests.kafka.bad_input import REFUSED, TRADE, Bad, Wire, invoice, padded, wire
from tests.waiting import until

pytestmark = pytest.mark.stack


@dataclass
class Course:
    """All bad records were sent while the service was down; it has read them since."""

    bus: Bus
    customers: dict[str, str] = field(default_factory=dict)  # by case
    good: dict[str, list[Event]] = field(default_factory=dict)
    places: dict[str, RecordMetadata] = field(default_factory=dict)
    wires: dict[str, Wire] = field(default_factory=dict)

    async def lay(self, case: Bad, partition: int) -> None:
        """A good event, the bad one, another good one."""
        customer = unique()
        before, after = (self.bus.event(invoice(number), customer) for number in ("GOOD-1", "GOOD-2"))
        spoilt = case.spoil(self.bus.event(case.payload or invoice(), customer))
        await self._put(wire(before), partition)
        self.places[case.name] = await self._put(spoilt, partition)
        await self._put(wire(after), partition)
        self.customers[case.name], self.good[case.name] = customer, [before, after]
        self.wires[case.name] = spoilt

    async def _put(self, one: Wire, partition: int) -> RecordMetadata:
        producer = self.bus.producer
        if one.gzip:
            producer = AIOKafkaProducer(
                bootstrap_servers=self.bus.settings.kafka_bootstrap,
                compression_type="gzip",
                max_request_size=8_000_000,
            )
            await producer.start()
        try:
            return await producer.send_and_wait(TRADE, one.value, one.key, partition=partition, headers=one.headers)
        finally:
            if one.gzip:
                await producer.stop()

    async def letters(self, case: Bad) -> list[Doc]:
        """The dead letters of a case."""
        at = self.places[case.name]
        where = {"topic": TRADE, "partition": at.partition, "offset": at.offset}
        return await find(self.bus.running.runtime.db, "dead", where)

    def sent(self, letter_id: str) -> list[ConsumerRecord]:
        """The same on the topic of dead letters."""
        return [one for one in self.bus.records if dict(one.headers).get("x-rapport-id") == letter_id.encode()]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bus(stack: Stack) -> AsyncIterator[Bus]:
    async with bus_on(stack) as bus:
        yield bus


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def course(bus: Bus) -> Course:
    course = Course(bus)
    await bus.running.stop()
    for number, case in enumerate(REFUSED):
        await course.lay(case, number % 8)
    bus.running = await serve(bus.settings)
    await bus.taken(*(event for events in course.good.values() for event in events))
    await bus.quiet()
    await bus.hear()
    return course


@pytest.mark.parametrize("case", REFUSED, ids=[case.name for case in REFUSED])
async def test_what_cannot_be_taken_is_a_dead_letter_with_a_reason_and_those_beside_it_are_applied(
    course: Course, case: Bad
) -> None:
    (letter,) = await course.letters(case)
    print(f"\n{case.came}: {letter['reason']}: {letter['message']}")
    assert (letter["reason"], letter["status"]) == (case.reason, "open")
    assert case.says in letter["message"]
    (sent,) = course.sent(letter["_id"])
    named = dict(sent.headers)
    assert (named["x-rapport-reason"].decode(), named["x-rapport-message"].decode()) == (
        letter["reason"], letter["message"]
    )  # fmt: skip
    assert named["x-rapport-original-topic"] == TRADE.encode()
    value = course.wires[case.name].value
    assert sent.value == (None if value is None else value[:900_000]), "as it was, as far as a record can hold it"
    held = await course.bus.get(f"/customers/{course.customers[case.name]}/receivables")
    assert [one["invoice"] for one in held["open_items"]] == ["GOOD-1", "GOOD-2"]


async def test_of_all_that_was_sent_nothing_else_became_a_dead_letter(course: Course) -> None:
    assert await course.bus.running.runtime.db["dead"].count_documents({}) == len(REFUSED)
    assert len([one for one in course.bus.records if one.topic == "rapport.dead.alerts"]) == len(REFUSED)


async def test_what_a_publisher_of_five_megabytes_sees(bus: Bus) -> None:
    """His own client refuses it; where that was told to allow more, the broker does. Neither leaves anything behind."""
    event = bus.event(invoice(), unique())
    large = padded(5_000_000)(event)
    usual = AIOKafkaProducer(bootstrap_servers=bus.settings.kafka_bootstrap)
    await usual.start()
    try:
        with pytest.raises(MessageSizeTooLargeError, match=r"larger than the maximum request size"):
            await usual.send_and_wait(TRADE, large.value, large.key, headers=large.headers)
    finally:
        await usual.stop()
    for size in (1_100_000, 5_000_000):
        one = padded(size)(event)
        with pytest.raises(MessageSizeTooLargeError):
            await bus.producer.send_and_wait(TRADE, one.value, one.key, headers=one.headers)
    assert len(gzip.compress(large.value or b"")) < 10_000, "what compresses well gets through, and is a dead letter"


# Taken, and why.


async def test_an_attribute_nobody_knows_is_passed_over_and_the_event_is_taken(bus: Bus) -> None:
    customer = await bus.customer()
    event = bus.event(invoice("I-1"), customer)
    record = encode(event)
    more = [*record.headers, ("ce_mood", b"cheerful"), ("x-trace", b"\xff")]
    await bus.producer.send_and_wait(TRADE, record.value[:-1] + b',"mood":"cheerful"}', record.key, headers=more)
    await bus.taken(event)
    held = await bus.get(f"/customers/{customer}/receivables")
    assert [one["invoice"] for one in held["open_items"]] == ["I-1"]


async def test_the_same_invoice_again_is_nothing_and_with_other_content_it_is_a_conflict(bus: Bus) -> None:
    customer = await bus.customer()
    first, again = bus.event(invoice("I-1", "10.00"), customer), bus.event(invoice("I-1", "10.00"), customer)
    other, good = bus.event(invoice("I-1", "99.00"), customer), bus.event(invoice("I-2", "7.00"), customer)
    await bus.send(first, first, again, other, good)
    await bus.taken(first, again, good)
    (letter,) = await bus.letters([customer])
    assert (letter["reason"], letter["event_id"], letter["field"]) == ("conflict", other.id, "$.invoice_id")
    assert "10.00 CNY" in letter["message"]
    assert "99.00 CNY" in letter["message"]
    assert "invoice.corrected to replace it" in letter["message"]
    held = await bus.get(f"/customers/{customer}/receivables")
    assert [(one["invoice"], one["open"]["amount"]) for one in held["open_items"]] == [
        ("I-1", "10.00"),
        ("I-2", "7.00"),
    ]


async def test_a_payment_on_an_unknown_invoice_waits_for_it_is_shown_and_is_applied_when_it_comes(bus: Bus) -> None:
    customer = await bus.customer()
    paid = await bus.tell(bus.payment("P-1", "30.00", ("I-1", "30.00")), customer, "bank/made")
    await bus.taken(paid)
    held = await bus.get(f"/customers/{customer}/receivables")
    (waits,) = held["waiting_invoices"]
    assert (waits["invoice"], waits["entries"][0]["amount"]["amount"]) == ("I-1", "30.00")
    assert held["ageing"][0]["unapplied_credit"]["amount"] == "30.00", "until then it is his money"
    await bus.taken(await bus.tell(invoice("I-1", "100.00"), customer))
    held = await bus.get(f"/customers/{customer}/receivables")
    assert (held["waiting_invoices"], held["open_items"][0]["open"]["amount"]) == ([], "70.00")
    assert held["ageing"][0]["unapplied_credit"]["amount"] == "0.00"


async def test_what_is_applied_beyond_a_payment_by_several_events_is_taken_and_shown(bus: Bus) -> None:
    """Each alone is sound, and which is wrong only the books can say; in one event it is refused (see the table)."""
    customer = await bus.customer()
    parts = [
        trade.PaymentApplied(document_id="P-1", applied_to=bus.parts((number, "60.00"))) for number in ("I-1", "I-2")
    ]
    events = [bus.event(one, customer) for one in (invoice("I-1", "60.00"), invoice("I-2", "60.00"), *parts)]
    paid = trade.PaymentReceived(document_id="P-1", dated_on=bus.today, total=invoice("", "100.00").total)
    events.append(bus.event(paid, customer))
    await bus.send(*events)
    await bus.taken(*events)
    assert await bus.letters([customer]) == []
    held = await bus.get(f"/customers/{customer}/receivables")
    (credit,) = held["unapplied"]
    assert (credit["over_applied"], credit["left"]["amount"]) == (True, "-20.00")
    assert held["ageing"][0]["net"]["amount"] == "20.00", "120.00 invoiced, 100.00 paid"


async def test_a_part_applied_later_in_another_currency_is_set_aside_and_shown(bus: Bus) -> None:
    customer = await bus.customer()
    used = trade.AppliedTo(invoice_id="I-1", amount=dollars("40.00"))
    payloads = [
        invoice("I-1", "60.00"),
        trade.PaymentReceived(document_id="P-1", dated_on=bus.today, total=invoice("", "60.00").total),
        trade.PaymentApplied(document_id="P-1", applied_to=[used]),
    ]
    events = [bus.event(one, customer) for one in payloads]
    await bus.send(*events)
    await bus.taken(*events)
    held = await bus.get(f"/customers/{customer}/receivables")
    (unusable,) = held["unusable"]
    assert (unusable["why"], unusable["amount"]) == ("other_currency", {"amount": "40.00", "currency": "USD"})
    assert (held["open_items"][0]["open"]["amount"], held["unapplied"][0]["left"]["amount"]) == ("60.00", "60.00")


async def test_of_corrections_the_last_by_its_own_time_holds_whichever_comes_first(bus: Bus) -> None:
    customer = await bus.customer()
    then = bus.event(invoice(), customer).time
    said = (invoice("I-1", "100.00"), as_correction(invoice("I-1", "90.00")), as_correction(invoice("I-1", "80.00")))
    issued, first, second = [
        bus.event(payload, customer, time=then + timedelta(seconds=n)) for n, payload in enumerate(said)
    ]
    await bus.send(second, first, issued)
    await bus.taken(issued, first, second)
    held = await bus.get(f"/customers/{customer}/receivables")
    assert [one["total"]["amount"] for one in held["open_items"]] == ["80.00"]
    assert await bus.letters([customer]) == []


def as_correction(one: trade.InvoiceIssued) -> trade.InvoiceCorrected:
    """The same, in the place of what was said before."""
    return trade.InvoiceCorrected(
        invoice_id=one.invoice_id, issued_on=one.issued_on, due_on=one.due_on, total=one.total
    )


async def test_a_long_plain_number_is_no_phone_number_and_is_taken(bus: Bus) -> None:
    customer = unique("4400")[:4] + str(int(unique("")[1:], 16))
    event = bus.event(invoice("202603020000123456"), customer)
    await bus.send(event)
    await bus.taken(event)


async def test_of_an_erased_customer_ids_and_reason_stay_and_nothing_that_was_said(bus: Bus) -> None:
    customer = await bus.customer()
    conflict = [bus.event(invoice("I-1", total), customer) for total in ("10.00", "11.00")]
    await bus.send(*conflict)
    await until(lambda: bus.letters([customer]), "the conflict")
    erased = bus.event(ProfileErased(erased_at=bus.event(invoice(), customer).time), customer, "rapport/profiles")
    await bus.send(erased)
    await bus.taken(erased)
    late, broken = bus.event(invoice("SECRET-1"), customer), bus.event(invoice("SECRET-2"), customer)
    half = encode(broken)
    await bus.send(late)
    await bus.producer.send_and_wait(TRADE, half.value[:-9], half.key, headers=half.headers)

    async def all_filed() -> Any:
        found = await bus.letters([customer])
        return found if len(found) == 3 else None

    letters = await until(all_filed, "the letters about him")
    assert sorted(one["reason"] for one in letters) == ["conflict", "erased", "malformed_json"]
    for letter in letters:
        assert {"value", "key", "headers"} & letter.keys() == set(), letter["reason"]
    ids = {one.id for one in (conflict[1], late, broken)}
    assert {one["event_id"] for one in letters} == ids
    await bus.quiet()
    await bus.hear()
    about_him = [one for one in bus.records if dict(one.headers).get("x-rapport-id", b"").decode().endswith(tuple(ids))]
    after = [one for one in about_him if dict(one.headers)["x-rapport-reason"] != b"conflict"]
    assert [one.value for one in after] == [None, None]
    assert not [text for one in after for _, text in one.headers if b"SECRET" in text]

"""Every golden example is fed to every service that declares its topic, as the service reads it from the bus.

What is valid is folded, or passed over because the service says so; what is invalid becomes a dead letter with the
reason that the example names. Reading and folding are the services' own, without broker and database.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from contracts.envelope import Event
from contracts.registry import TOPICS, consumed_by, topic_of
from services.alerts.handlers import alerts_service
from services.alerts.rules import Rules
from services.chassis.logtime import LogTime
from services.chassis.outbox import dead_doc, dead_row
from services.chassis.reader import Read, Reader
from services.chassis.service import Service
from services.gateway.handlers import gateway_service
from services.profiles.handlers import profiles_service
from services.profiles.model.facts import CompanyDays
from tests.contracts.golden import FOLDER, Example, examples, name_of, record
from tests.desk import TestDesk

ZONE = ZoneInfo("Asia/Shanghai")
SERVICES = {
    one.name: one for one in (alerts_service(Rules(ZONE)), gateway_service(), profiles_service(CompanyDays(ZONE)))
}
# Nothing in them has a use there yet. A type that is neither here nor taken has been forgotten.
PASSED_OVER = {
    "alerts": {
        *("quotation.made", "payment.promised"),
        *("sales_plan.set", "budget.set", "expense.booked", "expense.reversed", "source.completed"),
        *("standing.changed", "ladder.moved"),
        *("segment.joined", "segment.left", "cuts.fitted"),
    },
    "gateway": {
        *("owner.changed", "limit.changed", "standing.changed", "ladder.moved", "cuts.fitted"),
        *("profile.merged", "profile.unmerged", "lifecycle.withdrawn", "segment.joined", "segment.left"),
    },
    "profiles": {
        *("referral.made", "requirement.stated"),
        *("service_relation.stated", "service_relation.ended", "output.declared"),
    },
}
LIMIT = 1_000_000
ROOT = Path(__file__).parent.parent.parent
NAME = re.compile(r"`([a-z_]+\.[a-z_]+)`")
RECORDS = sorted((FOLDER / "records").glob("*.json"))
Header = tuple[str, bytes]


def readers(event_type: str) -> Iterator[Service]:
    """The services here that declare the topic of a type."""
    for name in TOPICS[topic_of(event_type)].consumers:
        yield SERVICES[name]


def pairs(kind: str) -> list[Any]:
    """Every example with each of its readers."""
    return [
        pytest.param(example, service, id=f"{service.name}<-{name_of(example.path)}")
        for example in examples(kind)
        for service in readers(example.path.parent.name)
    ]


def read(
    service: Service, value: bytes | None, headers: list[Header], key: bytes | None, topic: str, at: datetime
) -> Read:
    """The record as the service's intake reads it."""
    appended = int(at.timestamp() * 1000)
    one = ConsumerRecord(topic, 0, 0, appended, 1, key, value, None, len(key or b""), len(value or b""), headers)
    return Reader(service, LogTime(), LIMIT).read({TopicPartition(topic, 0): [one]})


def sent_at(example: Example) -> datetime:
    """When the broker took the event: at once, if its own time can be a moment at all."""
    said = datetime.fromisoformat(example.content["time"])
    return said if said.tzinfo is not None else said.replace(tzinfo=UTC)


def structured(example: Example, service: Service) -> Read:
    """The example as it is written."""
    headers = [("content-type", b"application/cloudevents+json")]
    topic, key = topic_of(example.path.parent.name), example.content["subject"].encode()
    return read(service, example.text, headers, key, topic, sent_at(example))


def binary(example: Example, service: Service) -> Read:
    """The same event with its attributes in headers."""
    given = dict(example.content)
    value = json.dumps(given.pop("data")).encode()
    headers = [(f"ce_{name}", text.encode()) for name, text in given.items() if isinstance(text, str)]
    topic, key = topic_of(example.path.parent.name), given["subject"].encode()
    return read(service, value, headers, key, topic, sent_at(example))


def the_event(found: Read) -> Event:
    """The one event that was read."""
    (work,) = found.works
    assert work.event is not None
    return work.event


def desk(service: Service) -> TestDesk:
    """The service's folds on an empty desk."""
    return TestDesk(service, datetime(2026, 11, 20, 2, tzinfo=UTC))


def short(event_type: str) -> str:
    """The type as topics and tables of a README name it."""
    return event_type.removeprefix("rapport.").removesuffix(".v1")


@pytest.mark.parametrize("as_sent", [structured, binary])
@pytest.mark.parametrize(("example", "service"), pairs("valid"))
def test_a_valid_example_is_folded_or_knowingly_passed_over(example: Example, service: Service, as_sent: Any) -> None:
    found = as_sent(example, service)
    assert found.dead == []
    if short(example.path.parent.name) in PASSED_OVER[service.name]:
        assert found.works == []
        return
    at = desk(service)
    at.take(the_event(found))
    assert at.dead == [], "refused, or the fold failed"
    assert at.states, "it was folded for somebody"


@pytest.mark.parametrize("as_sent", [structured, binary])
@pytest.mark.parametrize(("example", "service"), pairs("invalid"))
def test_an_invalid_example_becomes_a_dead_letter_with_its_reason(
    example: Example, service: Service, as_sent: Any
) -> None:
    found = as_sent(example, service)
    assert found.works == []
    if as_sent is binary and short(example.path.parent.name) in PASSED_OVER[service.name]:
        assert found.dead == [], "what is not for this service is known by its header, and costs no decoding"
        return
    (letter,) = found.dead
    assert (letter.reason, letter.field) == (example.reason, example.field or letter.field)
    _is_readable(letter.message)
    filed, sent = dead_doc(letter), dead_row(letter, service.name, shards=8)
    assert sent is not None
    assert filed["reason"] == dict(map(tuple, sent["headers"]))["x-rapport-reason"].decode() == example.reason
    assert filed["topic"] == topic_of(example.path.parent.name)
    if as_sent is structured:
        assert filed["value"] == sent["value"] == example.text, "as it was, so that its sender finds it again"


@pytest.mark.parametrize("path", RECORDS, ids=[name_of(path) for path in RECORDS])
def test_a_whole_record_is_taken_or_filed_by_whoever_reads_its_topic(path: Any) -> None:
    given, service = record(path), SERVICES["alerts"]
    found = read(service, given.value, given.headers, given.key, "rapport.trade", given.received_at)
    if given.reason is None:
        assert (len(found.works), found.dead) == (1, [])
        return
    (letter,) = found.dead
    assert (found.works, letter.reason) == ([], given.reason)
    _is_readable(letter.message)


def test_a_tombstone_of_a_compacted_topic_is_no_bad_event() -> None:
    found = read(SERVICES["alerts"], None, [], b"C100234", "rapport.profiles", datetime(2026, 11, 20, tzinfo=UTC))
    assert (found.works, found.dead) == ([], [])


@pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
def test_all_valid_examples_in_one_book_break_no_fold(service: Service) -> None:
    """They tell of one customer and share document numbers: some conflict, and after his erasure all are refused."""
    at = desk(service)
    for example in examples("valid"):
        if service in readers(example.path.parent.name):
            found = structured(example, service)
            if found.works:
                at.take(msgspec.structs.replace(the_event(found), id=name_of(example.path)))
    assert {letter.reason for letter in at.dead} <= {"conflict", "erased"}
    for letter in at.dead:
        if letter.reason == "conflict":
            _is_readable(letter.message)


@pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
def test_what_a_service_passes_over_is_written_down_and_all_else_is_taken(service: Service) -> None:
    declared = {event for topic in consumed_by(service.name) for event in topic.events}
    taken = {kind for kind, handler in service.handlers.items() if not handler.own}
    assert {short(one) for one in declared - taken} == PASSED_OVER[service.name]
    assert taken <= declared
    facts = {topic.name for topic in consumed_by(service.name) if topic.kind != "dead_letters"}
    assert {topic_of(one) for one in taken} == facts


@pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))
def test_the_service_says_on_its_page_what_it_takes_and_what_it_passes_over(service: Service) -> None:
    page = (ROOT / "services" / service.name / "README.md").read_text("utf-8")
    passed_over = re.search(r"^Passed over.*?(?=\n\n)", page, re.DOTALL | re.MULTILINE)
    assert passed_over is not None
    assert set(NAME.findall(passed_over[0])) == PASSED_OVER[service.name]
    rows = page.split("## Out")[0].replace(passed_over[0], "")
    taken = {kind for kind, handler in service.handlers.items() if not handler.own}
    named = {name for name in NAME.findall(rows) if not name.startswith("rapport.")}  # the topics stand beside them
    assert named == {short(one) for one in taken}


def _is_readable(message: str) -> None:
    """A person who knows the business and not the program can act on it: what came, and what was expected."""
    assert "expected" in message or "at most" in message, message
    assert " " in message and len(message) < 600
    for jargon in ("Traceback", "msgspec", "Decode" + "Error", "<class", "NoneType", "0x7f"):
        assert jargon not in message, message

"""Every golden example is taken or refused as it says, and survives the wire."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, from_structured, to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from contracts.envelope import decode, decode_json, encode, encode_json
from contracts.refusal import Refused
from contracts.registry import MODELS
from tests.contracts.golden import FOLDER, Example, examples, name_of, record

VALID = list(examples("valid"))
INVALID = list(examples("invalid"))
RECORDS = sorted((FOLDER / "records").glob("*.json"))
each_valid = pytest.mark.parametrize("example", VALID, ids=[name_of(one.path) for one in VALID])


@each_valid
def test_a_valid_example_is_taken_and_lies_in_the_folder_of_its_type(example: Example) -> None:
    event = decode_json(example.text)
    assert event.type == example.path.parent.name
    assert isinstance(event.data, MODELS[event.type])


@pytest.mark.parametrize("example", INVALID, ids=[name_of(one.path) for one in INVALID])
def test_an_invalid_example_is_refused_for_the_reason_it_names(example: Example) -> None:
    with pytest.raises(Refused) as refused:
        decode_json(example.text)
    assert (refused.value.reason, refused.value.field) == (example.reason, example.field or refused.value.field)
    assert "expected" in refused.value.message


@pytest.mark.parametrize("path", RECORDS, ids=[name_of(path) for path in RECORDS])
def test_a_record_is_taken_or_refused_as_it_says(path: object) -> None:
    given = record(path)  # type: ignore[arg-type]
    if given.reason is None:
        event = decode(given.value, given.headers, given.key, given.received_at)
        assert event.subject == "C100234"
        return
    with pytest.raises(Refused) as refused:
        decode(given.value, given.headers, given.key, given.received_at)
    assert (refused.value.reason, refused.value.field) == (given.reason, given.field or refused.value.field)


def test_every_type_has_a_valid_example() -> None:
    assert {one.path.parent.name for one in VALID} == set(MODELS)


def test_every_example_says_that_it_is_made() -> None:
    files = [*(one.path for one in VALID + INVALID), *RECORDS]
    assert [path for path in files if "made" not in json.loads(path.read_bytes())] == []


def test_the_examples_show_every_reason_there_is() -> None:
    shown = {one.reason for one in INVALID} | {record(path).reason for path in RECORDS}
    assert shown - {None} == {
        *("malformed_json", "wrong_content_type", "missing_attribute", "bad_attribute", "unknown_type", "newer_major"),
        *("key_mismatch", "absurd_time", "absurd_date", "bad_field", "bad_money", "too_large", "personal_id"),
        *("over_applied", "empty_value"),
    }


@each_valid
def test_what_is_written_is_read_as_the_same_event_in_both_modes(example: Example) -> None:
    event = decode_json(example.text)
    written = encode(event)
    assert decode(written.value, written.headers, written.key, datetime.now(UTC)) == event
    assert decode_json(encode_json(event)) == event


@each_valid
def test_another_cloudevents_library_reads_what_is_written(example: Example) -> None:
    event = decode_json(example.text)
    written = encode(event)
    message = KafkaMessage(headers=dict(written.headers), key=written.key, value=written.value)
    read = from_binary(message, JSONFormat(), CloudEvent)
    assert (read.get_id(), read.get_source(), read.get_type()) == (event.id, event.source, event.type)
    assert (read.get_subject(), read.get_time()) == (event.subject, event.time)
    assert read.get_extension("traceparent") == event.traceparent
    assert read.get_data() == json.loads(written.value)


@each_valid
def test_what_another_cloudevents_library_writes_is_read_in_both_modes(example: Example) -> None:
    event = decode_json(example.text)
    content = dict(example.content)
    data = content.pop("data")
    content["time"] = event.time
    theirs = CloudEvent(attributes=content, data=data)
    for message in (to_binary(theirs, JSONFormat()), to_structured(theirs, JSONFormat())):
        headers = [(name, value) for name, value in message.headers.items()]
        assert decode(message.value, headers, event.subject.encode()) == event


def test_another_cloudevents_library_reads_our_structured_events() -> None:
    event = decode_json(VALID[0].text)
    message = KafkaMessage(
        headers={"content-type": b"application/cloudevents+json"}, key=None, value=encode_json(event)
    )
    assert from_structured(message, JSONFormat(), CloudEvent).get_id() == event.id

"""The only way in: it gives an event or a reason, and nothing else."""

from __future__ import annotations

import ast
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contracts
from contracts.envelope import MAX_BYTES, Event, decode, decode_json, encode, encode_json
from contracts.events.trade import InvoiceIssued, PaymentReceived
from contracts.refusal import Refused
from contracts.registry import MODELS
from tests.contracts.golden import examples, record

SENT = datetime(2026, 11, 20, 1, 30, 5, tzinfo=UTC)
GIVEN = record(Path(contracts.__file__).parent / "examples" / "records" / "valid-binary.json")
HEADERS = dict(GIVEN.headers)
VALUE = GIVEN.value or b""


def refused(value: bytes | None, headers: dict[str, bytes], key: bytes | None = None) -> str:
    with pytest.raises(Refused) as found:
        decode(value, list(headers.items()), key, SENT)
    return found.value.reason


def test_a_record_becomes_a_typed_event() -> None:
    event = decode(VALUE, GIVEN.headers, GIVEN.key, SENT)
    assert isinstance(event.data, InvoiceIssued)
    assert (event.subject, event.data.invoice_id) == ("C100234", "INV-2026-001234")
    assert event.time == datetime(2026, 11, 20, 9, 30, tzinfo=timezone(timedelta(hours=8)))


def test_an_event_without_offset_cannot_be_written() -> None:
    event = decode(VALUE, GIVEN.headers)
    with pytest.raises(ValueError, match="no offset"):
        encode(msgspec.structs.replace(event, time=datetime(2026, 11, 20)))  # noqa: DTZ001 - the mistake


def test_what_is_written_omits_absent_fields_and_names_its_type() -> None:
    written = encode(decode(VALUE, GIVEN.headers))
    assert written.key == b"C100234"
    assert b"null" not in written.value
    assert dict(written.headers)["ce_type"] == b"rapport.invoice.issued.v1"


@pytest.mark.parametrize("bytes_over", [0, 1])
def test_the_limit_of_size_is_where_it_says(bytes_over: int) -> None:
    value = VALUE + b" " * (MAX_BYTES - len(VALUE) + bytes_over)
    if bytes_over:
        assert refused(value, HEADERS) == "too_large"
    else:
        assert decode(value, GIVEN.headers).subject == "C100234"


@pytest.mark.parametrize(("hours", "taken"), [(24, True), (24.001, False), (-9_000, True)])
def test_an_event_may_be_late_but_not_a_day_ahead_of_its_sending(hours: float, taken: bool) -> None:
    time = (SENT + timedelta(hours=hours)).isoformat().encode()
    headers = HEADERS | {"ce_time": time}
    if taken:
        assert decode(VALUE, list(headers.items()), None, SENT)
    else:
        assert refused(VALUE, headers) == "absurd_time"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b'{"z":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "malformed_json"),
        (b'{"invoice_id": "\xff"}', "malformed_json"),
        (b'{"invoice_id": "\\ud800"}', "malformed_json"),
        (b"\xef\xbb\xbf{}", "malformed_json"),
        (b"null", "bad_field"),
        (b"", "malformed_json"),
        (VALUE.replace(b'"1250.50"', b'"1e2"'), "bad_money"),
        (VALUE.replace(b'{"amount": "1250.50", "currency": "CNY"}', b"{}"), "bad_money"),
        (VALUE.replace(b'"currency": "CNY"', b'"currency": ["CNY"]'), "bad_money"),
    ],
)
def test_hostile_values_get_a_reason(value: bytes, reason: str) -> None:
    assert refused(value, HEADERS) == reason


@pytest.mark.parametrize("rate", ['"NaN"', '"Infinity"', "1e999999", "-1", '"0"'])
def test_a_rate_that_is_no_number_above_zero_is_refused(rate: str) -> None:
    part = f'{{"invoice_id": "I1", "amount": "1.00", "rate": {rate}}}'
    value = '{"document_id": "D1", "dated_on": "2026-11-18", "total": {"amount": "1.00", "currency": "USD"}, '
    headers = HEADERS | {"ce_type": PaymentReceived.TYPE.encode()}
    assert refused(f'{value}"applied_to": [{part}]}}'.encode(), headers) == "bad_field"


@given(st.binary(max_size=60), st.dictionaries(st.sampled_from(sorted(HEADERS)), st.binary(max_size=40)))
def test_whatever_comes_there_is_an_event_or_a_reason(value: bytes, headers: dict[str, bytes]) -> None:
    for body in (value, VALUE):
        try:
            decode(body, list((HEADERS | headers).items()), headers.get("ce_subject"), SENT)
        except Refused as found:
            assert found.message


@given(st.sampled_from([one.text for one in examples("valid")]), st.integers(0, 600), st.binary(min_size=1, max_size=3))
def test_a_damaged_event_is_an_event_or_a_reason(text: bytes, at: int, damage: bytes) -> None:
    try:
        decode_json(text[:at] + damage + text[at + len(damage) :], SENT)
    except Refused as found:
        assert found.message


def test_an_older_reader_takes_a_newer_event_with_fields_it_does_not_know() -> None:
    value = VALUE[:-1] + b', "printed": {"pages": [1, 2]}}'
    assert decode(value, GIVEN.headers) == decode(VALUE, GIVEN.headers)


def test_the_events_of_a_registry_are_all_read_by_their_own_class() -> None:
    for one in examples("valid"):
        event = decode_json(one.text)
        assert type(event.data) is MODELS[event.type]
        assert type(event) is Event


def test_contracts_import_no_kafka_no_database_and_no_service() -> None:
    root = Path(contracts.__file__).parent
    imported = {
        name.split(".")[0]
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for name in (
            [a.name for a in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", None) or ""]
        )
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    assert not imported & {"aiokafka", "motor", "pymongo", "bson", "faststream", "services", "httpx", "asyncio"}


def test_a_mark_of_the_past_travels_in_every_form() -> None:
    event = decode(VALUE, [*GIVEN.headers, ("ce_history", b"2026-11-01")], GIVEN.key, SENT)
    assert event.history == date(2026, 11, 1)
    assert dict(encode(event).headers)["ce_history"] == b"2026-11-01"
    assert decode_json(encode_json(event)) == event
    assert "ce_history" not in dict(encode(msgspec.structs.replace(event, history=None)).headers)


@pytest.mark.parametrize("text", [b"", b"20261101", b"2026-13-01", b"2026-11-01T00:00:00Z", b"2027-06-01", b"\xff"])
def test_a_mark_of_the_past_that_cannot_be_one_is_refused(text: bytes) -> None:
    assert refused(VALUE, {**HEADERS, "ce_history": text}) == "bad_attribute"

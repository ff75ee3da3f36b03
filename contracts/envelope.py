"""CloudEvents 1.0 on Kafka: what a record says, and the record that says it.

Binary mode is written; binary and structured mode are read. `decode` is the only way in: what it returns has passed
the type's schema and its checks, what it refuses carries a reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from typing import Final, NamedTuple

import msgspec

from contracts.attributes import JSON, SPEC_VERSION, STRUCTURED, Attributes, read_attributes, read_history, read_time
from contracts.payload import MAX_ID, Payload, read_hook, write_hook
from contracts.plausible import Plan, check_plausible, plan_of
from contracts.reading import json_error
from contracts.refusal import Refused
from contracts.registry import model_of

MAX_BYTES: Final = 1_000_000  # below Kafka's own limit of 1,048,588 for a batch, which also holds headers
_encoder: Final = msgspec.json.Encoder(enc_hook=write_hook)

Headers = Sequence[tuple[str, bytes]]
_ALWAYS: Final = (("content-type", JSON), ("ce_specversion", b"1.0"))


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event that passed its checks. `time` is aware; `source` + `id` identify it for ever. `history`: it is of a
    load of the past, up to the day of cut-over that it names; what of that day and later follows from it is news.
    """

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: Payload
    traceparent: str | None = None
    history: date | None = None


class Record(NamedTuple):
    """A Kafka record of the event, in binary mode."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class _Reader(NamedTuple):
    model: type[Payload]
    decoder: msgspec.json.Decoder[Payload]
    plan: Plan


@cache
def _reader(event_type: str) -> _Reader:
    model = model_of(event_type)
    return _Reader(model, msgspec.json.Decoder(model, dec_hook=read_hook), plan_of(model))


def decode(
    value: bytes | None, headers: Headers, key: bytes | None = None, received_at: datetime | None = None
) -> Event:
    """The event in a Kafka record, in binary or structured mode.

    `received_at` is the record's own timestamp (aware); an event more than 24 hours ahead of it is refused. A tombstone
    of a compacted topic is no event: its reader looks at the key and does not come here.
    Raises Refused; contracts/README.md lists the reasons.
    """
    if value is None:
        raise Refused("empty_value", "the record is empty; expected the event's data as JSON")
    if len(value) > MAX_BYTES:
        raise Refused("too_large", f"the event has {len(value):,} bytes; expected at most {MAX_BYTES:,}")
    given, body = read_attributes(dict(headers), value)
    reader = _reader(given.type)
    if key is not None and key != given.subject.encode():
        stated = key[:MAX_ID].decode(errors="replace")
        said = f"the record's key is {stated!r}, its subject {given.subject!r}; expected the subject as the key"
        raise Refused("key_mismatch", said)
    time = read_time(given.time, received_at)
    return Event(
        id=given.id,
        source=given.source,
        type=given.type,
        subject=given.subject,
        time=time,
        data=_payload(reader, body, time),
        traceparent=given.traceparent,
        history=read_history(given.history, time),
    )


def decode_json(text: bytes, received_at: datetime | None = None) -> Event:
    """The event in a structured CloudEvents JSON object, as in files and HTTP. Raises Refused as `decode` does."""
    return decode(text, [("content-type", STRUCTURED.encode())], None, received_at)


def check_said(given: Attributes, body: bytes, received_at: datetime | None = None) -> None:
    """Judges an event as `decode` does, for whoever passes it on as it was said. Raises Refused as `decode` does."""
    if len(body) > MAX_BYTES:
        raise Refused("too_large", f"the event's data has {len(body):,} bytes; expected at most {MAX_BYTES:,}", "data")
    time = read_time(given.time, received_at)
    read_history(given.history, time)
    _payload(_reader(given.type), body, time)


def pass_on(given: Attributes, body: bytes) -> Record:
    """The record of an event that was checked, in binary mode, with its attributes and its data as they were said."""
    key = given.subject.encode()
    headers = [
        *_ALWAYS,
        ("ce_id", given.id.encode()),
        ("ce_source", given.source.encode()),
        _type_header(given.type),
        ("ce_subject", key),
        ("ce_time", given.time.encode()),
    ]
    if given.traceparent is not None:
        headers.append(("ce_traceparent", given.traceparent.encode()))
    if given.history is not None:
        headers.append(("ce_history", given.history.encode()))
    return Record(key, body, headers)


@lru_cache(maxsize=512)
def _type_header(event_type: str) -> tuple[str, bytes]:
    return "ce_type", event_type.encode()


def _payload(reader: _Reader, body: bytes, time: datetime) -> Payload:
    try:
        data = reader.decoder.decode(body)
        if not body.isascii():
            body.decode()  # the JSON reader does not look into fields it passes over, but who stores the text does
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise json_error(error, body, reader.model) from None
    data.check()
    check_plausible(data, reader.plan, time.toordinal())
    return data


def encode(event: Event) -> Record:
    """The record of an event, in binary mode, keyed by its subject."""
    headers = [
        ("content-type", JSON),
        ("ce_specversion", b"1.0"),
        ("ce_id", event.id.encode()),
        ("ce_source", event.source.encode()),
        ("ce_type", event.type.encode()),
        ("ce_subject", event.subject.encode()),
        ("ce_time", _time_text(event.time).encode()),
    ]
    if event.traceparent is not None:
        headers.append(("ce_traceparent", event.traceparent.encode()))
    if event.history is not None:
        headers.append(("ce_history", event.history.isoformat().encode()))
    return Record(event.subject.encode(), _encoder.encode(event.data), headers)


def encode_json(event: Event) -> bytes:
    """The event as one structured CloudEvents JSON object, as in files and HTTP."""
    attributes = {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": _time_text(event.time),
        "datacontenttype": "application/json",
        "data": event.data,
    }
    if event.traceparent is not None:
        attributes["traceparent"] = event.traceparent
    if event.history is not None:
        attributes["history"] = event.history.isoformat()
    return _encoder.encode(attributes)


def encode_data(data: Payload) -> bytes:
    """A payload alone as JSON, for hashing and storing."""
    return _encoder.encode(data)


def _time_text(time: datetime) -> str:
    offset = time.utcoffset()
    if offset is None:
        raise ValueError(f"event time {time.isoformat()} has no offset")
    return time.isoformat() if offset else time.astimezone(UTC).isoformat().replace("+00:00", "Z")

"""The CloudEvents attributes of a record, from its headers (binary mode) or its JSON object (structured mode)."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Final, Literal

import msgspec

from contracts.identifiers import fits, plainly_fine, refuse_personal
from contracts.payload import MAX_EVENT_ID, MAX_ID
from contracts.reading import json_error
from contracts.refusal import Refused

JSON: Final = b"application/json"
STRUCTURED: Final = "application/cloudevents+json"
SPEC_VERSION: Final = "1.0"
_AHEAD: Final = timedelta(hours=24)
_FIRST_YEAR: Final = 1980
_CUT_OVER_AHEAD: Final = 92  # days; who loads his history earlier than that loads it again before it is needed
_NAMES: Final = ("specversion", "id", "source", "type", "subject", "time")
_plain_id: Final = re.compile(r"[A-Za-z0-9_./:-]{1,512}\Z").match  # most are such; the others are looked at closely
_trace = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}").fullmatch
_json_type = re.compile(
    r"application/(?!cloudevents)([a-z0-9.+-]+\+)?json\s*(;\s*charset\s*=\s*\"?utf-?8\"?\s*)?", re.I
).fullmatch
_moment: Final = msgspec.json.Decoder(Annotated[datetime, msgspec.Meta(tz=True)])


class Attributes(msgspec.Struct, frozen=True):
    """What the envelope says, as texts. `history` marks a fact of a load of the past: the day of cut-over, before which
    nobody is to be told of what follows from it.
    """

    id: str
    source: str
    type: str
    subject: str
    time: str
    traceparent: str | None = None
    history: str | None = None


class Whole(Attributes, frozen=True, kw_only=True):
    """A structured event that has all it must have, as most do: the JSON reader alone has seen to that."""

    specversion: Literal["1.0"]
    data: msgspec.Raw
    datacontenttype: Literal["application/json"] | None = None
    data_base64: None = None


class Structured(msgspec.Struct):
    """A structured event as it came: nothing of it has been looked at but what kind of JSON it is."""

    specversion: str | None = None
    id: str | None = None
    source: str | None = None
    type: str | None = None
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    traceparent: str | None = None
    history: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    data_base64: str | None = None


_structured: Final = msgspec.json.Decoder(Structured)


def read_attributes(given: dict[str, bytes], value: bytes) -> tuple[Attributes, bytes]:
    """The attributes and the payload's bytes.

    Raises Refused `wrong_content_type`, `missing_attribute`, `bad_attribute`, `malformed_json`.
    """
    content_type = given.get("content-type", JSON)
    if content_type == JSON:
        return _from_headers(given), value
    stated = content_type.decode("latin-1").strip().lower()
    if stated.partition(";")[0].strip() == STRUCTURED:
        return read_object(value)
    if _json_type(stated) is None:
        raise Refused(
            "wrong_content_type",
            f"the content type is {stated[:80]!r}; expected application/json in UTF-8, or {STRUCTURED}",
        )
    return _from_headers(given), value


def _from_headers(given: dict[str, bytes]) -> Attributes:
    try:
        if given["ce_specversion"] != b"1.0":
            raise _bad_version(given["ce_specversion"].decode("latin-1"))
        trace = given.get("traceparent") or given.get("ce_traceparent")
        history = given.get("ce_history")
        found = Attributes(
            given["ce_id"].decode(),
            given["ce_source"].decode(),
            given["ce_type"].decode(),
            given["ce_subject"].decode(),
            given["ce_time"].decode(),
            None if trace is None else _read_trace(trace),
            None if history is None else history.decode(),
        )
    except KeyError as missing:
        raise _missing(str(missing.args[0]), given) from None
    except UnicodeDecodeError:
        raise Refused("bad_attribute", "a ce_ header is not UTF-8 text; expected UTF-8") from None
    _check(found)
    return found


def read_object(value: bytes | msgspec.Raw) -> tuple[Attributes, bytes]:
    """The same of a structured event, which is one JSON object. Raises as `read_attributes` does."""
    try:
        found = _structured.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise json_error(error, bytes(value)) from None
    return attributes_of(found)


def attributes_of(found: Whole | Structured) -> tuple[Attributes, bytes]:
    """The same of an object that was read already, with others in a list. Raises as `read_attributes` does."""
    if isinstance(found, Whole):
        _check(found)
        given: Attributes = found
        if found.traceparent is not None:
            trace = _read_trace(found.traceparent.encode())
            given = Attributes(found.id, found.source, found.type, found.subject, found.time, trace, found.history)
        return given, bytes(found.data)
    return _of_structured(found)


def _of_structured(found: Structured) -> tuple[Attributes, bytes]:
    id_, source, type_, subject, time = found.id, found.source, found.type, found.subject, found.time
    if found.specversion is None or id_ is None or source is None or type_ is None or subject is None or time is None:
        name = next(name for name in _NAMES if getattr(found, name) is None)
        raise Refused("missing_attribute", f"the attribute {name} is missing; expected {', '.join(_NAMES)}", name)
    if found.specversion != SPEC_VERSION:
        raise _bad_version(found.specversion)
    kind = found.datacontenttype
    if found.data_base64 is not None or (kind and kind != "application/json" and _json_type(kind) is None):
        raise Refused("wrong_content_type", "the data is not JSON; expected datacontenttype application/json")
    body = bytes(found.data)
    if not body:
        said = "the attribute data is missing from the CloudEvents object; expected the payload in it"
        raise Refused("missing_attribute", said, "data")
    trace = None if found.traceparent is None else _read_trace(found.traceparent.encode())
    attributes = Attributes(id_, source, type_, subject, time, trace, found.history)
    _check(attributes)
    return attributes, body


def _missing(header: str, given: dict[str, bytes]) -> Refused:
    hint = ""
    if any(name.lower().replace("-", "_") == header for name in given):
        hint = f" (Kafka's headers are written exactly so: {header})"
    expected = ", ".join(f"ce_{name}" for name in _NAMES)
    return Refused(
        "missing_attribute", f"the header {header} is missing; expected {expected}{hint}", header.removeprefix("ce_")
    )


def _bad_version(version: str) -> Refused:
    return Refused("bad_attribute", f"specversion is {version[:20]!r}; expected 1.0", "specversion")


@lru_cache(maxsize=1024)
def _fits_source(source: str) -> bool:
    return fits(source, MAX_EVENT_ID)  # of few systems, and always the same


def _check(given: Attributes) -> None:
    if (_plain_id(given.id) or fits(given.id, MAX_EVENT_ID)) and _fits_source(given.source):
        if plainly_fine(given.subject) is not None:
            return
        if fits(given.subject):
            refuse_personal(given.subject, "subject")
            return
    for name, text, most in (
        ("id", given.id, MAX_EVENT_ID),
        ("source", given.source, MAX_EVENT_ID),
        ("subject", given.subject, MAX_ID),
    ):
        if not fits(text, most):
            raise Refused(
                "bad_attribute",
                f"{name} is {text[:MAX_ID]!r}; expected 1 to {most} characters, no control characters, "
                "no space at its ends",
                name,
            )


def read_time(text: str, received_at: datetime | None) -> datetime:
    """The event's time, aware. Raises Refused `bad_attribute` or `absurd_time`."""
    try:
        time: datetime = _moment.decode(f'"{text}"')
    except msgspec.MsgspecError:
        expected = "a moment with offset such as 2026-11-22T08:30:00+08:00"
        raise Refused("bad_attribute", f"time is {text[:40]!r}; expected {expected}", "time") from None
    if time.year < _FIRST_YEAR:
        raise Refused("absurd_time", f"the event is of {time.isoformat()}; expected {_FIRST_YEAR} or later", "time")
    if received_at is not None and time - received_at > _AHEAD:
        raise Refused(
            "absurd_time",
            f"the event is of {time.isoformat()}, more than a day after it was sent at {received_at.isoformat()}; "
            "expected the moment at which it happened",
            "time",
        )
    return time


def read_history(text: str | None, time: datetime) -> date | None:
    """The day of cut-over of a history load, None for what is no history; `time` is the event's.

    Raises Refused `bad_attribute`: a mark that cannot be read must not let a thousand warnings out.
    """
    if text is None:
        return None
    try:
        day = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        day = None
    if day is None or (day - time.date()).days > _CUT_OVER_AHEAD:
        raise Refused(
            "bad_attribute",
            f"history is {text[:40]!r}; expected the day of cut-over such as 2026-11-01, "
            f"at most {_CUT_OVER_AHEAD} days after the event",
            "history",
        )
    return day


def _read_trace(given: bytes) -> str | None:
    """The trace context; a broken one is left out, because a fact is no worse for it."""
    text = given.decode("latin-1")
    return text if _trace(text) else None

"""From a record of a dead-letter topic to a case: what a service says that it could not take, or has taken since."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from contracts.attributes import STRUCTURED
from services.chassis.aggregate import named
from services.chassis.outbox import CUT, ORIGINAL, TAKEN
from services.chassis.work import ATTEMPT, resent_in
from services.gateway.letters.store import Record, case_id
from services.gateway.model.letter import Case, Entry
from services.gateway.model.scope import INTAKE

PREFIX: Final = "rapport.dead."
_OURS: Final = "x-rapport-"
_LONGEST: Final = 512


class Heard(NamedTuple):
    """A letter as it came: the case that it would be if it were new; `attempt` says of which sending of ours."""

    case: Case
    record: Record
    attempt: int
    again: str | None  # the case that was sent, where the letter has another name than the one before


class Taken(NamedTuple):
    """The event of this case is taken now."""

    case: str
    attempt: int
    at: datetime


class _Stated(msgspec.Struct):
    """What a structured event says of itself, as far as it can be read."""

    id: Any = None
    source: Any = None
    type: Any = None
    subject: Any = None


_stated: Final = msgspec.json.Decoder(_Stated)


def heard(
    topic: str, at: datetime, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> Heard | Taken | None:
    """What a record says; `at` is when it was appended (aware). None where no service of the suite has written it."""
    given = {name: content or b"" for name, content in headers}
    letter = _text(given, "x-rapport-id", 2048)
    service = topic.removeprefix(PREFIX)
    if letter is None:
        return None
    if TAKEN in given:
        return Taken(case_id(service, letter), _number(given, TAKEN), at)
    reason, place = _text(given, "x-rapport-reason", 64), _text(given, f"{ORIGINAL}topic", 255)
    if reason is None or place is None:
        return None
    again = resent_in(given)
    attempt = again.attempt if again is not None else _number(given, ATTEMPT)
    record = Record(key, value, [(name, content or b"") for name, content in headers if not name.startswith(_OURS)])
    kind, source, event_id, subject = _said(letter, record)
    case = Case(
        id=case_id(service, letter),
        service=service,
        letter=letter,
        at=at,
        last=at,
        touched=at,
        topic=place,
        partition=_number(given, f"{ORIGINAL}partition"),
        offset=_number(given, f"{ORIGINAL}offset"),
        reason=reason,
        message=_text(given, "x-rapport-message", 4000),
        field=_text(given, "x-rapport-field", 300),
        type=kind,
        source=source,
        event_id=event_id,
        subject=subject,
        why_not=None if place in INTAKE else "not_intake",
        cut=value is not None and len(value) >= CUT,
        history=(Entry(at=at, who=f"rapport/{service}", what="refused", note=reason),),
    )
    other = case_id(service, again.letter) if again is not None else None
    return Heard(case, record, attempt, other if other != case.id else None)


def _said(letter: str, record: Record) -> tuple[str | None, str | None, str | None, str | None]:
    """Type, source, id and subject, as far as anything tells them."""
    given = dict(record.headers)
    names = ("type", "source", "id", "subject")
    found: dict[str, str | None] = {name: _text(given, f"ce_{name}", _LONGEST) for name in names}
    if STRUCTURED.encode() in given.get("content-type", b"").lower() and record.value is not None:
        stated = _structured(record.value)
        found = {name: stated.get(name) or found[name] for name in names}
    if not record.headers and found["id"] is None and ":" in letter:  # of one who is erased: ids and reason only
        found["source"], found["id"] = named(letter)
    key = record.key.decode(errors="replace")[:_LONGEST] if record.key else None
    return found["type"], found["source"], found["id"], found["subject"] or key


def _structured(value: bytes) -> Mapping[str, str | None]:
    try:
        stated = _stated.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return {
        name: text[:_LONGEST] if isinstance(text := getattr(stated, name), str) and text else None
        for name in ("id", "source", "type", "subject")
    }


def _text(given: Mapping[str, bytes], name: str, most: int) -> str | None:
    value = given.get(name)
    return value.decode(errors="replace")[:most] if value else None


def _number(given: Mapping[str, bytes], name: str) -> int:
    value = given.get(name, b"")
    return int(value) if value.isdigit() and len(value) < 19 else 0

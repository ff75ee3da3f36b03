"""From a case to the event that is sent for it, as it was or as somebody has corrected it; judged like any other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from contracts.attributes import STRUCTURED, Attributes, read_attributes
from contracts.envelope import Record as Wire
from contracts.envelope import check_said, pass_on
from contracts.refusal import Refused
from contracts.registry import topic_of
from services.chassis.work import ATTEMPT, LETTER
from services.gateway.emits import Outgoing
from services.gateway.letters.store import Record
from services.gateway.model.difference import Change, changes
from services.gateway.model.letter import Case
from services.gateway.model.scope import Scope

ANY: Final = Scope()
NAMES: Final = ("id", "source", "type", "subject", "time")
_SHOWN: Final = 4000  # characters of what is no JSON


class Judged(NamedTuple):
    """An event that would be taken, and what it would change."""

    given: Attributes
    data: bytes
    differences: list[Change]


def as_it_was(held: Record, now: datetime) -> Judged:
    """The event of a letter as it came, or as somebody has corrected it before.

    Raises Refused where it would be refused again at the door; `empty_value` where nothing of it is kept.
    """
    if held.data is not None:
        given = Attributes(*(held.given[name] for name in NAMES))
        return _judged(given, held.data, now, [])
    if held.value is None:
        raise Refused("empty_value", "nothing of the event is kept; expected its data with a correction", "data")
    given, data = read_attributes(dict(held.headers), held.value)
    if held.key is not None and held.key != given.subject.encode():
        said = "the record's key is not its subject; expected a correction that says which of the two is right"
        raise Refused("key_mismatch", said, "subject")
    return _judged(given, data, now, [])


def corrected(case: Case, held: Record, data: Any, wished: Mapping[str, str], now: datetime) -> Judged:
    """The event with other data, and other attributes where they were wrong. Its source and id stay what they were,
    if they could be read: it takes the place of the one that was refused.

    Raises Refused as POST /events would, and `identity_fixed` for another source or id.
    """
    was = stated(case, held)
    for name in ("source", "id"):
        if name in wished and name in was and wished[name] != was[name]:
            said = f"the {name} is {was[name][:128]!r}; expected no other, for it takes the place of the refused event"
            raise Refused("identity_fixed", said, name)
    whole = was | dict(wished)
    if missing := [name for name in NAMES if not whole.get(name)]:
        said = f"the event's {missing[0]} could not be read; expected it in `attributes`"
        raise Refused("missing_attribute", said, missing[0])
    before = data_of(held)
    content = before if data is None else data
    body = _encoded(content)
    asked = {"content-type": STRUCTURED.encode()}
    event = {"specversion": "1.0", **{name: whole[name] for name in NAMES}, "data": msgspec.Raw(body)}
    given, body = read_attributes(asked, msgspec.json.encode(event))
    shifts = [Change(name, "changed", was.get(name), whole[name]) for name in NAMES if was.get(name) != whole[name]]
    return _judged(given, body, now, [*shifts, *changes(before, content)])


def _encoded(content: Any) -> bytes:
    try:
        return msgspec.json.encode(content)
    except (OverflowError, UnicodeEncodeError, RecursionError) as error:
        said = f"data holds what no event can ({type(error).__name__}); expected the event's data as JSON"
        raise Refused("bad_field", said, "$") from None


def _judged(given: Attributes, data: bytes, now: datetime, differences: list[Change]) -> Judged:
    ANY.check(given)
    check_said(given, data, now)
    return Judged(given, data, differences)


def stated(case: Case, held: Record) -> dict[str, str]:
    """What can be read of the event's attributes."""
    if held.data is not None:
        return dict(held.given)
    found = {"type": case.type, "source": case.source, "id": case.event_id, "subject": case.subject}
    headers = dict(held.headers)
    time = headers.get("ce_time", b"").decode(errors="replace") or _time(held.value)
    return {name: text for name, text in (found | {"time": time}).items() if text}


class _Timed(msgspec.Struct):
    time: Any = None
    data: Any = None


_timed: Final = msgspec.json.Decoder(_Timed)


def _structured(held: Record) -> bool:
    return STRUCTURED.encode() in dict(held.headers).get("content-type", b"").lower()


def _time(value: bytes | None) -> str | None:
    try:
        time = _timed.decode(value or b"").time
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return time if isinstance(time, str) else None


def data_of(held: Record) -> Any:
    """The event's data, to be shown and compared; what is no JSON as text, None where nothing is kept."""
    value = held.data if held.data is not None else held.value
    if value is None:
        return None
    try:
        if held.data is None and _structured(held):
            return _timed.decode(value).data
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return value[:_SHOWN].decode(errors="replace")


def outgoing(case: Case, judged: Judged, attempt: int) -> Outgoing:
    """The record that goes out: to the topic of its type, under its source and id, and with the letter it answers for,
    by which its service knows it again.
    """
    key, value, headers = pass_on(judged.given, judged.data)
    ours = [(LETTER, case.letter.encode()), (ATTEMPT, str(attempt).encode())]
    return Outgoing(0, judged.given, topic_of(judged.given.type), Wire(key, value, [*headers, *ours]))

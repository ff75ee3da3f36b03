"""From a request's body to its events: CloudEvents over HTTP in structured, binary and batch mode.

The bytes of an event's data are judged and passed on as they came; nothing is written anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.datastructures import Headers

from contracts.attributes import Attributes, Structured, Whole, attributes_of, read_attributes, read_object
from contracts.envelope import check_said
from contracts.refusal import Refused
from services.chassis.problems import Problem
from services.gateway.emits import Outgoing, outgoing
from services.gateway.model.scope import Scope
from services.gateway.model.verdict import Stated, Verdict, refused

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
HINTS: Final = 16  # misspelt types of one request for which the closest is looked up
Mode = Literal["structured", "batch", "binary"]
# An event as it came: its headers where these hold its attributes, and what else there is of it.
Part = tuple[dict[str, bytes] | None, Whole | Structured | bytes]
# From the quickest, which takes right events only, to one that takes any: one event must not spoil it for all.
_all: Final = (msgspec.json.Decoder(list[Whole]), msgspec.json.Decoder(list[Structured]))
_array: Final = msgspec.json.Decoder(list[msgspec.Raw])
_stated: Final = msgspec.json.Decoder(Stated)


def mode_of(headers: Headers) -> Mode:
    """How the request carries its events. Raises Problem 415 where it does not say so."""
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise _unsupported("The body is compressed; send it as it is.")
    stated = headers.get("content-type", "")
    kind, _, parameters = stated.partition(";")
    kind = kind.strip().lower()
    if kind in (STRUCTURED, BATCH):
        charset = parameters.partition("charset=")[2].strip(" \"'").lower()
        if charset not in ("", "utf-8", "utf8"):
            raise _unsupported("The body is not in UTF-8; send it in UTF-8.")
        return "structured" if kind == STRUCTURED else "batch"
    if any(name.startswith("ce-") for name in headers):
        return "binary"
    raise _unsupported(
        f"Send one event as {STRUCTURED}, several as a JSON list of them as {BATCH}, or one event's data as "
        "application/json with its attributes in the headers ce-specversion, ce-id, ce-source, ce-type, ce-subject "
        "and ce-time."
    )


def _unsupported(detail: str) -> Problem:
    return Problem(415, "unsupported_media_type", detail, headers={"Accept-Post": f"{STRUCTURED}, {BATCH}"})


@dataclass
class Read:
    """The events of a request: those to send, and the verdicts on those that are refused; `count` are both."""

    count: int = 0
    outgoing: list[Outgoing] = field(default_factory=list)
    refused: list[Verdict] = field(default_factory=list)
    seen: dict[tuple[str, str], bytes] = field(default_factory=dict)


def read(mode: Mode, headers: Headers, body: bytes, scope: Scope, now: datetime, most: int) -> Read:
    """Judge every event. `now` is the moment of receipt (aware), `most` how many events a batch may hold.

    Raises Problem 400 where a batch is none, 413 where it holds more.
    """
    out = Read()
    hints = HINTS
    for given, event in _parts(mode, headers, body, most):
        try:
            if not isinstance(event, bytes):
                attributes, data = attributes_of(event)
            else:
                attributes, data = read_object(event) if given is None else read_attributes(given, event)
            scope.check(attributes)
            check_said(attributes, data, now)
            _check_repeat(out, attributes, data)
        except Refused as refusal:
            stated = _said(given, event)
            hints -= stated.type is not None
            told = (
                refusal
                if mode != "binary"
                else Refused(refusal.reason, refusal.message.replace("ce_", "ce-"), refusal.field)
            )
            out.refused.append(refused(out.count, told, stated, hint=hints >= 0))
        else:
            out.outgoing.append(outgoing(out.count, attributes, data))
        out.count += 1
    return out


def _parts(mode: Mode, headers: Headers, body: bytes, most: int) -> Iterator[Part]:
    if mode == "binary":
        given = {"ce_" + name[3:]: _value(text) for name, text in headers.items() if name.startswith("ce-")}
        yield given | {"content-type": headers.get("content-type", "application/json").encode("latin-1")}, body
        return
    if mode == "structured":
        yield None, body
        return
    events = _at_once(body)
    if len(events) > most:
        raise Problem(413, "too_many_events", f"The request holds {len(events)} events; send {most} at most in one.")
    for event in events:
        yield None, event


def _at_once(body: bytes) -> Sequence[Whole | Structured | bytes]:
    for decoder in _all:
        try:
            events: Sequence[Whole | Structured] = decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        return events
    try:
        return [bytes(event) for event in _array.decode(body)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(
            400, "malformed_batch", f"The body is no JSON list ({error}); send a list of CloudEvents objects."
        ) from None


def _value(text: str) -> bytes:
    # CloudEvents' HTTP binding, 3.1.3.2: what is not plain ASCII is percent-encoded UTF-8.
    return unquote_to_bytes(text) if "%" in text else text.encode("latin-1")


def _check_repeat(out: Read, given: Attributes, data: bytes) -> None:
    """The same event twice in one request is passed on twice, for readers drop the second. Another event under the
    same id they would drop as well, and nobody would know.
    """
    if out.seen.setdefault((given.source, given.id), data) != data:
        raise Refused(
            "id_used_twice",
            f"another event of this request has the id {given.id[:128]!r} too; expected one of its own for each event",
            "id",
        )


def _said(given: dict[str, bytes] | None, event: Whole | Structured | bytes) -> Stated:
    """What an event that was refused says of itself, as far as it can be read."""
    if not isinstance(event, bytes):
        return Stated(event.id, event.source, event.type)
    if given is not None:
        texts = {name: given.get(f"ce_{name}", b"").decode(errors="replace") for name in ("id", "source", "type")}
        return Stated(**texts)
    try:
        return _stated.decode(event)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Stated()

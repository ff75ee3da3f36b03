"""Rows of the outbox: what a transaction says, waiting for the relay.

Order: a row's `at` is in microseconds and grows within a subject (the head remembers the last, `spoke`), also when
two processes with different clocks write in turn. Transactions of a subject follow one another, so whoever sees a row
sees all rows of that subject before it.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from contracts.envelope import MAX_BYTES, Event, encode
from contracts.registry import topic_of

from .mongo import Collection, Doc, Index
from .work import ATTEMPT, Dead

OUTBOX = Collection("outbox", (Index((("shard", 1), ("at", 1))),))
DEAD = Collection("dead", (Index((("status", 1), ("at", -1))), Index((("subject", 1),))))

ORIGINAL = "x-rapport-original-"
TAKEN = "x-rapport-taken"
# What of a dead letter goes on, in bytes of its content and of its headers: together they fit into a record, whatever
# the original was.
CUT = 900_000
FEW = 100_000


def shard_of(subject: str, shards: int) -> int:
    """The relay shard of a subject: the same in every process."""
    return zlib.crc32(subject.encode()) % shards


def now_us() -> int:
    """Wall clock in microseconds."""
    return time.time_ns() // 1000


def rows_of(said: list[Event], spoke: int, shards: int) -> tuple[list[Doc], int]:
    """Outbox rows for what one subject said, after `spoke`; returns the new `spoke`.

    Raises:
        ValueError: an event is larger than the broker takes; it would hold up all behind it.
    """
    rows: list[Doc] = []
    at = max(spoke, now_us())
    for event in said:
        at += 1
        record = encode(event)
        if record.value is not None and len(record.value) > MAX_BYTES:
            raise ValueError(f"{event.type} of {len(record.value):,} bytes is more than the broker takes")
        rows.append(
            {
                "_id": event.id,
                "shard": shard_of(event.subject, shards),
                "at": at,
                "topic": topic_of(event.type),
                "key": record.key,
                "value": record.value,
                "headers": record.headers,
            }
        )
    return rows, at


def tombstone_row(subject: str, topic: str, cause: str, at: int, shards: int) -> Doc:
    """The row that ends a subject in a compacted topic: no value under its key."""
    return {
        "_id": f"{cause}/tombstone",
        "shard": shard_of(subject, shards),
        "at": at,
        "topic": topic,
        "key": subject.encode(),
        "value": None,
        "headers": [],
    }


def dead_doc(dead: Dead) -> Doc:
    """The dead letter as the service keeps it, for `rapport dead` and the clinic."""
    event, origin = dead.event, dead.origin
    doc: Doc = {
        "_id": dead.id,
        "status": "open",
        "reason": dead.reason,
        "message": dead.message,
        "field": dead.field,
        "at": dead.at,
        "type": event.type if event else _header(dead, "ce_type"),
        "source": event.source if event else _header(dead, "ce_source"),
        "event_id": event.id if event else _header(dead, "ce_id"),
        "subject": subject_of(dead),
    }
    if dead.attempt:
        doc["attempt"] = dead.attempt
    if origin is not None:
        doc |= {"topic": origin.topic, "partition": origin.partition, "offset": origin.offset}
        if not dead.bare:
            doc |= {"key": origin.key, "value": _cut(origin.value), "headers": [list(pair) for pair in origin.headers]}
            if origin.value is not None and len(origin.value) > CUT:
                doc["cut"] = len(origin.value)
    return doc


def subject_of(dead: Dead) -> str | None:
    """Whom a dead letter is about. Where it cannot be read the key stands in, so that an erasure finds the letter."""
    return dead.subject or _header(dead, "ce_subject") or _key(dead)


def dead_row(dead: Dead, service: str, shards: int) -> Doc | None:
    """The dead letter as it goes to `rapport.dead.<service>`: the record as it was, the reason in its headers."""
    origin = dead.origin
    if origin is None:
        return None
    place = (("topic", origin.topic), ("partition", str(origin.partition)), ("offset", str(origin.offset)))
    headers = [] if dead.bare else _few(origin.headers)
    headers += [[f"{ORIGINAL}{name}", value.encode()] for name, value in place]
    headers += [
        ["x-rapport-reason", dead.reason.encode()],
        ["x-rapport-message", dead.message.encode()],
        ["x-rapport-id", dead.id.encode()],
    ]
    if dead.field is not None:
        headers.append(["x-rapport-field", dead.field.encode(errors="replace")])
    if dead.attempt and dead.bare:
        headers.append([ATTEMPT, str(dead.attempt).encode()])  # else it is among those of the record
    key = origin.key or b""
    return {
        "_id": f"dead:{dead.id}" + (f"/{dead.attempt}" if dead.attempt else ""),
        "shard": shard_of(key.decode(errors="replace"), shards),
        "at": now_us(),
        "topic": f"rapport.dead.{service}",
        "key": key,
        "value": None if dead.bare else _cut(origin.value),
        "headers": headers,
    }


class Mended(NamedTuple):
    """A dead letter whose event was sent again and is taken now."""

    letter: str
    subject: str
    at: datetime
    attempt: int = 0


def mended_row(mended: Mended, service: str, shards: int) -> Doc:
    """What is said to `rapport.dead.<service>` of a letter whose event is taken now: no value, and no reason."""
    taken = [["x-rapport-id", mended.letter.encode()], [TAKEN, str(mended.attempt).encode()]]
    return {
        "_id": f"mended:{mended.letter}",
        "shard": shard_of(mended.subject, shards),
        "at": now_us(),
        "topic": f"rapport.dead.{service}",
        "key": mended.subject.encode(),
        "value": None,
        "headers": taken,
    }


def _cut(value: bytes | None) -> bytes | None:
    # Larger than the broker takes, it would hold its shard of the outbox up for ever.
    return value if value is None else value[:CUT]


def _few(headers: Sequence[tuple[str, bytes]]) -> list[list[object]]:
    few: list[list[object]] = []
    left = FEW
    for name, value in headers:
        left -= len(name) + len(value)
        if left >= 0:
            few.append([name, value])
    return few


def _key(dead: Dead) -> str | None:
    key = dead.origin.key if dead.origin else None
    return None if key is None else key.decode(errors="replace")


def _header(dead: Dead, name: str) -> str | None:
    for key, value in dead.origin.headers if dead.origin else ():
        if key == name:
            return value.decode(errors="replace")
    return None

"""A file of events, judged line by line as the services would judge it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from contracts.envelope import decode_json
from contracts.refusal import Refused


class Judged(NamedTuple):
    """The verdict on one event: `place` is its line, or its number in a JSON list, from 1."""

    place: int
    verdict: str  # "accepted" | "repeat" | "refused"
    type: str | None = None
    subject: str | None = None
    reason: str | None = None
    field: str | None = None
    message: str | None = None


def judge_file(path: Path, now: datetime) -> Iterator[Judged]:
    """Every event of a file: one CloudEvents object a line, or one JSON document with an object or a list of them.

    `now` (aware) stands for the moment of sending. Raises OSError when the file cannot be read.
    """
    seen: dict[tuple[str, str], int] = {}
    for place, text in _events(path):
        yield _judge(place, text, now, seen)


def _judge(place: int, text: bytes, now: datetime, seen: dict[tuple[str, str], int]) -> Judged:
    try:
        event = decode_json(text, now)
    except Refused as refused:
        said = str(refused).removeprefix(f"{refused.reason}: ")
        return Judged(place, "refused", None, None, refused.reason, refused.field, said)
    first = seen.setdefault((event.source, event.id), place)
    if first != place:
        said = f"the same source and id as number {first}; readers drop it"
        return Judged(place, "repeat", event.type, event.subject, message=said)
    return Judged(place, "accepted", event.type, event.subject)


def _events(path: Path) -> Iterator[tuple[int, bytes]]:
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, line
        return
    whole = path.read_bytes()
    try:
        one = bytes(msgspec.json.decode(whole, type=msgspec.Raw))
    except msgspec.DecodeError:
        # Not one JSON document, so it is lines, or broken: each line then says for itself.
        yield from ((number, line) for number, line in enumerate(whole.splitlines(), 1) if line.strip())
        return
    if one.startswith(b"["):
        yield from (
            (number, bytes(each)) for number, each in enumerate(msgspec.json.decode(one, type=list[msgspec.Raw]), 1)
        )
    else:
        yield 1, one

"""The golden examples, as the tests read them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

import contracts

FOLDER = Path(contracts.__file__).parent / "examples"


class Example(NamedTuple):
    """An example file of a type: the whole object, and the reason if it is to be refused."""

    path: Path
    content: dict[str, Any]
    reason: str | None
    field: str | None

    @property
    def text(self) -> bytes:
        return self.path.read_bytes()


class RecordExample(NamedTuple):
    """A whole record: what comes from the broker, and the reason if it is to be refused."""

    value: bytes | None
    headers: list[tuple[str, bytes]]
    key: bytes | None
    received_at: datetime
    reason: str | None
    field: str | None


def examples(kind: str) -> Iterator[Example]:
    """All `valid` or `invalid` examples of types."""
    for path in sorted(FOLDER.glob(f"rapport.*/{kind}-*.json")):
        content = msgspec.json.decode(path.read_bytes())
        yield Example(path, content, content.get("expectedreason"), content.get("expectedfield"))


def record(path: Path) -> RecordExample:
    """The record of a file in `records`."""
    given = msgspec.json.decode(path.read_bytes())
    value = None if given["value"] is None else given["value"].encode()
    if repeats := given.get("value_repeats"):
        value = (repeats["text"] * repeats["times"]).encode()
    return RecordExample(
        value,
        [(name, text.encode()) for name, text in given["headers"].items()],
        None if given["key"] is None else given["key"].encode(),
        datetime.fromisoformat(given["received_at"]),
        given.get("expectedreason"),
        given.get("expectedfield"),
    )


def name_of(path: Path) -> str:
    """A short name for the test's id."""
    return f"{path.parent.name.removeprefix('rapport.')}:{path.stem}"

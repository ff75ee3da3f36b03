"""A record as it is put on the bus."""

from __future__ import annotations

from typing import NamedTuple


class Wire(NamedTuple):
    """Topic, key, value and headers of a record."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]

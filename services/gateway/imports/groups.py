"""Rows that make one event together: what the books state of a customer and a day in several currencies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from services.gateway.imports.files import Format, by_column, is_total
from services.gateway.imports.texts import Line
from services.gateway.model.kinds import Kind

LONGEST: Final = 500  # rows of one event; there are not so many currencies


class Group(NamedTuple):
    """Rows of one event. `apart`: others of it stood further up in the file, and have gone out without these."""

    lines: list[Line]
    apart: bool = False

    @property
    def last(self) -> int:
        """The number of its last line: up to there a file can be settled."""
        return self.lines[-1].number


def grouped(found: Iterator[Line], known: Format, kind: Kind) -> Iterator[Group]:
    """The rows of a file in their groups, which are the same at every reading.

    Of a kind whose rows make one event together, some 100 bytes are kept for each of these events.
    """
    if not kind.together:
        for line in found:
            yield Group([line])
        return
    seen: set[int] = set()
    open_: list[Line] = []
    key: tuple[str, ...] | None = None
    for line in found:
        own = _key(line, known, kind)
        if open_ and (own is None or own != key or len(open_) >= LONGEST):
            yield _closed(open_, key, seen)
            open_ = []
        open_, key = [*open_, line], own
        if own is None:
            yield Group(open_)
            open_ = []
    if open_:
        yield _closed(open_, key, seen)


def _closed(lines: list[Line], key: tuple[str, ...] | None, seen: set[int]) -> Group:
    name = hash(key)
    apart = name in seen
    seen.add(name)
    return Group(lines, apart)


def _key(line: Line, known: Format, kind: Kind) -> tuple[str, ...] | None:
    """What rows of one event have alike; None for one that stands alone: it cannot be read, or is a sum."""
    cells = by_column(line, known)
    if line.wrong is not None or is_total(line, cells, kind):
        return None
    return tuple(cells.get(column, "").strip() for column in kind.together)

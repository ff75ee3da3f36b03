"""What a correction changes, place by place, so that whoever sends it sees it before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

MOST: Final = 200  # places that are shown
_DEEP: Final = 20


class Change(NamedTuple):
    """At a place of the data (`$.total.amount`): what was there and what will be; `added` and `removed` have one."""

    field: str
    kind: str  # "changed" | "added" | "removed"
    before: Any = None
    after: Any = None


def changes(before: Any, after: Any) -> list[Change]:
    """The places in which two JSON values differ, the first 200 of them."""
    found: list[Change] = []
    for one in _between("$", before, after, 0):
        found.append(one)
        if len(found) == MOST:
            break
    return found


def _between(place: str, before: Any, after: Any, depth: int) -> Iterator[Change]:
    if depth < _DEEP and isinstance(before, dict) and isinstance(after, dict):
        for name in (*before, *(name for name in after if name not in before)):
            at = f"{place}.{name}"
            if name not in after:
                yield Change(at, "removed", before[name])
            elif name not in before:
                yield Change(at, "added", None, after[name])
            else:
                yield from _between(at, before[name], after[name], depth + 1)
    elif depth < _DEEP and isinstance(before, list) and isinstance(after, list):
        for n in range(max(len(before), len(after))):
            at = f"{place}[{n}]"
            if n >= len(after):
                yield Change(at, "removed", before[n])
            elif n >= len(before):
                yield Change(at, "added", None, after[n])
            else:
                yield from _between(at, before[n], after[n], depth + 1)
    elif type(before) is not type(after) or before != after:
        yield Change(place, "changed", before, after)

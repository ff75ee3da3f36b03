"""The audit trail: who read personal data and who changed what, a chain of rows a process, in which nothing can be
altered unnoticed.

Each row holds the hash of the row before it. The newest hash, the head, is anchored now and then in another
collection and in the log: whoever rewrote the chain from some row on would have to rewrite the anchors and every copy
of the log too. This file is the chain itself, without storage; `trail.py` keeps it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import msgspec

from .logtime import to_millisecond


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be recorded.

    `ids` and `subject` are ids of things and parties, `values` keyed hashes (see `Hasher`): never a value.
    """

    who: str
    roles: tuple[str, ...]
    what: str
    subject: str | None = None
    ids: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    request_id: str | None = None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a chain.

    `n` counts from 1, `prev` is the hash of row n - 1, `hash` that of everything else in this row.
    """

    chain: str
    n: int
    prev: str
    hash: str
    at: datetime
    who: str
    roles: list[str]
    what: str
    subject: str | None = None
    ids: dict[str, str]
    values: dict[str, str]
    request_id: str | None = None


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """A head as it was at a moment: from then on, row `n` of the chain must be there with that hash."""

    chain: str
    n: int
    hash: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Fault:
    """A place where a chain is not as it was written."""

    chain: str
    n: int
    what: str


class Chain:
    """The growing end of one chain."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._n = 0
        self._head = genesis(name)

    def add(self, entry: Entry, at: datetime) -> Row:
        """The next row. `at` is aware and is cut to milliseconds, since the database keeps no more."""
        unsealed = Row(
            chain=self.name,
            n=self._n + 1,
            prev=self._head,
            hash="",
            at=to_millisecond(at),
            who=entry.who,
            roles=sorted(entry.roles),
            what=entry.what,
            subject=entry.subject,
            ids=dict(entry.ids),
            values=dict(entry.values),
            request_id=entry.request_id,
        )
        row = msgspec.structs.replace(unsealed, hash=digest(unsealed))
        self._n, self._head = row.n, row.hash
        return row


class Hasher:
    """Hashes values so that two rows can be compared but nobody can find the value by trying all phone numbers: with
    a key (HMAC-SHA-256).
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, values: Mapping[str, object]) -> dict[str, str]:
        """The hash of each value; the same text under two names has two hashes."""
        return {name: self._one(name, value) for name, value in values.items()}

    def _one(self, name: str, value: object) -> str:
        text = json.dumps([name, value], ensure_ascii=False, sort_keys=True, default=str)
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def genesis(chain: str) -> str:
    """What stands for the hash before a chain's first row; it differs by chain, so that a first row fits one chain
    alone.
    """
    return hashlib.sha256(f"rapport audit chain {chain}".encode()).hexdigest()


def digest(row: Row) -> str:
    """The hash of a row: SHA-256 over its members except `hash`, as JSON with sorted keys and its time in UTC."""
    members = msgspec.to_builtins(row)
    del members["hash"]
    members["at"] = row.at.astimezone(UTC).isoformat(timespec="milliseconds")
    return hashlib.sha256(json.dumps(members, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def verify(rows: Iterable[Row], anchors: Iterable[Anchor] = ()) -> list[Fault]:
    """Every place where the chains are not as they were written: a row removed, changed, repeated or moved.

    `rows` are those of one or several chains, each chain's in its order. A removed end is found by the anchors alone:
    rows after the last anchor of a chain can be cut off unnoticed.
    """
    wanted: dict[str, dict[int, str]] = {}
    for anchor in anchors:
        wanted.setdefault(anchor.chain, {})[anchor.n] = anchor.hash
    readers: dict[str, _Reader] = {name: _Reader(name, heads) for name, heads in wanted.items()}
    for row in rows:
        readers.setdefault(row.chain, _Reader(row.chain, {})).read(row)
    return [fault for reader in readers.values() for fault in reader.finish()]


_CHANGED: Final = "this row was changed after it was written"
_REPLACED: Final = "the row before this one was replaced: its hash is not the one written here"


class _Reader:
    """Walks one chain; keeps only what it needs of it, since a chain may be long."""

    def __init__(self, chain: str, heads: dict[int, str]) -> None:
        self._chain = chain
        self._heads = dict(heads)
        self._next, self._prev = 1, genesis(chain)
        self._faults: list[Fault] = []

    def read(self, row: Row) -> None:
        if row.n < self._next:
            self._fault(row.n, f"this row stands after row {self._next - 1}: it was moved or repeated")
            return
        if row.n > self._next:
            self._fault(self._next, f"rows {self._next} to {row.n - 1} are missing")
        elif row.prev != self._prev:
            self._fault(row.n, _REPLACED)
        if digest(row) != row.hash:
            self._fault(row.n, _CHANGED)
        anchored = self._heads.pop(row.n, None)
        if anchored not in (None, row.hash):
            self._fault(row.n, "the anchored hash of this row is another: the chain was written anew")
        self._next, self._prev = row.n + 1, row.hash

    def finish(self) -> list[Fault]:
        if beyond := [n for n in self._heads if n >= self._next]:
            self._fault(self._next, f"rows {self._next} to {max(beyond)} are missing at the end: an anchor names them")
        return self._faults

    def _fault(self, n: int, what: str) -> None:
        self._faults.append(Fault(self._chain, n, what))

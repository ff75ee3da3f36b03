"""Where the audit trail is kept: rows in one collection, anchors in another and in the log."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import msgspec
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from .audit import Anchor, Chain, Entry, Hasher, Row
from .auth import Caller
from .logs import log
from .metrics import Metrics
from .mongo import Collection, Database, Index, from_doc
from .problems import Problem
from .settings import Settings

COLLECTIONS: Final = (
    Collection("audit", (Index((("subject", 1), ("at", 1))), Index((("at", 1),)))),
    Collection("audit_anchors"),
)
_LOG = log("rapport.audit")
_DUPLICATE: Final = 11000
_MOST_WAITING: Final = 10_000
_LEFT_BEHIND: Final = timedelta(days=2)


class Away(Exception):  # noqa: N818 - a state of affairs that passes, not a mistake
    """The store cannot be reached; what was to be kept may or may not be there."""


class Store(Protocol):
    """Keeps rows and anchors. Both calls may be repeated with the same content, and raise Away when they should be."""

    async def keep(self, rows: Sequence[Row]) -> None:
        """Has the rows stored when it returns."""

    async def anchor(self, anchor: Anchor) -> None:
        """Has the anchor stored when it returns."""

    def heads(self, since: datetime) -> AsyncIterator[Anchor]:
        """The present head of every chain that has grown since then."""


class MongoStore:
    """The audit collections of a service's database, whose write concern must be majority."""

    def __init__(self, db: Database) -> None:
        self._rows = db["audit"]
        self._anchors = db["audit_anchors"]

    async def keep(self, rows: Sequence[Row]) -> None:
        """See Store."""
        documents = [_document(row, row.chain, row.n) for row in rows]
        try:
            # In order, so that a kill in the middle leaves the beginning of the rows and no gap.
            await self._rows.insert_many(documents, ordered=True)
        except BulkWriteError as failure:
            if not _only_repeats(failure):
                raise Away from failure
            await self._keep_missing(documents)
        except PyMongoError as failure:
            raise Away from failure

    async def _keep_missing(self, documents: list[dict[str, Any]]) -> None:
        # An answer was lost and some rows are there already, under the same id and with the same content.
        try:
            await self._rows.insert_many(documents, ordered=False)
        except BulkWriteError as failure:
            if not _only_repeats(failure):
                raise Away from failure
        except PyMongoError as failure:
            raise Away from failure

    async def anchor(self, anchor: Anchor) -> None:
        """See Store."""
        try:
            await self._anchors.insert_one(_document(anchor, anchor.chain, anchor.n))
        except DuplicateKeyError:
            return
        except PyMongoError as failure:
            raise Away from failure

    async def heads(self, since: datetime) -> AsyncIterator[Anchor]:
        """See Store."""
        last = {"$group": {"_id": "$chain", "n": {"$max": "$n"}, "at": {"$max": "$at"}}}
        try:
            async for found in self._rows.aggregate([{"$match": {"at": {"$gte": since}}}, last]):
                row = await self._rows.find_one({"_id": _id(found["_id"], found["n"])})
                if row is not None:
                    yield Anchor(chain=row["chain"], n=row["n"], hash=row["hash"], at=row["at"])
        except PyMongoError as failure:
            raise Away from failure

    async def rows(self) -> AsyncIterator[Row]:
        """All rows, each chain's in its order, for `verify`."""
        async for document in self._rows.find(sort=[("_id", 1)]):
            yield from_doc(document, Row)

    async def anchors(self) -> AsyncIterator[Anchor]:
        """All anchors."""
        async for document in self._anchors.find():
            yield from_doc(document, Anchor)


def _only_repeats(failure: BulkWriteError) -> bool:
    errors = dict(failure.details or {}).get("writeErrors") or []
    return bool(errors) and all(error["code"] == _DUPLICATE for error in errors)


def _id(chain: str, n: int) -> str:
    # Padded, so that the order of the ids is the order of the chain.
    return f"{chain}/{n:012d}"


def _document(value: Row | Anchor, chain: str, n: int) -> dict[str, Any]:
    members: dict[str, Any] = msgspec.to_builtins(value, builtin_types=(datetime,))
    return {"_id": _id(chain, n)} | members


class Trail:
    """Writes this process's chain.

    Rows are stored before the caller gets his answer; those of requests side by side go in one write.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        metrics: Metrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._now = now
        self._every = settings.audit_anchor_seconds
        self._hasher = Hasher(settings.audit_key.get_secret_value().encode() or secrets.token_bytes(32))
        self._chain = Chain(f"{settings.SERVICE}-{now():%Y%m%dT%H%M%S}-{secrets.token_hex(4)}")
        self._waiting: list[Row] = []
        self._head: Row | None = None
        self._anchored = 0
        self._lock = asyncio.Lock()

    async def record(
        self,
        caller: Caller,
        what: str,
        *,
        subject: str | None = None,
        ids: Mapping[str, str] | None = None,
        values: Mapping[str, object] | None = None,
        request_id: str | None = None,
    ) -> None:
        """Records that `caller` did `what`: of `subject` (a party), with the things `ids`, with `values`, of which
        only keyed hashes are kept.

        Raises Problem 503 when it cannot be stored: what is not recorded must not happen. The row is not lost then,
        it goes with the next.
        """
        if len(self._waiting) >= _MOST_WAITING:
            raise _cannot_record()
        roles = tuple(sorted(caller.roles))
        entry = Entry(caller.subject, roles, what, subject, ids or {}, self._hasher.of(values or {}), request_id)
        row = self._chain.add(entry, self._now())
        self._waiting.append(row)
        try:
            await self._flush(row.n)
        except Away as failure:
            _LOG.warning("audit.away", waiting=len(self._waiting))
            raise _cannot_record() from failure

    async def _flush(self, up_to: int) -> None:
        async with self._lock:
            if not self._waiting or self._waiting[0].n > up_to:
                return
            rows = list(self._waiting)
            await self._store.keep(rows)
            del self._waiting[: len(rows)]
            self._metrics.audit_rows.inc(len(rows))
            self._head = rows[-1]
            if self._anchored == 0:
                # The first row at once: a chain that no anchor names could be removed as a whole.
                await self._anchor(self._head)

    async def anchor(self) -> None:
        """Anchors the head, where it has moved. Raises Away."""
        async with self._lock:
            if self._head and self._head.n > self._anchored:
                await self._anchor(self._head)

    async def _anchor(self, head: Row) -> None:
        await self._store.anchor(Anchor(chain=head.chain, n=head.n, hash=head.hash, at=self._now()))
        self._anchored = head.n
        _LOG.info("audit.anchor", chain=head.chain, n=head.n, hash=head.hash)

    async def run(self) -> None:
        """Anchors what killed processes left behind, then this chain's head at its times, until it is cancelled."""
        left_behind = True
        while True:
            try:
                if left_behind:
                    await self._adopt()
                    left_behind = False
                await self.anchor()
            except Away:
                _LOG.warning("audit.anchor_late", waiting=len(self._waiting))
            await asyncio.sleep(self._every)

    async def _adopt(self) -> None:
        async for head in self._store.heads(self._now() - _LEFT_BEHIND):
            await self._store.anchor(head)
            _LOG.info("audit.anchor", chain=head.chain, n=head.n, hash=head.hash)

    async def close(self) -> None:
        """Stores what waits and anchors the head. Where the store is away it says so in the log, head included, and
        does not hold the stop up: what waits was refused to its callers.
        """
        try:
            await self._flush(self._waiting[-1].n if self._waiting else 0)
            await self.anchor()
        except Away:
            head = self._head
            _LOG.error(
                "audit.close_without_anchor",
                waiting=len(self._waiting),
                chain=self._chain.name,
                n=head and head.n,
                hash=head and head.hash,
            )


def _cannot_record() -> Problem:
    return Problem(
        503,
        "audit_unavailable",
        "This cannot be recorded in the audit trail at the moment, so it is not done; try again shortly.",
        headers={"Retry-After": "5"},
    )

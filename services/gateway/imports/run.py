"""Carries imports out, one after the other: reads on from the last row that is settled, sends, waits for the broker's
word, and only then stores how far it is. Killed anywhere, its successor sends the same events under the same ids.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any, Final

import msgspec
import structlog

from contracts.refusal import Refused
from services.chassis import marks
from services.chassis.errors import heals
from services.chassis.lease import Leases
from services.chassis.mongo import Database, DatabaseError
from services.chassis.problems import Problem
from services.chassis.rounds import Rounds
from services.gateway.imports import files, store
from services.gateway.imports.batch import Batch, Reader
from services.gateway.imports.groups import Group, grouped
from services.gateway.imports.store import Import
from services.gateway.imports.undo import told, withdrawals
from services.gateway.metrics import GatewayMetrics
from services.gateway.model.scope import Scope
from services.gateway.registry import Registry
from services.gateway.sender import Sender

SLICE: Final = 200  # rows after which other work has its turn
ROWS: Final = 2_000  # rows that are settled together at most
SIZE: Final = 4_000_000  # and characters in them
KNOWN: Final = 100_000  # customers that an undo remembers to have told of
PAUSE: Final = 0.5  # seconds before the same rows are sent again
CLEAN: Final = 600  # seconds between two looks for what can go
log = structlog.get_logger(__name__)


class _Stopped(Exception):  # noqa: N818 - nothing is wrong
    """This process is stopping, or another has the import now."""


@dataclass
class Importer:
    """A worker of the runtime. `every`: seconds between two looks for imports of others; `days`: refused rows stay."""

    db: Database
    leases: Leases
    sender: Sender
    registry: Registry
    metrics: GatewayMetrics
    every: float
    days: int
    _rounds: Rounds = field(init=False)

    def __post_init__(self) -> None:
        self._rounds = Rounds("importer", self.every)

    def wake(self) -> None:
        """There is an import to be carried out."""
        self._rounds.wake()

    async def stop(self) -> None:
        """Let `run` settle the rows it has begun, and return."""
        self._rounds.stop()

    async def run(self) -> None:
        """Carry out what comes, until stopped."""
        await self._rounds.run(self._round)

    async def _round(self) -> None:
        await store.let_go(self.db)
        if self._rounds.time_for("clean", CLEAN):
            await store.forget(self.db, datetime.now(UTC), self.days)
        for one in await store.unfinished(self.db):
            if not self._rounds.stopping:
                await self.leases.alone(f"import/{one.id}", self._carry_out(one.id))

    async def _carry_out(self, import_id: str) -> None:
        one = await store.one(self.db, import_id)  # as it is now that nobody else can change it
        if one is None or one.state not in store.LEFT:
            return
        if one.state == "undoing":
            await self._undo(one)
            return
        log.info("import.begun", id=one.id, kind=one.kind, line=one.line)
        try:
            failure = await self._file(one)
        except _Stopped:
            return
        one = await store.one(self.db, import_id) or one
        ended = msgspec.structs.replace(
            one,
            state="failed" if failure else "done",
            percent=one.percent if failure else 100,
            finished_at=datetime.now(UTC),
            failure=failure,
        )
        if await store.advance(self.db, one, ended):
            log.info("import.ended", id=one.id, state=ended.state, refused=ended.counts.refused)
            await store.let_go(self.db)

    async def _file(self, one: Import) -> str | None:
        """Carry its rows out; returns why the file cannot be read from some row on, if it cannot."""
        try:
            with tempfile.TemporaryFile() as file:
                async for piece in store.chunks(self.db, one.id):
                    await asyncio.to_thread(file.write, piece)
                await self._rows(one, file)
        except Refused as why:
            return why.message
        except _Stopped:
            raise
        except Exception as error:
            if isinstance(error, DatabaseError) and heals(error):
                raise
            # One file that nobody foresaw must not take the door away from all others, at every start anew.
            log.exception("import.failed", id=one.id)
            return "something went wrong here; give operations the id of the import, it is in the log"
        return None

    async def _rows(self, one: Import, file: IO[bytes]) -> None:
        reader, begin, seen = Reader(one, await self._scope(one)), one.line, 0
        found = grouped(await asyncio.to_thread(files.rows, file, one.format), one.format, reader.kind)
        batch, settling = Batch(reader), _Settling(self._settle, one)
        try:
            while (group := await self._next(found, seen)) is not None:
                seen += 1
                if group.last <= begin:
                    continue
                batch.take(group, datetime.now(UTC))
                if seen % SLICE == 0:
                    self._send(batch)
                if batch.rows >= ROWS or batch.size >= SIZE:
                    await settling.then(batch, min(99, file.tell() * 100 // max(1, one.size)))
                    batch = Batch(reader)
            await settling.then(batch, 99)
            await settling.over()
        finally:
            await settling.drop()

    async def _next(self, found: Iterator[Group], seen: int) -> Group | None:
        if seen == 0:  # a workbook unpacks its texts here
            return await asyncio.to_thread(next, found, None)
        if seen % SLICE == 0:
            await asyncio.sleep(0)
        return next(found, None)

    async def _scope(self, one: Import) -> Scope:
        if one.owner is None:
            return Scope()
        if one.owner not in self.registry.known:
            await self.registry.read()  # a process that has only just begun does not know any yet
        known = self.registry.known.get(one.owner)
        if known is None:
            raise Refused("source_not_granted", f"the source {one.owner} is no longer registered")
        return known.scope

    async def _settle(self, one: Import, batch: Batch, percent: int) -> Import:
        self._send(batch)
        marks.reach(marks.IMPORT_BEFORE_WORD)
        await self._sent(batch)
        marks.reach(marks.IMPORT_AFTER_WORD)
        if batch.refused:
            await store.keep_refused(self.db, one.id, one.line, batch.refused)
        if batch.subjects:
            await store.keep_subjects(self.db, one.id, batch.line, sorted(batch.subjects))
        marks.reach(marks.IMPORT_AFTER_REFUSED)
        after = batch.settled(one, percent)
        if not await store.advance(self.db, one, after):
            raise _Stopped
        counts = batch.counts
        for fate in ("accepted", "refused", "passed_over"):
            self.metrics.import_rows.labels(fate).inc(getattr(counts, fate))
        if self._rounds.stopping:
            raise _Stopped
        return after

    async def _undo(self, one: Import) -> None:
        told_of: set[str] = set()
        with suppress(_Stopped):
            async for line, subjects in store.subjects(self.db, one.id, one.undone_line):
                if len(told_of) > KNOWN:
                    told_of.clear()  # who is told of again drops it
                fresh = [subject for subject in subjects if subject not in told_of]
                told_of.update(fresh)
                batch = Batch(Reader(one, Scope()), outgoing=withdrawals(one, fresh))
                await self._sent(batch)
                marks.reach(marks.IMPORT_AFTER_WORD)
                after = told(one, line)
                if self._rounds.stopping or not await store.advance(self.db, one, after):
                    return
                one = after
            await store.advance(self.db, one, msgspec.structs.replace(one, state="undone"))
            log.info("import.undone", id=one.id)

    def _send(self, batch: Batch) -> None:
        """What is judged goes out while the next rows are read."""
        fresh = batch.outgoing[batch.begun :]
        try:
            self.sender.check()
            self.sender.require({one.topic for one in fresh})
        except Problem as away:
            log.warning("import.waits", why=away.code)
            return
        batch.words |= set(self.sender.send((one.topic, one.record) for one in fresh))
        batch.begun = len(batch.outgoing)

    async def _sent(self, batch: Batch) -> None:
        """Returns when the broker has all of it. Until it does, all is sent again in its order."""
        while True:
            self._send(batch)
            if batch.words:
                await asyncio.wait(batch.words)
            failed = any(word.result() is not None for word in batch.words)
            if batch.begun == len(batch.outgoing) and not failed:
                return
            if failed:
                batch.begun, batch.words = 0, set()
            if self._rounds.stopping:
                raise _Stopped
            await asyncio.sleep(PAUSE)


class _Settling:
    """Rows are settled one batch after the other while the next ones are read."""

    def __init__(self, settle: Callable[[Import, Batch, int], Coroutine[Any, Any, Import]], one: Import) -> None:
        self._settle, self._one = settle, one
        self._task: asyncio.Task[Import] | None = None

    async def then(self, batch: Batch, percent: int) -> None:
        """Begin with a batch when the one before is settled. Raises what that one has ended with."""
        await self.over()
        self._task = asyncio.create_task(self._settle(self._one, batch, percent))

    async def over(self) -> None:
        """Wait until all is settled. Raises what it has ended with."""
        if self._task is not None:
            task, self._task = self._task, None
            try:
                self._one = await task
            finally:
                task.cancel()

    async def drop(self) -> None:
        """What is not settled will be read again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)  # what came before it is raised already

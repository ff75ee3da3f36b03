"""Watches a folder for files that systems lay there at night, takes each in as HTTP would, and puts it away with what
became of it. One process at a time does so; killed anywhere, another goes on: a file lies where it was laid until its
import has ended, and an import knows its file.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import structlog

from contracts.refusal import Refused
from services.chassis import marks
from services.chassis.errors import duplicate, heals
from services.chassis.lease import Leases
from services.chassis.mongo import Database, DatabaseError
from services.chassis.rounds import Rounds
from services.gateway.imports import arrive, drops, store
from services.gateway.imports.arrive import Sent
from services.gateway.imports.drops import Changed, Drop, Found
from services.gateway.imports.files import Wishes
from services.gateway.imports.refusals import refused_csv
from services.gateway.imports.run import Importer
from services.gateway.imports.store import Import
from services.gateway.metrics import GatewayMetrics
from services.gateway.model.drops import DONE, REFUSED, Mark, Place, Settling, shown
from services.gateway.model.kinds import KINDS
from services.gateway.model.scope import lies_under
from services.gateway.registry import Known, Registry

LEASE: Final = "folder"
MADE_BY: Final = "folder"
REPORT: Final = ".report.json"
ROWS: Final = ".refused.csv"
GREW: Final = "the file was written to after it had been taken; it is imported again as it is now"
log = structlog.get_logger(__name__)
Paper = Callable[[IO[bytes]], None]


@dataclass(frozen=True)
class Rules:
    """`every`: seconds between two looks; `settle`: seconds without a change after which a file counts as whole;
    `most`: bytes of a file; `waiting`: imports of a source that may wait.
    """

    every: float
    settle: int
    most: int
    waiting: int


@dataclass
class Folder:
    """A worker of the runtime."""

    top: Path
    db: Database
    leases: Leases
    registry: Registry
    importer: Importer
    metrics: GatewayMetrics
    rules: Rules
    _settling: Settling = field(init=False)
    _rounds: Rounds = field(init=False)
    _imports: dict[str, str] = field(default_factory=dict)  # by mark: whose file it is, while it waits for its end
    _told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._settling = Settling(self.rules.settle)
        self._rounds = Rounds("folder", self.rules.every)

    async def run(self) -> None:
        """Look, until stopped."""
        await self._rounds.run(self._round)

    async def stop(self) -> None:
        """Let `run` finish the file it has begun."""
        self._rounds.stop()

    async def _round(self) -> None:
        if not await self.leases.alone(LEASE, self._looks()):
            self._settling = Settling(self.rules.settle)  # what another has seen meanwhile is not known here
            self.metrics.folder_waiting.set(0)

    async def _looks(self) -> None:
        # The lease is kept between two looks, so that files settle under one pair of eyes.
        while not self._rounds.stopping:
            await self.look()
            await self._rounds.pause()

    async def look(self) -> None:
        """Take in what has come, and put away what is at its end."""
        told: set[str] = set()
        try:
            found = await asyncio.to_thread(drops.scan, self.top)
        except OSError as error:
            found = Found(troubles=[f"{self.top.name}: {error.strerror}"])
        lying = {drop.mark.path: drop.mark for drop in found.drops}
        # What was not seen is not gone, where not everything could be looked at.
        await self._let_go(lying, all_seen=not found.troubles and len(found.drops) < drops.MOST)
        whole = self._settling.look(lying, int(time.monotonic()))
        for drop in found.drops:
            if self._rounds.stopping:
                break
            try:
                await self._one(drop, whole=drop.mark.path in whole)
            except Changed:
                log.info("folder.changed", file=shown(drop.mark.path))
            except OSError as error:
                found.troubles.append(f"{shown(drop.mark.path)}: {error.strerror}")
        for trouble in found.troubles:
            self._tell(told, "folder.trouble", trouble, "nothing is lost: it is tried again at every look")
        for path in found.misplaced:
            self._tell(told, "folder.misplaced", path, f"expected <source>/<kind>/file, of {', '.join(KINDS)}")
        self._told = told
        self.metrics.folder_waiting.set(len(found.drops))
        self.metrics.folder_misplaced.set(len(found.misplaced))
        self.metrics.folder_troubles.set(len(found.troubles))

    def _tell(self, told: set[str], event: str, what: str, then: str) -> None:
        """Log it, once for as long as it lasts."""
        told.add(f"{event} {what}")
        if f"{event} {what}" not in self._told:
            log.warning(event, what=what, next=then)

    async def _let_go(self, lying: dict[str, Mark], *, all_seen: bool) -> None:
        """Forget whose files are gone, and undo what was taken of files that went on growing."""
        places = {mark.place for mark in lying.values()}
        now = {mark.text for mark in lying.values()}
        self._imports = {mark: one for mark, one in self._imports.items() if mark in now}
        for one in await store.all_dropped(self.db):
            if one.dropped is None or one.dropped in now or one.state in (*store.LEFT, "arriving"):
                continue
            if one.id in self._imports.values():
                continue  # only the file's moment has changed: what lies there now was this import too
            grew = any(one.dropped.startswith(place) for place in places)
            if grew and one.state in ("done", "failed"):
                undoing = msgspec.structs.replace(one, state="undoing", undo_at=_now(), undo_reason=GREW, dropped=None)
                if await store.advance(self.db, one, undoing):
                    log.warning("folder.grew", file=shown(one.dropped.split("\t")[0]), id=one.id, next=GREW)
                    self.importer.wake()
            elif grew or all_seen:
                await store.put_away(self.db, one.id)

    async def _one(self, drop: Drop, *, whole: bool) -> None:
        one = await self._known(drop)
        if one is None and whole:
            try:
                one = await self._take(drop)
            except Refused as why:
                await self._refuse(drop, why)
                return
            except (Changed, OSError):
                raise
            except Exception as error:
                if isinstance(error, DatabaseError) and heals(error):
                    raise
                if isinstance(error, DatabaseError) and duplicate(error):
                    return  # another process has taken it meanwhile; the next look finds its import
                # One file that nobody foresaw must not take the door away from all others, at every start anew.
                log.exception("folder.failed", file=shown(drop.mark.path))
                await self._refuse(
                    drop, Refused("went_wrong", "something went wrong here; operations find it in the log")
                )
                return
        if one is not None and one.state not in ("waiting", "running"):
            await self._finish(drop, one)

    async def _known(self, drop: Drop) -> Import | None:
        held = self._imports.get(drop.mark.text)
        if held is not None:
            return await store.one(self.db, held)
        one = await store.dropped(self.db, drop.mark.text)
        if one is not None and one.state == "arriving":  # whoever took it was killed in it
            await store.discard(self.db, one.id)
            return None
        return one

    async def _take(self, drop: Drop) -> Import | None:
        """The import of a file; None where it has to wait. Raises Refused, Changed, OSError."""
        known = await self._sender(drop.place)
        if drop.mark.size > self.rules.most:
            said = f"the file has {drop.mark.size:,} bytes; expected at most {self.rules.most:,} (cut it in pieces)"
            raise Refused("too_large", said)
        if await store.waiting_of(self.db, known.source.name) >= self.rules.waiting:
            return None
        sent = Sent(
            kind=drop.place.kind,
            source=drop.place.source,
            filename=shown(drop.name),
            made_by=MADE_BY,
            owner=known.source.name,
            wishes=Wishes(),
            dropped=drop.mark.text,
        )
        with await asyncio.to_thread(drops.opened, self.top, drop) as file:
            one, new = await arrive.taken(self.db, sent, _pieces(file, drop), _now())
        marks.reach(marks.FOLDER_AFTER_TAKEN)
        self._imports[drop.mark.text] = one.id
        known.spoke(_now())
        self.importer.wake()
        log.info("folder.taken", file=shown(drop.mark.path), id=one.id, new=new)
        return one

    async def _sender(self, place: Place) -> Known:
        """The registered source that may say this: the one whose grant names it most closely. Raises Refused."""
        found = self._senders(place)
        if not found:
            await self.registry.read()  # it may have been registered a moment ago
            found = self._senders(place)
        if not found:
            said = (
                f"no registered source may send {place.kind} as {place.source}; expected one whose sources and topics "
                "allow it (an administrator registers it; then lay the file there again)"
            )
            raise Refused("source_not_granted", said)
        return max(found, key=lambda one: (one[0], one[1].source.name))[1]

    def _senders(self, place: Place) -> list[tuple[int, Known]]:
        types = KINDS[place.kind].types
        return [
            (max(len(one) for one in allowed), known)
            for known in self.registry.known.values()
            if known.source.active
            and known.scope.types is not None
            and types <= known.scope.types
            and (allowed := [one for one in known.scope.sources or () if lies_under(place.source, one)])
        ]

    async def _finish(self, drop: Drop, one: Import) -> None:
        """Put a file away whose import has ended."""
        into = DONE if one.state != "failed" and not one.counts.refused else REFUSED
        report = _report(drop, into, one)
        with tempfile.TemporaryFile() as rows:
            papers: dict[str, Paper] = {REPORT: partial(_json, report)}
            if one.counts.refused and not one.forgotten:
                async for piece in refused_csv(self.db, one):
                    await asyncio.to_thread(rows.write, piece)
                papers = {ROWS: partial(_copy, rows), **papers}
            name = await asyncio.to_thread(drops.put_away, self.top, drop, into, one.id, papers)
        if one.dropped is not None:
            await store.put_away(self.db, one.id)
        self._put_away(drop, into, name, "done" if into == DONE else one.state)

    async def _refuse(self, drop: Drop, why: Refused) -> None:
        """Put a file away of which nothing was taken."""
        seconds, rest = divmod(drop.mark.changed_ns, 10**9)
        mark = f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d-%H%M%S}-{rest:09d}"
        report = _about(drop) | {"outcome": REFUSED, "reason": why.reason, "message": why.message}
        papers: dict[str, Paper] = {REPORT: partial(_json, report | {"rows_taken": 0})}
        name = await asyncio.to_thread(drops.put_away, self.top, drop, REFUSED, mark, papers)
        self._put_away(drop, REFUSED, name, why.reason)

    def _put_away(self, drop: Drop, into: str, name: str, how: str) -> None:
        self._imports.pop(drop.mark.text, None)
        self.metrics.folder_files.labels(into).inc()
        log.info("folder.put_away", file=shown(drop.mark.path), into=into, name=name, how=how)


async def _pieces(file: IO[bytes], drop: Drop) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, drops.PIECE):
        yield piece
    await asyncio.to_thread(drops.check, file, drop)  # before anything of it is kept


def _about(drop: Drop) -> dict[str, Any]:
    place = drop.place
    return {"file": shown(drop.name), "source": place.source, "kind": place.kind, "bytes": drop.mark.size}


def _report(drop: Drop, into: str, one: Import) -> dict[str, Any]:
    counts = one.counts
    said = f"{counts.accepted:,} of {counts.rows:,} rows were taken"
    if counts.refused:
        said += (
            f"; {counts.refused:,} refused: correct these in the file beside this one that ends in {ROWS}, and lay it "
            "where the first one lay"
        )
    if one.failure is not None:
        said += f"; the file could not be read to its end: {one.failure}"
    told = {"import": one.id, "state": one.state, "sha256": one.digest, "rows": msgspec.to_builtins(counts)}
    return _about(drop) | {"outcome": into, "message": said, **told}


def _json(report: dict[str, Any], file: IO[bytes]) -> None:
    file.write(json.dumps(report, ensure_ascii=False, indent=1).encode() + b"\n")


def _copy(rows: IO[bytes], file: IO[bytes]) -> None:
    rows.seek(0, os.SEEK_SET)
    shutil.copyfileobj(rows, file)


def _now() -> datetime:
    return datetime.now(UTC)

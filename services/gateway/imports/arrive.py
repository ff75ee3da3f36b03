"""A file arrives: it is looked at as a whole before anything of it is taken, then kept until it is carried out."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import IO, Any, Final

import msgspec

from services.chassis.logtime import to_millisecond
from services.chassis.mongo import Database
from services.gateway.imports import files, store
from services.gateway.imports.batch import Reader
from services.gateway.imports.files import Format, Wishes
from services.gateway.imports.groups import grouped
from services.gateway.imports.store import Import, RefusedRow, Remembered
from services.gateway.model.kinds import KINDS
from services.gateway.model.scope import Scope

SHOWN: Final = 10
LOOKED_AT: Final = 1_000  # rows of a preview


@dataclass(frozen=True)
class Sent:
    """What a caller says of his file. `owner` is the registered source that he is, if he is one; `dropped` the file in
    the watched folder, where it was laid there; `history` the day of cut-over (ISO 8601), where the file is of the
    past; `system` whose own ids its customers are called by, if they are not the company's accounts.
    """

    kind: str
    source: str
    filename: str | None
    made_by: str
    owner: str | None
    wishes: Wishes
    dropped: str | None = None
    history: str | None = None
    system: str | None = None


@dataclass(frozen=True)
class Preview:
    """What an import would do, by its first rows: the first events as CloudEvents, the first rows refused."""

    format: Format
    rows: int
    events: list[dict[str, Any]]
    refused: list[RefusedRow]


async def spooled(file: IO[bytes], pieces: AsyncIterator[bytes]) -> tuple[int, str]:
    """Write a request's body to a file beside; returns its length and digest (SHA-256, hex)."""
    digest, size = hashlib.sha256(), 0
    async for piece in pieces:
        digest.update(piece)
        size += len(piece)
        await asyncio.to_thread(file.write, piece)
    return size, digest.hexdigest()


async def taken(db: Database, sent: Sent, pieces: AsyncIterator[bytes], now: datetime) -> tuple[Import, bool]:
    """Take a file in; returns the import, and whether it is new: the same file of the same source, sent again, is the
    import that it was.

    Raises Refused where the file cannot be read (see `files.survey`); nothing is kept then.
    """
    with tempfile.TemporaryFile() as file:
        size, digest = await spooled(file, pieces)
        wishes = await _remembering(db, sent)
        known = await asyncio.to_thread(files.survey, file, KINDS[sent.kind], wishes)
        made = _import(sent, known, size, digest, now)
        before = await store.same(db, made)
        if before is not None and before.format == known:
            return before, False
        await store.insert(db, made)
        file.seek(0)
        number = 0
        while piece := await asyncio.to_thread(file.read, store.CHUNK):
            await store.add_chunk(db, made.id, number, piece)
            number += 1
    waiting = msgspec.structs.replace(made, state="waiting")
    await store.advance(db, made, waiting)
    mapping = {**wishes.remembered, **wishes.mapping}
    taught = Remembered(mapping=mapping, mark=known.mark, currency=sent.wishes.currency)
    await store.remember(db, sent.kind, sent.source, taught)
    return waiting, True


async def previewed(db: Database, sent: Sent, scope: Scope, pieces: AsyncIterator[bytes], now: datetime) -> Preview:
    """What the import would do. Nothing is kept or sent. Raises Refused as `taken` does."""
    with tempfile.TemporaryFile() as file:
        size, digest = await spooled(file, pieces)
        wishes = await _remembering(db, sent)
        return await asyncio.to_thread(_preview, file, sent, wishes, scope, (size, digest, now))


def _preview(file: IO[bytes], sent: Sent, wishes: Wishes, scope: Scope, told: tuple[int, str, datetime]) -> Preview:
    size, digest, now = told
    known = files.survey(file, KINDS[sent.kind], wishes)
    reader = Reader(msgspec.structs.replace(_import(sent, known, size, digest, now), id="preview"), scope)
    made, refused, rows = [], [], 0
    for group in grouped(islice(files.rows(file, known), LOOKED_AT), known, reader.kind):
        rows += len(group.lines)
        events, bad = reader.read(group, now)
        made += [_shown(msgspec.structs.asdict(one.given), one.record.value) for one in events or ()]
        refused += bad
    return Preview(known, rows, made[:SHOWN], refused[:SHOWN])


def _shown(given: Mapping[str, Any], data: bytes) -> dict[str, Any]:
    attributes = {name: value for name, value in given.items() if value is not None}
    return {"specversion": "1.0", **attributes, "data": msgspec.json.decode(data)}


async def _remembering(db: Database, sent: Sent) -> Wishes:
    known = await store.remembered(db, sent.kind, sent.source)
    wishes = sent.wishes._replace(remembered=known.mapping, last_mark=known.mark)
    return wishes if sent.dropped is None else wishes._replace(currency=known.currency)


def _import(sent: Sent, known: Format, size: int, digest: str, now: datetime) -> Import:
    return Import(
        id=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
        kind=sent.kind,
        source=sent.source,
        filename=sent.filename,
        digest=digest,
        size=size,
        made_at=to_millisecond(now),
        made_by=sent.made_by,
        owner=sent.owner,
        system=sent.system,
        format=known,
        dropped=sent.dropped,
        history=sent.history,
    )

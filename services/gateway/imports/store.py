"""Documents of imports: the import itself, the bytes of its file until it is done, rows that were refused, and what is
remembered of a source's files.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from services.chassis.mongo import Collection, Database, Doc, Index, find, from_doc, to_doc
from services.gateway.imports.files import Format
from services.gateway.model.cells import Mark

IMPORTS: Final = Collection(
    "imports",
    (
        Index((("state", 1), ("_id", 1))),
        Index((("digest", 1),)),
        Index((("held", 1),), partial={"held": True}),
        # Unique, so that of two processes that both take a file for theirs one has nothing to say.
        Index((("dropped", 1),), unique=True, partial={"dropped": {"$type": "string"}}),
    ),
)
CHUNKS: Final = Collection("import_chunks", (Index((("i", 1), ("n", 1)), unique=True),))
REFUSED: Final = Collection("import_refused", (Index((("i", 1), ("line", 1)), unique=True), Index((("cells", 1),))))
SUBJECTS: Final = Collection("import_subjects", (Index((("i", 1), ("line", 1)), unique=True),))
MAPPINGS: Final = Collection("import_mappings")
COLLECTIONS: Final = (IMPORTS, CHUNKS, REFUSED, SUBJECTS, MAPPINGS)
CHUNK: Final = 1_000_000  # bytes
STALE: Final = timedelta(hours=1)  # an upload that has not ended by then never will
State = Literal["arriving", "waiting", "running", "done", "failed", "undoing", "undone"]
LEFT: Final = ("waiting", "running", "undoing")  # something is left to do


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Rows by what became of them, and the events of those accepted. `passed_over` are sums at the end of pages."""

    rows: int = 0
    accepted: int = 0
    refused: int = 0
    passed_over: int = 0
    events: int = 0


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was sent in. `line` is the last one that is settled; `percent` how much of the file that is;
    `held`: its bytes are still here; `owner` the registered source that sent it; `system` whose own ids its customers
    are called by; `undone_line` the last one whose subjects have been told that it is undone; `forgotten`: nothing of
    its rows is kept any more; `dropped` the file in the watched folder, as long as it lies there; `history`: it is of
    the past, up to this day of cut-over.
    """

    id: str
    kind: str
    source: str
    filename: str | None = None
    digest: str
    size: int
    made_at: datetime
    made_by: str
    owner: str | None = None
    system: str | None = None
    format: Format
    state: State = "arriving"
    line: int = 0
    percent: int = 0
    counts: Counts = Counts()
    held: bool = True
    finished_at: datetime | None = None
    failure: str | None = None
    forgotten: bool = False
    undone_line: int = 0
    undo_at: datetime | None = None
    undo_reason: str | None = None
    dropped: str | None = None
    history: str | None = None


class RefusedRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row that was refused, as it came, and why. `column` is the heading it is about."""

    line: int
    column: str | None = None
    reason: str
    message: str
    cells: tuple[str, ...]


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """What the files of a source and kind have taught: headings that somebody assigned, the last one's decimals' mark,
    and the currency that somebody stated last, for files in the watched folder, which nobody accompanies.
    """

    mapping: dict[str, str] = {}
    mark: Mark | None = None
    currency: str | None = None


async def insert(db: Database, made: Import) -> None:
    """Store a new import, before its bytes."""
    await db[IMPORTS.name].insert_one({"_id": made.id, **to_doc(made)})


async def one(db: Database, import_id: str) -> Import | None:
    """An import."""
    docs = await find(db, IMPORTS.name, {"_id": import_id, "state": {"$ne": "arriving"}}, limit=1)
    return from_doc(docs[0], Import) if docs else None


async def same(db: Database, made: Import) -> Import | None:
    """An import of the same bytes as the same thing that has not failed."""
    names = ("digest", "kind", "source", "owner", "system")
    where: Doc = {name: getattr(made, name) for name in names}
    docs = await find(db, IMPORTS.name, where | {"state": {"$in": ["waiting", "running", "done"]}}, limit=1)
    return from_doc(docs[0], Import) if docs else None


async def dropped(db: Database, mark: str) -> Import | None:
    """The import of a file that lies in the watched folder, also one that is still arriving."""
    docs = await find(db, IMPORTS.name, {"dropped": mark}, limit=1)
    return from_doc(docs[0], Import) if docs else None


async def all_dropped(db: Database) -> list[Import]:
    """Imports whose files lie in the watched folder, or were put away by somebody who could not say so any more."""
    docs = await find(db, IMPORTS.name, {"dropped": {"$type": "string"}}, limit=1_000)
    return [from_doc(doc, Import) for doc in docs]


async def put_away(db: Database, import_id: str) -> None:
    """Its file no longer lies in the watched folder."""
    await db[IMPORTS.name].update_one({"_id": import_id}, {"$set": {"dropped": None}})


async def discard(db: Database, import_id: str) -> None:
    """Remove an upload that never came to its end."""
    await db[CHUNKS.name].delete_many({"i": import_id})
    await db[IMPORTS.name].delete_one({"_id": import_id, "state": "arriving"})


async def listed(db: Database, where: Mapping[str, Any], before: str | None, limit: int) -> list[Import]:
    """Imports, the newest first."""
    also: Doc = {"_id": {"$lt": before}} if before is not None else {}
    docs = await find(
        db, IMPORTS.name, {**where, **also, "state": {"$ne": "arriving"}}, sort=[("_id", -1)], limit=limit
    )
    return [from_doc(doc, Import) for doc in docs]


async def unfinished(db: Database) -> list[Import]:
    """Imports with something left to do, the oldest first."""
    docs = await find(db, IMPORTS.name, {"state": {"$in": list(LEFT)}}, sort=[("_id", 1)], limit=100)
    return [from_doc(doc, Import) for doc in docs]


async def waiting_of(db: Database, owner: str | None) -> int:
    """How many imports of a source wait or run."""
    return await db[IMPORTS.name].count_documents({"owner": owner, "state": {"$in": ["waiting", "running"]}})


async def advance(db: Database, before: Import, after: Import) -> bool:
    """Store progress; False where another process has gone on from there."""
    where = {"_id": before.id, "line": before.line, "undone_line": before.undone_line, "state": before.state}
    done = await db[IMPORTS.name].replace_one(where, {"_id": after.id, **to_doc(after)})
    return done.matched_count == 1


async def add_chunk(db: Database, import_id: str, number: int, content: bytes) -> None:
    """A piece of the file."""
    await db[CHUNKS.name].insert_one({"i": import_id, "n": number, "b": content})


async def chunks(db: Database, import_id: str) -> AsyncIterator[bytes]:
    """The file, in pieces."""
    async for doc in db[CHUNKS.name].find({"i": import_id}).sort("n", 1).batch_size(4):
        yield bytes(doc["b"])


async def keep_refused(db: Database, import_id: str, after: int, rows: Sequence[RefusedRow]) -> None:
    """Store refused rows; what a predecessor has stored behind line `after` was the same, and is replaced."""
    await db[REFUSED.name].delete_many({"i": import_id, "line": {"$gt": after}})
    await db[REFUSED.name].insert_many([{"i": import_id, **to_doc(row)} for row in rows])


async def keep_subjects(db: Database, import_id: str, line: int, subjects: Sequence[str]) -> None:
    """Whom the rows up to a line are about, so that the import can be undone. Stored again it is the same."""
    doc = {"i": import_id, "line": line, "subjects": list(subjects)}
    await db[SUBJECTS.name].replace_one({"i": import_id, "line": line}, doc, upsert=True)


async def subjects(db: Database, import_id: str, after: int) -> AsyncIterator[tuple[int, list[str]]]:
    """Whom an import is about, by the lines up to which that was stored, behind a line."""
    where = {"i": import_id, "line": {"$gt": after}}
    async for doc in db[SUBJECTS.name].find(where).sort("line", 1).batch_size(10):
        yield doc["line"], doc["subjects"]


async def refused(db: Database, import_id: str, after: int, limit: int) -> list[RefusedRow]:
    """Refused rows behind a line, in order."""
    where = {"i": import_id, "line": {"$gt": after}}
    docs = await find(db, REFUSED.name, where, sort=[("line", 1)], limit=limit)
    return [from_doc(doc, RefusedRow) for doc in docs]


async def refused_about(db: Database, subject: str) -> list[Doc]:
    """Refused rows in which a customer's id stands, for who asks what is held of him."""
    return await find(db, REFUSED.name, {"cells": subject}, fields={"_id": 0})


async def remembered(db: Database, kind: str, source: str) -> Remembered:
    """What is known of a source's files of a kind."""
    docs = await find(db, MAPPINGS.name, {"_id": f"{kind} {source}"}, limit=1)
    return from_doc(docs[0], Remembered) if docs else Remembered()


async def remember(db: Database, kind: str, source: str, now: Remembered) -> None:
    """Keep it for the source's next file; what is not said now stays as it was."""
    said = {name: value for name, value in to_doc(now).items() if value is not None}
    await db[MAPPINGS.name].update_one({"_id": f"{kind} {source}"}, {"$set": said}, upsert=True)


async def let_go(db: Database) -> None:
    """Remove the bytes of imports that are done or have failed."""
    docs = await find(db, IMPORTS.name, {"state": {"$in": ["done", "failed"]}, "held": True}, fields={"_id": 1})
    for doc in docs:
        await db[CHUNKS.name].delete_many({"i": doc["_id"]})
        await db[IMPORTS.name].update_one({"_id": doc["_id"]}, {"$set": {"held": False}})


async def forget(db: Database, now: datetime, days: int) -> None:
    """Remove what is kept of rows of imports that ended so long ago, and uploads that never came to their end."""
    old = {"finished_at": {"$lt": now - timedelta(days=days)}, "forgotten": False, "state": {"$ne": "undoing"}}
    for doc in await find(db, IMPORTS.name, old, fields={"_id": 1}):
        await db[REFUSED.name].delete_many({"i": doc["_id"]})
        await db[SUBJECTS.name].delete_many({"i": doc["_id"]})
        await db[IMPORTS.name].update_one({"_id": doc["_id"]}, {"$set": {"forgotten": True}})
    lost = {"state": "arriving", "made_at": {"$lt": now - STALE}}
    for doc in await find(db, IMPORTS.name, lost, fields={"_id": 1}):
        await discard(db, doc["_id"])

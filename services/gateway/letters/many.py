"""Documents of what is done to many cases at once, and which cases it means."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from services.chassis.mongo import Collection, Database, Doc, Index, find, from_doc, to_doc
from services.gateway.letters.store import CASES, Filter
from services.gateway.model.letter import LEFT

BULKS: Final = Collection("letter_bulks", (Index((("state", 1), ("at", 1))), Index((("at", 1),))))


class Bulk(msgspec.Struct, frozen=True, kw_only=True):
    """Something done to many cases: to those that are there at `at` and fit. `counts` when it is at its end."""

    id: str
    action: Literal["resend", "close"]
    content: str
    filter: Filter
    at: datetime
    by: str
    note: str | None = None
    state: Literal["waiting", "done", "undoing", "undone"] = "waiting"
    done: int = 0
    kept: int = 0


def fits_resend(job: Bulk) -> Doc:
    """Cases of a bulk that are to be sent again and are not on their way: nothing that came after it was asked for."""
    return {
        **job.filter.where(),
        "$and": [{"state": {"$in": list(LEFT)}}, {"last": {"$lte": job.at}}, {"bulk": {"$ne": job.id}}],
        "outgoing": None,
        "why_not": None,
        "cut": False,
        "bare": False,
    }


def fits_close(job: Bulk) -> Doc:
    """Cases of a bulk that are to be closed."""
    open_ = {"state": {"$in": [*LEFT, "sent"]}}
    return {**job.filter.where(), "$and": [open_, {"last": {"$lte": job.at}}, {"bulk": {"$ne": job.id}}]}


async def claim(db: Database, job: Bulk, most: int, at: datetime) -> int:
    """Take the next cases of a bulk, so that they go out whatever dies; returns how many."""
    docs = await find(db, CASES.name, fits_resend(job), sort=[("_id", 1)], limit=most, fields={"_id": 1})
    if not docs:
        return 0
    attempt = {"$add": [{"$max": ["$attempts", "$refused"]}, 1]}
    by = {"$literal": job.by}  # whatever a person's name is
    outgoing = {"attempt": attempt, "by": by, "at": at, "corrected": {"$literal": False}, "bulk": {"$literal": job.id}}
    entry = {"at": at, "who": by, "what": "resent", "attempt": attempt}
    changed = {
        "outgoing": outgoing,
        "bulk": {"$literal": job.id},
        "touched": at,
        "v": {"$add": ["$v", 1]},
        "history": {"$concatArrays": ["$history", [entry]]},
    }
    where = {"_id": {"$in": [doc["_id"] for doc in docs]}, **fits_resend(job)}
    done = await db[CASES.name].update_many(where, [{"$set": changed}])
    return int(done.modified_count)


async def bulk(db: Database, wanted: str) -> Bulk | None:
    """One."""
    docs = await find(db, BULKS.name, {"_id": wanted}, limit=1)
    return from_doc(docs[0], Bulk) if docs else None


async def begin(db: Database, new: Bulk) -> Bulk:
    """Store a new one; returns the one that is there under this id."""
    await db[BULKS.name].update_one({"_id": new.id}, {"$setOnInsert": to_doc(new)}, upsert=True)
    return await bulk(db, new.id) or new


async def unfinished(db: Database) -> list[Bulk]:
    """Those with something left to do, the oldest first."""
    docs = await find(db, BULKS.name, {"state": {"$in": ["waiting", "undoing"]}}, sort=[("at", 1)], limit=100)
    return [from_doc(doc, Bulk) for doc in docs]


async def move(db: Database, before: Bulk, **changes: Any) -> Bulk | None:
    """Store how far it is; None where somebody else has moved it on."""
    after = msgspec.structs.replace(before, **changes)
    done = await db[BULKS.name].update_one({"_id": before.id, "state": before.state}, {"$set": to_doc(after)})
    return after if done.matched_count == 1 else None


async def forget(db: Database, before: datetime) -> None:
    """Remove those that ended long ago."""
    await db[BULKS.name].delete_many({"at": {"$lt": before}, "state": {"$in": ["done", "undone"]}})

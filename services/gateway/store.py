"""Documents of the gateway: its sources, and when each was heard; others in `imports/store.py`, `letters/store.py`."""

from __future__ import annotations

from datetime import datetime

import msgspec

from services.chassis.errors import duplicate
from services.chassis.mongo import Collection, Database, DatabaseError, find, from_doc, to_doc
from services.gateway.imports import store as imports
from services.gateway.letters import many
from services.gateway.letters import store as letters
from services.gateway.model.silence import Heard

SOURCES = Collection("sources")
HEARD = Collection("heard")
COLLECTIONS = (SOURCES, HEARD, *imports.COLLECTIONS, *letters.COLLECTIONS, many.BULKS)
ALL = 1_000  # sources that a company has at most


class Token(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A secret's digest (SHA-256 in hex); the secret itself is known to the source alone."""

    id: str
    digest: str
    made_at: datetime
    made_by: str
    revoked_at: datetime | None = None


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A system that sends. `sources` are the values of `source` it may use, each with what lies under it; `takes` the
    topics and types; `subject` the `sub` of its tokens from the company's issuer, where it uses such; `gap_seconds` the
    silence that is usual, where somebody has stated it; `system` whose own ids the customers of its files are known by.
    """

    name: str
    v: int = 1
    title: str | None = None
    sources: tuple[str, ...]
    takes: tuple[str, ...]
    per_minute: int | None = None
    gap_seconds: int | None = None
    subject: str | None = None
    system: str | None = None
    active: bool = True
    made_at: datetime
    tokens: tuple[Token, ...] = ()


async def sources(db: Database) -> list[Source]:
    """All of them, by name."""
    docs = await find(db, SOURCES.name, {}, sort=[("_id", 1)], limit=ALL)
    return [from_doc(doc, Source) for doc in docs]


async def source(db: Database, name: str) -> Source | None:
    """One of them."""
    docs = await find(db, SOURCES.name, {"_id": name}, limit=1)
    return from_doc(docs[0], Source) if docs else None


async def insert(db: Database, made: Source) -> bool:
    """Store a new one; False where there is one of that name."""
    done = await db[SOURCES.name].update_one({"_id": made.name}, {"$setOnInsert": to_doc(made)}, upsert=True)
    return done.upserted_id is not None


async def replace(db: Database, before: Source, after: Source) -> bool:
    """Store a change; False where somebody else has changed it since `before` was read."""
    doc = to_doc(msgspec.structs.replace(after, v=before.v + 1))
    done = await db[SOURCES.name].replace_one({"_id": before.name, "v": before.v}, {"_id": before.name, **doc})
    return done.modified_count == 1


async def heard(db: Database) -> dict[str, Heard]:
    """When each source was heard, by name."""
    docs = await find(db, HEARD.name, {}, limit=ALL)
    return {doc["_id"]: from_doc(doc["state"], Heard) for doc in docs}


async def keep_heard(db: Database, name: str, before: Heard | None, after: Heard) -> bool:
    """Store when a source was heard; False where another process was quicker: read again, and add to that."""
    where = {"_id": name, "state.last": before.last} if before is not None else {"_id": name, "state": None}
    try:
        done = await db[HEARD.name].update_one(where, {"$set": {"state": to_doc(after)}}, upsert=before is None)
    except DatabaseError as error:
        if duplicate(error):
            return False
        raise
    return done.modified_count == 1 or done.upserted_id is not None

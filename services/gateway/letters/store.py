"""Documents of the clinic: a case a dead letter with its record, and how far the letters are read."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from services.chassis.aggregate import Head
from services.chassis.erase import bare
from services.chassis.mongo import Collection, Database, Doc, Index, find, from_doc, to_doc, update_many
from services.gateway.model.letter import Case, State

CASES: Final = Collection(
    "letters",
    (
        Index((("at", -1), ("_id", -1))),
        Index((("state", 1), ("service", 1), ("reason", 1), ("at", -1))),
        Index((("source", 1), ("event_id", 1))),
        Index((("subject", 1),)),
        Index((("bulk", 1), ("_id", 1))),
        Index((("touched", 1),)),
        Index((("outgoing.at", 1),), partial={"outgoing.at": {"$exists": True}}),
    ),
)
OFFSETS: Final = Collection("letter_offsets")
COLLECTIONS: Final = (CASES, OFFSETS)
# What goes when the customer is erased: ids and the reason stay, and what was done when by whom.
BARED: Final = ("record", "correction", "message", "outgoing", "history.$[].note", "closed.note")
_APART: Final = {"record": 0, "correction": 0}
_TRIES: Final = 20


class Party(msgspec.Struct, frozen=True):
    """Nothing is kept of a customer here; what is stored under this is that he is erased."""


PARTIES: Final = Head("parties", Party)


class Filter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which cases: those that have all of this."""

    service: str | None = None
    state: State | None = None
    reason: str | None = None
    type: str | None = None
    source: str | None = None
    subject: str | None = None
    assignee: str | None = None

    def where(self) -> Doc:
        """As a query."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}


class Record(NamedTuple):
    """A letter's record as it was, and what somebody has made of it: its data, its attributes."""

    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()
    data: bytes | None = None
    given: Mapping[str, str] = {}


def case_id(service: str, letter: str) -> str:
    """The id of the case of a service's letter: the same whoever reads it, and one that an address can hold."""
    return hashlib.sha256(f"{service}\n{letter}".encode()).hexdigest()[:32]


def usable(wanted: str) -> bool:
    """Whether this can be the id of a case."""
    return len(wanted) == 32 and all(one in "0123456789abcdef" for one in wanted)


async def case(db: Database, wanted: str) -> Case | None:
    """One."""
    docs = await find(db, CASES.name, {"_id": wanted}, limit=1, fields=_APART)
    return from_doc(docs[0], Case) if docs else None


async def cases(db: Database, wanted: Iterable[str]) -> dict[str, Case]:
    """Several, by id."""
    docs = await find(db, CASES.name, {"_id": {"$in": list(wanted)}}, fields=_APART)
    return {doc["_id"]: from_doc(doc, Case) for doc in docs}


async def listed(db: Database, where: Doc, after: tuple[datetime, str] | None, limit: int) -> list[Case]:
    """Those that fit, the newest first."""
    if after is not None:
        at, last = after
        where = {"$and": [where, {"$or": [{"at": {"$lt": at}}, {"at": at, "_id": {"$lt": last}}]}]}
    docs = await find(db, CASES.name, where, sort=[("at", -1), ("_id", -1)], limit=limit, fields=_APART)
    return [from_doc(doc, Case) for doc in docs]


async def counted(db: Database, where: Doc) -> list[tuple[str, str, State, int, datetime]]:
    """How many there are by service, reason and state, and since when the oldest."""
    by = {name: f"${name}" for name in ("service", "reason", "state")}
    group = {"$group": {"_id": by, "n": {"$sum": 1}, "oldest": {"$min": "$at"}}}
    found = []
    async for doc in db[CASES.name].aggregate([{"$match": where}, group]):
        key = doc["_id"]
        found.append((key["service"], key["reason"], key["state"], doc["n"], doc["oldest"]))
    return sorted(found)


async def count(db: Database, where: Doc) -> int:
    """How many there are."""
    return await db[CASES.name].count_documents(where)


async def record(db: Database, wanted: str) -> Record:
    """The record of a case; an empty one where it is gone."""
    docs = await find(db, CASES.name, {"_id": wanted}, limit=1, fields={"record": 1, "correction": 1})
    return record_of(docs[0]) if docs else Record()


def record_of(doc: Doc) -> Record:
    """The record in a case's document."""
    held, corrected = doc.get("record") or {}, doc.get("correction") or {}
    return Record(
        _bytes(held.get("key")),
        _bytes(held.get("value")),
        [(name, bytes(value)) for name, value in held.get("headers", ())],
        _bytes(corrected.get("data")),
        corrected.get("given", {}),
    )


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)


async def add(db: Database, new: Iterable[tuple[Case, Record]]) -> int:
    """Store those that are not there; returns how many that were."""
    writes = [({"_id": case.id}, {"$setOnInsert": to_doc(case) | {"record": _record_doc(held)}}) for case, held in new]
    return await update_many(db, CASES.name, writes, upsert=True)


async def put(db: Database, before: Case, after: Case, held: Record | None = None) -> bool:
    """Store a change; False where somebody else has changed it since `before` was read."""
    doc = to_doc(msgspec.structs.replace(after, v=before.v + 1))
    if held is not None and not before.bare:
        doc["record"] = _record_doc(held)
        if held.data is not None:
            doc["correction"] = {"data": held.data, "given": dict(held.given)}
    done = await db[CASES.name].update_one({"_id": before.id, "v": before.v}, {"$set": doc})
    return done.matched_count == 1


async def put_all(db: Database, changed: Sequence[tuple[Case, Case]]) -> None:
    """Store several changes at once; those that somebody else has changed in between stay as he has left them."""
    await update_many(
        db,
        CASES.name,
        [
            ({"_id": before.id, "v": before.v}, {"$set": to_doc(msgspec.structs.replace(after, v=before.v + 1))})
            for before, after in changed
        ],
    )


def _record_doc(held: Record) -> Doc:
    return {"key": held.key, "value": held.value, "headers": [list(pair) for pair in held.headers]}


async def change(
    db: Database, wanted: str, changed: Callable[[Case], Case | None], held: Record | None = None
) -> Case | None:
    """Change a case, whoever else does at the same time; `changed` gives None where there is nothing to change.

    Raises RuntimeError where others are quicker time and again.
    """
    for _ in range(_TRIES):
        before = await case(db, wanted)
        after = changed(before) if before is not None else None
        if before is None or after is None or after is before:
            return before
        if await put(db, before, after, held):
            return msgspec.structs.replace(after, v=before.v + 1)
    raise RuntimeError(f"the case {wanted} is changed by others all the time")


async def strip(db: Database, subjects: Iterable[str]) -> None:
    """Take out what is personal from cases of those among `subjects` who have been erased."""
    wanted = [one for one in set(subjects) if one]
    gone = await find(db, PARTIES.name, {"_id": {"$in": wanted}, "erased": True}, fields={"_id": 1}) if wanted else []
    if gone:
        about = {"subject": {"$in": [doc["_id"] for doc in gone]}, "record": {"$exists": True}}
        await db[CASES.name].update_many(about, bare(BARED))


async def forget(db: Database, before: datetime) -> dict[State, int]:
    """Remove cases that nobody has touched since; returns how many, by state."""
    old = {"touched": {"$lt": before}}
    gone: dict[State, int] = {}
    for _, _, state, number, _ in await counted(db, old):
        gone[state] = gone.get(state, 0) + number
    if gone:
        await db[CASES.name].delete_many(old)
    return gone


async def about(db: Database, subject: str) -> list[Doc]:
    """All that is held about a customer, as text where it can be."""
    docs = await find(db, CASES.name, {"subject": subject}, sort=[("at", 1)])
    for doc in docs:
        held = record_of(doc)
        doc.pop("correction", None)
        doc["record"] = {
            "value": _text(held.value),
            "headers": {name: _text(value) for name, value in held.headers},
            "corrected": _text(held.data),
        }
    return docs


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")


async def offsets(db: Database) -> dict[tuple[str, int], int]:
    """How far each partition is read: the next offset."""
    return {(doc["topic"], doc["partition"]): doc["next"] for doc in await find(db, OFFSETS.name, {})}


async def keep_offset(db: Database, topic: str, partition: int, following: int) -> None:
    """All before `following` is stored."""
    where = {"_id": f"{topic}/{partition}"}
    place = {"topic": topic, "partition": partition}
    await db[OFFSETS.name].update_one(where, {"$set": place, "$max": {"next": following}}, upsert=True)


async def on_their_way(db: Database, where: Doc, most: int) -> AsyncIterator[tuple[Case, Record]]:
    """Cases that are to go out, with their records; a few in memory at a time."""
    async for doc in db[CASES.name].find(where).sort("_id", 1).limit(most).batch_size(20):
        yield from_doc(doc, Case), record_of(doc)

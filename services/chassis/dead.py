"""Dead letters of a service: list, show, replay, and those that a tie of accounts makes.

A replay feeds the letter to the service again as a late event. It was never in the inbox, so a letter that is taken
now is taken once.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from contracts.envelope import decode, encode
from contracts.refusal import Refused
from contracts.registry import topic_of

from .apply import Applier
from .mongo import Database, Doc
from .outbox import Mended, mended_row
from .service import Service
from .work import MESSAGE, Dead, Origin, event_work

TIE_CONFLICT: Final = "tie_conflict"
BYTES = ("key", "value")


async def letters(
    db: Database, *, status: str = "open", reason: str = "", after: str = "", limit: int = 50
) -> list[Doc]:
    """Dead letters, by id. `after` is the last id of the page before."""
    where: Doc = {"_id": {"$gt": after}}
    if status != "all":
        where["status"] = status
    if reason:
        where["reason"] = reason
    return (
        await db["dead"]
        .find(where, projection={"value": 0, "headers": 0, "key": 0})
        .sort([("_id", 1)])
        .limit(limit)
        .to_list(limit)
    )


async def letter(db: Database, letter_id: str) -> Doc | None:
    """One letter with the record as it was; bytes as text."""
    doc = await db["dead"].find_one({"_id": letter_id})
    if doc is not None:
        for name in BYTES:
            if doc.get(name) is not None:
                doc[name] = bytes(doc[name]).decode(errors="replace")
        doc["headers"] = {name: bytes(value).decode(errors="replace") for name, value in doc.get("headers", [])}
    return doc


class NotReplayed(Exception):  # noqa: N818 - an answer to the caller
    """The letter was refused again, or cannot be replayed; the text says why."""


async def replay(applier: Applier, service: Service, letter_id: str, corrected: bytes | None = None) -> None:
    """Feed a letter to the service again, with `corrected` as its content if given.

    Raises:
        NotReplayed: it was refused again (it stays open, with the new reason), or there is nothing to replay.
    """
    doc = await applier.db["dead"].find_one({"_id": letter_id})
    if doc is None:
        raise NotReplayed(f"There is no dead letter {letter_id!r}; `rapport dead list` shows them.")
    if doc["status"] != "open":
        raise NotReplayed(f"The letter was {doc['status']} before.")
    if doc.get("value") is None and corrected is None:
        why = "It came without content" if "value" in doc else "Its content was removed when the customer was erased"
        raise NotReplayed(f"{why}; there is nothing to replay.")
    if doc.get("cut") and corrected is None:
        raise NotReplayed(f"Only its first bytes were kept of {doc['cut']:,}; replay it with its content corrected.")
    value = corrected or bytes(doc["value"])
    headers = [(name, bytes(content)) for name, content in doc.get("headers", [])]
    now = datetime.now(UTC)
    try:
        event = decode(value, headers, doc.get("key"), received_at=now)
        handler = service.handlers.get(event.type)
        if handler is None:
            raise Refused("not_taken", f"{service.name} does not take {event.type}; send it to the service that does.")
        origin = Origin(doc["topic"], doc["partition"], doc["offset"], doc.get("key"), value, tuple(headers))
        work = event_work(event, handler, now, origin, value)
        outcome = await applier.apply([work])
        refused: Any = outcome.refused[0] if outcome.refused else None
    except Refused as again:
        refused = again
    if refused is not None:
        again_doc = {"reason": refused.reason, "message": refused.message, "tried_at": now}
        await applier.db["dead"].update_one({"_id": letter_id}, {"$set": again_doc})
        raise NotReplayed(f"It was refused again ({refused.reason}): {refused.message}")
    said = mended_row(Mended(letter_id, event.subject, now), service.name, applier.shards)
    await applier.db["outbox"].replace_one({"_id": said["_id"]}, said, upsert=True)
    await applier.db["dead"].update_one({"_id": letter_id}, {"$set": {"status": "replayed", "replayed_at": now}})


def conflict(dead: Dead, because: str, now: datetime) -> Dead:
    """The letter about a fact that two of a customer's accounts have said in two ways: it was taken when it came, and
    counts for nothing while they are one.
    """
    event = dead.event
    if event is None:
        return dead
    record = encode(event)
    origin = Origin(topic_of(event.type), 0, 0, record.key, record.value, tuple(record.headers))
    by = hashlib.sha256(because.encode()).hexdigest()[:12]  # tied again, it is a letter again
    said = f"Another account of the same customer says it otherwise, and that holds. {dead.message}"
    return replace(dead, id=f"{dead.id}#tie-{by}", reason=TIE_CONFLICT, message=said[:MESSAGE], at=now, origin=origin)

"""Forgetting a subject: what the chassis itself keeps of him, and the register of what each service does.

Every service registers an eraser and an exporter; `unregistered` is what `make check` asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from contracts.registry import dead_letter_topic

from .aggregate import State
from .fold import ERASED
from .mongo import Below, Database, Doc, Session
from .outbox import subject_of
from .service import Service
from .work import Dead


def erase_rows(db: Below, service: Service, state: State, session: Session) -> None:
    """Remove what stands about a subject, in the transaction that folds his erasure (which writes his own head).

    Parts go whole; heads of other kinds under his name are closed as his own is. Ledger rows lose subject and content,
    except rows of the types that `service.books` names (law keeps books): these lose the subject alone. Dead letters
    keep ids and reason. What waits in the outbox with content about him (snapshots) goes unsent. His other accounts are
    closed with him.
    """
    for subject in (state.subject, *state.kin):
        _erase(db, service, state.head if subject == state.subject else "", subject, session)


def _erase(db: Below, service: Service, written: str, subject: str, session: Session) -> None:
    closed = {"_id": "$_id", "v": {"$add": [{"$ifNull": ["$v", 0]}, 1]}, "spoke": {"$ifNull": ["$spoke", 0]}}
    for head in service.heads():
        if head.name != written:
            db[head.name].update_one(
                {"_id": subject}, [{"$replaceWith": closed | {"erased": True}}], upsert=True, session=session
            )
    for part in service.all_parts():
        db[part.name].delete_many({"s": subject}, session=session)
    # A tie that has not taken effect yet still names its accounts: the other one is to be erased too (gather.py).
    done = {"s": subject, "m": {"$exists": True}, "w": {"$exists": False}}
    db["ledger"].update_many(done, {"$unset": {"m": "", "tie": ""}}, session=session)
    booked = {"s": subject, "t": {"$in": list(service.books)}}
    db["ledger"].update_many(booked, {"$set": {"s": ""}, "$unset": {"a": ""}}, session=session)
    db["ledger"].update_many({"s": subject}, {"$set": {"s": ""}, "$unset": {"d": "", "a": ""}}, session=session)
    db["dead"].update_many(
        {"subject": subject}, {"$unset": {"key": "", "value": "", "headers": "", "message": ""}}, session=session
    )
    for name, fields in service.bared.items():
        db[name].update_many({"subject": subject}, bare(fields), session=session)
    db["outbox"].update_many(
        {"key": subject.encode(), "topic": dead_letter_topic(service.name)}, {"$set": {"value": None}}, session=session
    )
    db["outbox"].delete_many({"key": subject.encode(), "topic": {"$in": list(service.snapshots)}}, session=session)


def bare(fields: Iterable[str]) -> Doc:
    """The update that takes these fields out of a document, and moves its version on so that nobody who has read it
    before writes them back.
    """
    return {"$unset": dict.fromkeys(fields, ""), "$set": {"bare": True}, "$inc": {"v": 1}}


async def erased_among(db: Database, service: Service, letters: Iterable[Dead]) -> set[str]:
    """The subjects of these letters who have been erased."""
    about = [subject for letter in letters if (subject := subject_of(letter))]
    found: set[str] = set()
    for head in service.heads() if about else ():
        cursor = db[head.name].find({"_id": {"$in": about}, "erased": True}, projection={"_id": 1})
        found |= {doc["_id"] async for doc in cursor}
    return found


def bared(letters: Iterable[Dead], erased: set[str]) -> list[Dead]:
    """The letters, those about erased subjects with ids and reason only: also what nobody can read may say a name."""
    return [
        replace(letter, bare=True, message=ERASED, field=None) if subject_of(letter) in erased else letter
        for letter in letters
    ]


def unregistered(services: Iterable[Service]) -> list[str]:
    """Names of services that do not say how they erase or export a customer."""
    return [service.name for service in services if service.eraser is None or service.exporter is None]

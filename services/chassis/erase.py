"""Forgetting a subject: what the chassis itself keeps of him, and the register of what each service does.

Every service registers an eraser and an exporter; `unregistered` is what `make check` asks.
"""

from __future__ import annotations

from collections.abc import Iterable

from motor.motor_asyncio import AsyncIOMotorClientSession

from .mongo import Database
from .service import Service


async def erase_rows(db: Database, service: Service, subject: str, session: AsyncIOMotorClientSession) -> None:
    """Remove what stands about `subject`, in the transaction that folds his erasure.

    Parts go whole. Ledger rows lose subject and content, except rows of the types that `service.books` names (law
    keeps books): these lose the subject alone. Dead letters keep ids and reason. What waits in the outbox with
    content about him (snapshots) goes unsent.
    """
    for part in service.all_parts():
        await db[part.name].delete_many({"s": subject}, session=session)
    await db["ledger"].update_many(
        {"s": subject, "t": {"$in": list(service.books)}}, {"$set": {"s": ""}}, session=session
    )
    await db["ledger"].update_many({"s": subject}, {"$set": {"s": ""}, "$unset": {"d": ""}}, session=session)
    await db["dead"].update_many(
        {"subject": subject}, {"$unset": {"key": "", "value": "", "headers": "", "message": ""}}, session=session
    )
    await db["outbox"].delete_many(
        {"key": subject.encode(), "topic": {"$in": list(service.snapshots)}}, session=session
    )


def unregistered(services: Iterable[Service]) -> list[str]:
    """Names of services that do not say how they erase or export a customer."""
    return [service.name for service in services if service.eraser is None or service.exporter is None]

"""All that the alerts service holds about a customer, for him to read."""

from __future__ import annotations

from services.alerts.store import ACCOUNTS, PARTS
from services.chassis.mongo import Database, Doc, find
from services.chassis.roots import accounts_of


async def export(db: Database, subject: str) -> dict[str, list[Doc]]:
    """Everything stored about `subject` and the accounts that are his, by kind of document."""
    accounts = {"$in": await accounts_of(db, ACCOUNTS, subject)}
    held = {ACCOUNTS.name: await find(db, ACCOUNTS.name, {"_id": accounts}, sort=[("_id", 1)])}
    for part in PARTS:
        held[part.name] = await find(db, part.name, {"s": accounts}, sort=[("_id", 1)])
    return held

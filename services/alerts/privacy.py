"""All that the alerts service holds about a customer, for him to read."""

from __future__ import annotations

from services.alerts.store import ACCOUNTS
from services.chassis.mongo import Database, Doc, find
from services.chassis.roots import accounts_of

KINDS = ("items", "settlements", "purchases", "rhythms", "alerts", "fallen", "notifications", "notes")


async def export(db: Database, subject: str) -> dict[str, list[Doc]]:
    """Everything stored about `subject` and the accounts that are his, by kind of document."""
    accounts = {"$in": await accounts_of(db, ACCOUNTS, subject)}
    held = {"accounts": await find(db, "accounts", {"_id": accounts}, sort=[("_id", 1)])}
    for name in KINDS:
        held[name] = await find(db, name, {"s": accounts}, sort=[("_id", 1)])
    return held

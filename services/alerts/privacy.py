"""All that the alerts service holds about a customer, for him to read."""

from __future__ import annotations

from services.chassis.mongo import Database, Doc, find

KINDS = ("items", "settlements", "purchases", "rhythms", "alerts", "notifications", "notes")


async def export(db: Database, subject: str) -> dict[str, list[Doc]]:
    """Everything stored about `subject`, by kind of document."""
    held = {"accounts": await find(db, "accounts", {"_id": subject})}
    for name in KINDS:
        held[name] = await find(db, name, {"s": subject}, sort=[("k", 1)])
    return held

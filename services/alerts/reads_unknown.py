"""Reads accounts that have facts and that nobody has registered or linked."""

from __future__ import annotations

from services.alerts.reads import LEDGER, STANDING
from services.alerts.store import ACCOUNTS, ALERTS, UNKNOWN
from services.chassis.mongo import Database, Doc, find, total


async def unknown(db: Database, after: str, limit: int) -> list[Doc]:
    """Accounts behind `after`, by id, with facts of which no snapshot has come and that are nobody's: how many facts,
    and when.
    """
    where = UNKNOWN | {"_id": {"$gt": after}, "root": None, "erased": None}
    names = [doc["_id"] for doc in await find(db, ACCOUNTS.name, where, sort=[("_id", 1)], limit=limit, fields={})]
    seen = {"_id": "$s", "facts": {"$sum": 1}, "first_seen": {"$min": "$at"}, "last_seen": {"$max": "$at"}}
    facts = {doc.pop("_id"): doc for doc in await total(db, LEDGER, {"s": {"$in": names}}, seen)}
    among = {"s": {"$in": names}, "state.alert.state": {"$in": list(STANDING)}}
    alerts = {doc["_id"]: doc["n"] for doc in await total(db, ALERTS.name, among, {"_id": "$s", "n": {"$sum": 1}})}
    return [{"id": name, "facts": 0, **facts.get(name, {}), "alerts": alerts.get(name, 0)} for name in names]

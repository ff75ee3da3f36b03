"""Reads accounts that have facts and that nobody has registered or linked."""

from __future__ import annotations

from contracts.registry import TOPICS
from services.alerts.reads import LEDGER, STANDING
from services.alerts.store import ACCOUNTS, ALERTS, UNKNOWN
from services.chassis.mongo import Database, Doc, find, total


async def unknown(db: Database, after: str, limit: int) -> list[Doc]:
    """Accounts behind `after`, by id, with facts of which no snapshot has come and that are nobody's: how many facts
    beside what profiles says, and when.
    """
    found: list[Doc] = []
    while len(found) < limit:
        where = UNKNOWN | {"_id": {"$gt": after}, "root": None, "erased": None}
        docs = await find(db, ACCOUNTS.name, where, sort=[("_id", 1)], limit=limit, fields={"state.withdrawn": 1})
        if not docs:
            break
        after = docs[-1]["_id"]
        withdrawn = {doc["_id"] for doc in docs if doc.get("state", {}).get("withdrawn")}
        # Who was registered by mistake, and has no facts beside that, is nobody.
        shown = await _shown(db, [doc["_id"] for doc in docs])
        found += [one for one in shown if one["facts"] or one["id"] not in withdrawn]
    return found[:limit]


async def _shown(db: Database, names: list[str]) -> list[Doc]:
    seen = {"_id": "$s", "facts": {"$sum": 1}, "first_seen": {"$min": "$at"}, "last_seen": {"$max": "$at"}}
    came: Doc = {"s": {"$in": names}, "t": {"$nin": TOPICS["rapport.lifecycle"].events}}
    facts = {doc.pop("_id"): doc for doc in await total(db, LEDGER, came, seen)}
    among = {"s": {"$in": names}, "state.alert.state": {"$in": list(STANDING)}}
    alerts = {doc["_id"]: doc["n"] for doc in await total(db, ALERTS.name, among, {"_id": "$s", "n": {"$sum": 1}})}
    return [{"id": name, "facts": 0, **facts.get(name, {}), "alerts": alerts.get(name, 0)} for name in names]

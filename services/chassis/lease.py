"""Leases: who may do what only one process at a time does (a shard of the outbox, the clock, the mailer)."""

from __future__ import annotations

import time
from typing import Any

from pymongo.errors import DuplicateKeyError

from .mongo import Collection, Database, Doc

LEASES = Collection("leases")


class Leases:
    """Leases of one process. Times are the database's own, so that clocks of processes do not matter."""

    def __init__(self, db: Database, holder: str, ttl_ms: int = 3000) -> None:
        self.db, self.holder, self.ttl_ms = db, holder, ttl_ms
        self._taken: dict[str, float] = {}  # by this process's own clock, and only to save asking again at once

    async def take(self, name: str) -> bool:
        """Take or renew; False where another living process has it.

        To be asked at least every third of `ttl_ms`; within a quarter of it a yes is remembered.
        """
        if time.monotonic() - self._taken.get(name, float("-inf")) < self.ttl_ms / 4000:
            return True
        asked = time.monotonic()
        free = {"$or": [{"$eq": ["$holder", self.holder]}, {"$lt": ["$until", "$$NOW"]}]}
        until = {"$add": ["$$NOW", self.ttl_ms]}
        hold = [{"$set": {"holder": _if(free, self.holder, "$holder"), "until": _if(free, until, "$until")}}]
        try:
            await self.db["leases"].update_one({"_id": name}, hold, upsert=True)
        except DuplicateKeyError:
            return False  # another made it in this moment
        # Looked at apart: where the database stops in the middle of a find-and-modify, the driver (pymongo 4.20) fails
        # over its answer with an AttributeError, which nobody could tell from a fault of ours.
        found = await self.db["leases"].find_one({"_id": name})
        mine = found is not None and found["holder"] == self.holder
        if mine:
            self._taken[name] = asked
        else:
            self._taken.pop(name, None)
        return mine

    async def release(self, name: str) -> None:
        """Give it up, so that another need not wait for its end."""
        self._taken.pop(name, None)
        await self.db["leases"].delete_one({"_id": name, "holder": self.holder})


def _if(condition: Doc, then: Any, other: Any) -> Doc:
    return {"$cond": [condition, then, other]}

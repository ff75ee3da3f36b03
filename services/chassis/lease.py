"""Leases: who may do what only one process at a time does (a shard of the outbox, the clock, a courier)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from pymongo.errors import DuplicateKeyError, PyMongoError

from .errors import heals
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

    async def keep(self, name: str) -> None:
        """Renew it until cancelled, or take it when it comes free: beside work of which a piece may outlast a lease."""
        while True:
            await asyncio.sleep(self.ttl_ms / 3000)
            try:
                await self.take(name)
            except PyMongoError as error:
                if not heals(error):
                    raise

    async def alone(self, name: str, work: Coroutine[Any, Any, None]) -> bool:
        """Do work under the lease, which is given up after it; where the lease is lost before, the work is cut off.

        Returns False where another process has the lease. Raises what the work raises.
        """
        if not await self.take(name):
            work.close()
            return False
        working, losing = asyncio.create_task(work), asyncio.create_task(self._lost(name))
        try:
            await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (working, losing):
                task.cancel()
            ended = await asyncio.gather(working, losing, return_exceptions=True)
        await self.release(name)
        for end in ended:
            if isinstance(end, Exception):
                raise end
        return True

    async def _lost(self, name: str) -> None:
        """Renews it; returns when another process has it."""
        while True:
            if not await self.take(name):
                return
            await asyncio.sleep(self.ttl_ms / 3000)


def _if(condition: Doc, then: Any, other: Any) -> Doc:
    return {"$cond": [condition, then, other]}

"""A plan written in one transaction, whole or not at all."""

from __future__ import annotations

import asyncio

from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo import InsertOne, UpdateOne

from . import marks
from .erase import erase_rows
from .ledger import Ledger
from .mongo import MAJORITY, Database
from .plan import Plan
from .service import Service
from .sessions import Sessions


class Stale(Exception):  # noqa: N818 - not an error: someone else wrote first
    """A version did not match: what was loaded is old. Load again."""


class Transactions:
    """Where plans are written: a service's database and the sessions of this process."""

    def __init__(self, service: Service, db: Database, sessions: Sessions, ledger: Ledger) -> None:
        self.service, self.db, self.sessions, self.ledger = service, db, sessions, ledger

    async def store(self, plan: Plan, offsets: list[UpdateOne]) -> None:
        """Write a plan and the offsets it takes its partitions to.

        Raises:
            Stale: a head's version is not what it was.
            pymongo.errors.PyMongoError: the database's own; nothing is written, or (a lost answer) all of it.
        """
        if plan.empty and not offsets:
            return
        # The driver works in threads, which no cancelling stops: left behind in mid-transaction, one would go on
        # writing outside of it. So a transaction always runs to its end, at the latest the driver's time-out.
        running = asyncio.create_task(self._run(plan, offsets))
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait({running})
            raise

    async def _run(self, plan: Plan, offsets: list[UpdateOne]) -> None:
        async with self.sessions.use() as session, session.start_transaction(write_concern=MAJORITY):
            if plan.taken:
                await self.ledger.insert(plan.taken, session)
            await self._heads(plan, session)
            for name, writes in plan.parts.items():
                await self.db[name].bulk_write(writes, ordered=False, session=session)
            for state in plan.erased:
                await erase_rows(self.db, self.service, state, session)
            for name, rows in (("outbox", plan.outbox), ("dead", plan.dead)):
                if rows:
                    await self.db[name].insert_many(rows, ordered=False, session=session)
            if offsets:
                await self.db["offsets"].bulk_write(offsets, ordered=False, session=session)
            marks.reach(marks.IN_TRANSACTION)
        marks.reach(marks.AFTER_COMMIT)

    async def _heads(self, plan: Plan, session: AsyncIOMotorClientSession) -> None:
        for name, writes in plan.heads.items():
            result = await self.db[name].bulk_write(writes, ordered=False, session=session)
            if result.matched_count != sum(not isinstance(write, InsertOne) for write in writes):
                raise Stale
        for name, versions in plan.looked.items():
            cursor = self.db[name].find({"_id": {"$in": list(versions)}}, projection={"v": 1}, session=session)
            found = {doc["_id"]: doc["v"] for doc in await cursor.to_list(None)}
            if any(found.get(subject, 0) != v for subject, v in versions.items()):
                raise Stale

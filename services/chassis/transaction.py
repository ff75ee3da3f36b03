"""A plan written in one transaction, whole or not at all."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from pymongo import InsertOne, UpdateOne

from . import marks
from .erase import erase_rows
from .ledger import insert_rows
from .mongo import MAJORITY, Database, Session, below
from .plan import Plan
from .service import Service
from .sessions import Sessions


class Stale(Exception):  # noqa: N818 - not an error: someone else wrote first
    """A version did not match: what was loaded is old. Load again."""


class Transactions:
    """Where plans are written: a service's database and the sessions of this process.

    A transaction is some nine questions and answers. It has a thread of its own for all of them: asked one by one from
    the loop, each answer would lie there until the loop has folded what it is at, with the documents locked.
    """

    def __init__(self, service: Service, db: Database, sessions: Sessions) -> None:
        self.service, self.sessions = service, sessions
        self.db = below(db)
        self._threads = ThreadPoolExecutor(sessions.count, thread_name_prefix="transaction")

    async def store(self, plan: Plan, offsets: list[UpdateOne]) -> None:
        """Write a plan and the offsets it takes its partitions to.

        Raises:
            Stale: a head's version is not what it was.
            pymongo.errors.PyMongoError: the database's own; nothing is written, or (a lost answer) all of it.
        """
        if plan.empty and not offsets:
            return
        async with self.sessions.use() as session:
            running = asyncio.get_running_loop().run_in_executor(
                self._threads, self._write, plan, offsets, session.delegate
            )
            # No cancelling stops a thread: left behind in mid-transaction, it would go on writing outside of it. So a
            # transaction always runs to its end, at the latest the driver's time-out.
            try:
                await asyncio.shield(running)
            except asyncio.CancelledError:
                await asyncio.wait({running})
                raise

    def _write(self, plan: Plan, offsets: list[UpdateOne], session: Session) -> None:
        with session.start_transaction(write_concern=MAJORITY):
            insert_rows(self.db, plan.taken, session)
            self._heads(plan, session)
            self._moves(plan, session)
            for name, writes in plan.parts.items():
                self.db[name].bulk_write(writes, ordered=False, session=session)
            for state in plan.erased:
                erase_rows(self.db, self.service, state, session)
            if plan.outbox:
                self.db["outbox"].insert_many(plan.outbox, ordered=False, session=session)
            if plan.dead:
                self.db["dead"].bulk_write(plan.dead, ordered=False, session=session)
            if offsets:
                self.db["offsets"].bulk_write(offsets, ordered=False, session=session)
            marks.reach(marks.IN_TRANSACTION)
            if plan.stage:
                marks.reach(plan.stage)
        marks.reach(marks.AFTER_COMMIT)

    def _moves(self, plan: Plan, session: Session) -> None:
        for name, ids in plan.gone.items():
            self.db[name].delete_many({"_id": {"$in": ids}}, session=session)
        if plan.ledger:
            self.db["ledger"].bulk_write(plan.ledger, ordered=True, session=session)

    def _heads(self, plan: Plan, session: Session) -> None:
        for name, writes in plan.heads.items():
            result = self.db[name].bulk_write(writes, ordered=False, session=session)
            if result.matched_count != sum(not isinstance(write, InsertOne) for write in writes):
                raise Stale
        for name, versions in plan.looked.items():
            cursor = self.db[name].find({"_id": {"$in": list(versions)}}, projection={"v": 1}, session=session)
            found = {doc["_id"]: doc["v"] for doc in cursor}
            if any(found.get(subject, 0) != v for subject, v in versions.items()):
                raise Stale

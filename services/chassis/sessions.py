"""Database sessions of this process, named in the database so that a successor can end them.

A process killed inside a transaction leaves it open on the server, and whoever writes the same documents next waits
for its time-out. So a process writes down the ids of its sessions before it uses them, and the process that takes
over ends the dead one's sessions first.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import structlog
from bson.binary import Binary
from motor.motor_asyncio import AsyncIOMotorClientSession

from .mongo import Client, Collection, Database

WORKERS = Collection("workers")
log = structlog.get_logger(__name__)


class Sessions:
    """A few sessions, handed out one transaction at a time.

    `name` is this process's stable name, or empty. With a stable name the predecessor of the same name is dead by
    definition; without one, a worker that has not been heard of for `silent` seconds is. Times are the database's own:
    processes whose clocks differ must not bury one another.
    """

    def __init__(self, client: Client, db: Database, *, name: str = "", count: int = 6, silent: float = 10.0) -> None:
        self.client = client
        self.db = db
        self.boot = uuid.uuid4().hex
        self.name = name
        self.silent = silent
        self.count = count
        self._sessions: list[AsyncIOMotorClientSession] = []
        self._free: asyncio.Queue[AsyncIOMotorClientSession] = asyncio.Queue()

    @property
    def holder(self) -> str:
        """This process and this start of it: what leases are held under."""
        return f"{self.name or 'worker'}#{self.boot}"

    async def open(self) -> None:
        """Make the sessions, write them down, and end those of dead predecessors. Safe to repeat where it failed."""
        while len(self._sessions) < self.count:
            self._sessions.append(await self.client.start_session())
        await self.beat()
        await self.bury(predecessors=True)
        for session in self._sessions:
            self._free.put_nowait(session)

    async def bury(self, *, predecessors: bool = False) -> int:
        """End the sessions of workers that are gone and release what they held; returns how many were gone.

        `predecessors` of the same name are gone when this one starts, and only then: one that is not quite dead must
        not bury its successor.
        """
        silent = {"$subtract": ["$$NOW", int(self.silent * 1000)]}
        gone: list[dict[str, object]] = [{"$expr": {"$lt": ["$beat", silent]}}]
        if self.name and predecessors:
            gone.append({"name": self.name})
        buried = 0
        async for worker in self.db["workers"].find({"_id": {"$ne": self.holder}, "$or": gone}):
            ids = [{"id": Binary(bytes(sid), 4)} for sid in worker["sessions"]]
            await self.client.admin.command("killSessions", ids)
            await self.db["leases"].delete_many({"holder": worker["_id"]})
            await self.db["workers"].delete_one({"_id": worker["_id"]})
            log.info("worker.buried", worker=worker["_id"], sessions=len(ids))
            buried += 1
        return buried

    async def beat(self) -> None:
        """Say that this process lives; to be called every second or so. One that was taken for dead stands up again."""
        ids = [cast("dict[str, Any]", session.session_id)["id"] for session in self._sessions]
        alive = {"name": {"$literal": self.name}, "sessions": {"$literal": ids}, "beat": "$$NOW"}
        await self.db["workers"].update_one({"_id": self.holder}, [{"$set": alive}], upsert=True)

    @asynccontextmanager
    async def use(self) -> AsyncIterator[AsyncIOMotorClientSession]:
        """A session for one transaction."""
        session = await self._free.get()
        try:
            yield session
        finally:
            self._free.put_nowait(session)

    async def close(self) -> None:
        """A graceful stop: the sessions are ended and the worker is struck off."""
        while self._sessions:
            await self._sessions.pop().end_session()
        await self.db["leases"].delete_many({"holder": self.holder})
        await self.db["workers"].delete_one({"_id": self.holder})

"""The ledger, one row a fact for ever, and the inbox, ids of what a later copy replaces, dropped after a while.

A ledger row is its own inbox row: its `_id` is source and id of the event. It holds the payload as it came, so that a
refold reads what was said. Inbox rows live in a collection a month, so that forgetting them is dropping a collection
and not a million deletions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta

from .mongo import Below, Collection, Database, Doc, Index, Session, make
from .ties import Said, in_order, said
from .work import Work

LEDGER = Collection(
    "ledger",
    (
        Index((("s", 1), ("o", 1), ("at", 1))),
        Index((("w", 1),), partial={"w": {"$exists": True}}),
        Index((("m", 1),), partial={"m": {"$exists": True}}),
    ),
)
INBOX = "inbox_"


class Ledger:
    """Rows of one service."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._months: set[str] = set()

    async def prepare(self, works: Iterable[Work]) -> None:
        """Make the months' inboxes exist before a transaction needs them: making one inside would conflict with a
        neighbour doing the same.
        """
        for name in {inbox_of(work.now) for work in works if work.row is not None and not work.keep} - self._months:
            await make(self.db, name)
            self._months.add(name)

    async def known(self, works: list[Work]) -> set[str]:
        """Which of these have been applied before."""
        kept = [work.cause for work in works if work.keep and work.row is not None]
        found = await self._ids("ledger", kept) if kept else set()
        passing = [work.cause for work in works if not work.keep and work.row is not None]
        if passing:
            for name in await self.months():
                found |= await self._ids(name, passing)
        return found

    async def known_earlier(self, works: Iterable[Work]) -> set[str]:
        """Which of these lie in an inbox of another month than their own, where inserting them would not show it."""
        months: dict[str, list[str]] = defaultdict(list)
        for work in works:
            if work.row is not None and not work.keep:
                months[inbox_of(work.now)].append(work.cause)
        if not months:
            return set()
        found: set[str] = set()
        for name in await self.months():
            if others := [cause for month, causes in months.items() if month != name for cause in causes]:
                found |= await self._ids(name, others)
        return found

    async def _ids(self, name: str, ids: list[str]) -> set[str]:
        cursor = self.db[name].find({"_id": {"$in": ids}}, projection={"_id": 1})
        return {doc["_id"] async for doc in cursor}

    async def months(self) -> list[str]:
        """Names of the inboxes there are."""
        names = await self.db.list_collection_names(filter={"name": {"$regex": f"^{INBOX}"}})
        return sorted(names)

    async def forget(self, now: datetime, days: int) -> list[str]:
        """Drop inboxes whose month ended more than `days` ago; returns their names."""
        oldest = inbox_of(now - timedelta(days=days))
        gone = [name for name in await self.months() if name < oldest]
        for name in gone:
            await self.db.drop_collection(name)
            self._months.discard(name)
        return gone

    async def rows(self, subject: str) -> list[Doc]:
        """A customer's facts in the order in which they were applied, with whichever account of his they came."""
        return in_order(await self.rows_of([subject]))

    async def rows_of(self, subjects: list[str]) -> list[Doc]:
        """The facts of several subjects, of each in the order in which they were applied."""
        cursor = self.db["ledger"].find({"s": {"$in": subjects}}).sort([("o", 1), ("at", 1)])
        return await cursor.to_list(None)

    async def waiting(self, most: int) -> tuple[dict[str, list[str]], list[Doc]]:
        """What has been taken and has not taken effect yet: subjects to be folded again because facts of theirs were
        withdrawn, with the rows that say so, and rows that tie accounts, in the order in which they came.
        """
        found: dict[str, list[str]] = defaultdict(list)
        ties: list[Doc] = []
        fields = {"s": 1, "t": 1, "m": 1, "at": 1, "void": 1}
        async for row in self.db["ledger"].find({"w": True}, projection=fields).limit(most):
            if "m" in row:
                ties.append(row)
            else:
                found[row["s"]].append(row["_id"])
        return found, sorted(ties, key=lambda row: (row["at"], row["_id"]))

    async def ties_among(self, accounts: Iterable[str]) -> list[Said]:
        """Every tie with one of these accounts at either end, and with those at the other end, and so on."""
        found: dict[str, Said] = {}
        known: set[str] = set()
        fresh = set(accounts)
        while fresh:
            known |= fresh
            where = {"m": {"$in": sorted(fresh)}, "void": None}
            cursor = self.db["ledger"].find(where, projection={"m": 1, "tie": 1})
            found |= {row["_id"]: said(row) async for row in cursor}
            fresh = {name for tie in found.values() for name in (tie.account, tie.into)} - known
        return list(found.values())

    async def named(self, rows: list[str]) -> list[Doc]:
        """Whole rows, by their names."""
        return await self.db["ledger"].find({"_id": {"$in": rows}}).to_list(None)

    async def ties_of(self, accounts: Iterable[str]) -> list[Doc]:
        """Whole rows that tie one of these accounts, also such as are withdrawn."""
        return await self.db["ledger"].find({"m": {"$in": sorted(set(accounts))}}).to_list(None)

    async def void(self, rows: list[str]) -> None:
        """Ties that are withdrawn hold no more, and wait to have their end."""
        await self.db["ledger"].update_many({"_id": {"$in": rows}}, {"$set": {"void": True, "w": True}})

    async def settled(self, rows: list[str]) -> None:
        """What these rows say has taken effect."""
        await self.db["ledger"].update_many({"_id": {"$in": rows}}, {"$unset": {"w": ""}})
        # Of whoever was erased meanwhile not even the tie stays.
        await self.db["ledger"].update_many({"_id": {"$in": rows}, "s": ""}, {"$unset": {"m": "", "tie": ""}})

    async def subjects(self) -> AsyncIterator[str]:
        """Every subject that has facts, each once, in order."""
        last = ""
        while True:
            row = await self.db["ledger"].find_one({"s": {"$gt": last}}, projection={"s": 1}, sort=[("s", 1)])
            if row is None:
                return
            last = row["s"]
            yield last


def insert_rows(db: Below, works: list[Work], session: Session) -> None:
    """Write the rows of what was taken.

    Raises:
        pymongo.errors.BulkWriteError: one of them is known already.
    """
    rows: dict[str, list[Doc]] = defaultdict(list)
    for work in works:
        if work.row is not None:
            rows["ledger" if work.keep else inbox_of(work.now)].append(work.row)
    for name, docs in rows.items():
        db[name].insert_many(docs, ordered=False, session=session)


def inbox_of(moment: datetime) -> str:
    """The inbox of an event applied at `moment`."""
    return f"{INBOX}{moment:%Y_%m}"

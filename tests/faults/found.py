"""What the database of the service holds at the end, and whether anything is still under way."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from services.alerts.model.account import Account
from services.alerts.model.cadence.priors import Dated
from services.alerts.model.notification import Notification
from services.alerts.model.order import Order
from services.alerts.model.purchase import Purchase
from services.alerts.model.settlement import Settlement
from services.alerts.model.staff import Colleague
from services.alerts.store import Credit, Item, KnownPriors, Owned, RhythmCard
from services.chassis.mongo import Client, Database, Doc, connect, database, find, from_doc
from tests.faults.bus import TRADE, Bus
from tests.faults.probe import Tally

S = TypeVar("S", bound=msgspec.Struct)
TOPICS = (TRADE, "rapport.lifecycle", "rapport.profiles", "rapport.staff")
OPEN = ("queued", "sending")
CLOCKED = ("accounts", "items", "credit", "rhythms")
Key = tuple[str, str]


class NotQuietError(AssertionError):
    """The service did not come to rest in time; the message says what is left."""


@dataclass
class Store:
    """The service's database, seen from outside."""

    client: Client
    db: Database

    @classmethod
    def of(cls, uri: str, prefix: str) -> Store:
        """Connect; `prefix` is that of the run's databases."""
        client = connect(uri, serverSelectionTimeoutMS=2000)
        return cls(client, database(client, f"{prefix}_alerts"))

    def close(self) -> None:
        """Disconnect."""
        self.client.close()

    async def drop(self) -> None:
        """Begin with nothing."""
        await self.client.drop_database(self.db.name)

    async def inboxes(self) -> list[str]:
        """The months of which technical ids are remembered."""
        return sorted(name for name in await self.db.list_collection_names() if name.startswith("inbox_"))

    async def forget_months(self) -> int:
        """Drop the inboxes, as happens when their months are over; returns how many ids were in them."""
        forgotten = 0
        for name in await self.inboxes():
            forgotten += await self.db[name].count_documents({})
            await self.db.drop_collection(name)
        return forgotten

    async def places(self) -> dict[tuple[str, int], tuple[int, datetime]]:
        """Applied offset and clock of each partition."""
        rows = await find(self.db, "offsets", {})
        return {(row["topic"], row["partition"]): (row["next"], row["clock"]) for row in rows}

    async def rest(self, ends: dict[tuple[str, int], int]) -> list[str]:
        """What is still under way, in words; nothing when all is quiet."""
        places = await self.places()
        behind = sum(end - places.get(place, (0, None))[0] for place, end in ends.items())
        left = [f"{behind} records unread"] if behind else []
        clocks = [clock for (topic, _), (_, clock) in places.items() if topic == TRADE]
        for name in CLOCKED if clocks else ():
            if due := await self.db[name].count_documents({"due": {"$lt": min(clocks)}}):
                left.append(f"{due} of {name} due")
        latest = max((one.valid_from.isoformat() for one in await self.priors()), default="")
        if old := await self.db["rhythms"].count_documents({"state.course.latest": {"$lt": latest}}):
            left.append(f"{old} deadlines of older priors")
        for name, where in (("outbox", {}), ("notifications", {"state.state": {"$in": list(OPEN)}})):
            if count := await self.db[name].count_documents(where):
                left.append(f"{count} in {name}")
        return left

    async def priors(self) -> list[Dated]:
        """All priors of the cadence that were fitted."""
        held = (await self.all("priors", KnownPriors)).values()
        return [Dated(valid_from=one.valid_from, priors=one.priors) for known in held for one in known.fitted]

    async def refold(self, subject: str) -> tuple[list[Doc], datetime | None]:
        """What a customer is folded from again: his ledger in order, and the last due moment that was folded."""
        rows = await find(self.db, "ledger", {"s": subject}, sort=[("o", 1), ("at", 1)])
        heads = await find(self.db, "accounts", {"_id": subject}, fields={"ticked": 1})
        return rows, heads[0].get("ticked") if heads else None

    async def all(self, name: str, kind: type[S]) -> dict[Key, S]:
        """Documents of a kind by subject and key."""
        rows = await find(self.db, name, {})
        found: dict[Key, S] = {}
        for row in rows:
            if "state" in row:
                # A head is its subject; a part names it.
                found[(str(row.get("s", row["_id"])), str(row.get("k", "")))] = from_doc(row["state"], kind)
        return found


@dataclass
class Found:
    """Everything stored, by subject and key."""

    items: dict[Key, Item]
    settlements: dict[Key, Settlement]
    orders: dict[Key, Order]
    credit: dict[Key, Credit]
    purchases: dict[Key, Purchase]
    rhythms: dict[Key, RhythmCard]
    priors: list[Dated]
    accounts: dict[Key, Account]
    staff: dict[Key, Colleague]
    alerts: dict[Key, Owned]
    notifications: dict[Key, Notification]
    tally: dict[Key, Tally]
    ledger: set[str]
    letters: dict[str, Doc]
    erased: set[str]
    clock: datetime


async def read(store: Store) -> Found:
    """Read it all."""
    clocks = [clock for (topic, _), (_, clock) in (await store.places()).items() if topic == TRADE]
    tally = await store.all("tally", Tally) | await store.all("staff_tally", Tally)
    letters: list[dict[str, Any]] = await find(store.db, "dead", {})
    gone = await find(store.db, "accounts", {"erased": True}, fields={"_id": 1})
    return Found(
        items=await store.all("items", Item),
        settlements=await store.all("settlements", Settlement),
        orders=await store.all("orders", Order),
        credit=await store.all("credit", Credit),
        purchases=await store.all("purchases", Purchase),
        rhythms=await store.all("rhythms", RhythmCard),
        priors=await store.priors(),
        accounts=await store.all("accounts", Account),
        staff=await store.all("staff", Colleague),
        alerts=await store.all("alerts", Owned),
        notifications=await store.all("notifications", Notification),
        tally=tally,
        ledger={row["_id"] for row in await find(store.db, "ledger", {}, fields={"_id": 1})},
        letters={letter["_id"]: letter for letter in letters},
        erased={row["_id"] for row in gone},
        clock=min(clocks),
    )


async def quiet(store: Store, bus: Bus, deadline_s: float, *, watch: Any = lambda: None) -> None:
    """Return when everything is read, said, sent and nothing is due. `watch` may raise what went wrong meanwhile.

    Raises:
        NotQuietError: it took longer.
    """
    deadline = time.monotonic() + deadline_s
    ends = await bus.ends(TOPICS)
    while left := await store.rest(ends):
        watch()
        if time.monotonic() > deadline:
            raise NotQuietError(f"after {deadline_s:.0f} s there are still {', '.join(left)}")
        await asyncio.sleep(0.1)

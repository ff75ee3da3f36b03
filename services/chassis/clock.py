"""What becomes true by waiting: due moments are taken from the index when log time has passed them, and folded like
events.

One process of a service holds the clock. A round costs one query over what is due, whatever waits beyond.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast

import structlog
from aiokafka.errors import KafkaError
from pymongo.errors import PyMongoError

from . import marks
from .aggregate import Head, Kind
from .apply import Applier
from .batch import Outcome
from .errors import heals
from .lease import Leases
from .logtime import Place, service_clock
from .mongo import Doc
from .supplies import Supplies
from .work import Work, tick_work

HOT = 1.5  # seconds after something became due in which rounds follow closely: log time is on its way past it
WITHHELD_MOST = 10_000  # counted of a kind: more is no other news
log = structlog.get_logger(__name__)

Partitions = Callable[[], Awaitable[set[Place]]]


class Clock:
    """Folds due moments for one service.

    `partitions` names every partition of the feeds as the broker knows them now: one that was added a moment ago and
    has never been read holds the clock, since it may hold the very payment.
    """

    def __init__(
        self,
        applier: Applier,
        leases: Leases,
        partitions: Partitions,
        *,
        batch: int = 500,
        poll_ms: int = 1000,
        woken: Callable[[Outcome], None] = lambda _: None,
        supplies: Supplies | None = None,
    ) -> None:
        self.applier, self.leases, self.partitions = applier, leases, partitions
        self.batch, self.poll, self.woken = batch, poll_ms / 1000, woken
        self.metrics, self.supplies = applier.metrics, supplies
        self.stopping = False
        self.now: datetime | None = None
        self._wake = asyncio.Event()
        self._hot_until = 0.0
        self._trouble = ""

    def wake(self) -> None:
        """Something may be due at once."""
        self._hot_until = time.monotonic() + HOT
        self._wake.set()

    async def stop(self) -> None:
        """Let `run` finish."""
        self.stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Rounds until stopped."""
        while not self.stopping:
            folded = 0
            self._wake.clear()  # what wakes it in the middle of a round is for the next
            try:
                held = await self.leases.take("clock")
                self.metrics.lease_held.labels("clock").set(held)
                if held:
                    folded = await self.round()
            except (PyMongoError, KafkaError, OSError) as error:
                if isinstance(error, PyMongoError) and not heals(error):
                    raise
                if type(error).__name__ != self._trouble:  # once, not in every round
                    self._trouble = type(error).__name__
                    log.warning("clock.held", error=self._trouble)
                self.metrics.retries.labels(stage="clock").inc()
            else:
                self._trouble = ""
            if not folded:
                await self._wait()
        with suppress(PyMongoError):  # it runs out by itself
            await self.leases.release("clock")

    async def round(self) -> int:
        """Fold what is due, a batch of each kind; returns how many."""
        self.now = await self.read()
        if self.now is None:
            return 0
        self.metrics.clock_behind.set(max(0.0, (datetime.now(UTC) - self.now).total_seconds()))
        works: list[Work] = []
        held = await self._held(self.now)
        asked = [(kind, tick) for kind, tick in self.applier.service.ticks.values() if kind.name not in held]
        for (kind, tick), rows in zip(
            asked, await asyncio.gather(*(self.due(kind, self.now) for kind, _ in asked)), strict=True
        ):
            head = cast("Head[Any]", self.applier.service.kinds[kind.head])
            for row in rows:
                # A head's document is the subject; a part's names it.
                works.append(tick_work(kind, head, tick, row.get("s") or row["_id"], row.get("k", ""), row["due"]))
        self.metrics.due.set(len(works))
        # After what is due: who waits for the clock to pass a moment must not find it passed and its alarms uncounted.
        self.metrics.clock.set(self.now.timestamp())
        self.metrics.late_seconds.set(max(((self.now - work.now).total_seconds() for work in works), default=0.0))
        if works:
            marks.reach(marks.IN_CLOCK)
            # In order of their moments, so that what one customer hears comes in the order in which it became true.
            outcome = await self.applier.apply(sorted(works, key=lambda work: work.now))
            self.metrics.ticks.inc(outcome.applied)
            self.woken(outcome)
        return len(works)

    async def _held(self, now: datetime) -> set[str]:
        """The kinds whose moments wait because what they rest on is not delivered."""
        names = await self.supplies.held(now) if self.supplies is not None else frozenset()
        kinds = {kind for kind, supply in self.applier.service.rests.items() if supply in names}
        waiting = [
            await self.applier.db[kind].count_documents({"due": {"$lt": now}}, limit=WITHHELD_MOST) for kind in kinds
        ]
        self.metrics.withheld.set(sum(waiting))
        return kinds

    async def due(self, kind: Kind, now: datetime) -> list[Doc]:
        """What of `kind` is due before `now`, oldest first; examines what it returns and one key more."""
        cursor = self.applier.db[kind.name].find(
            {"due": {"$lt": now}}, projection={"s": 1, "k": 1, "due": 1}, batch_size=self.batch + 1
        )
        return await cursor.sort([("due", 1)]).limit(self.batch).to_list(self.batch)

    async def read(self) -> datetime | None:
        """The moment up to which all feeds are known; None holds the clock."""
        # The clocks first: a partition added after them has nothing that is older.
        stored = {place: clock for place, (_, clock) in (await self.applier.positions()).items()}
        return service_clock(await self.partitions(), stored)

    async def _wait(self) -> None:
        pause = 0.05 if time.monotonic() < self._hot_until else self.poll
        try:
            async with asyncio.timeout(pause):
                await self._wake.wait()
        except TimeoutError:
            return

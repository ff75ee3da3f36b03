"""What the clock's own query costs, by how many documents wait: the command that `Clock.due` really sends is caught and
explained by the database.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from pymongo.monitoring import CommandListener, CommandStartedEvent

from services.alerts.handlers import alerts_service
from services.alerts.store import ITEMS
from services.chassis.clock import Clock
from services.chassis.mongo import Database, connect, database
from services.chassis.runtime import Runtime
from tests.bench.ground import Ground

DUE = (0, 1, 100, 2_000)
_AT_ONCE = 20_000
_TIMES = 20


@dataclass(frozen=True)
class Looked:
    """One query: how many waited, how many of them were due, returned and examined; its median time in ms."""

    waiting: int
    due: int
    returned: int
    keys: int
    documents: int
    ms: float

    @property
    def good(self) -> bool:
        """It examined what it returned, and one more at most."""
        return max(self.keys, self.documents) <= self.returned + 1 and self.returned <= self.due


class _Catch(CommandListener):
    """Keeps the last `find` that was sent."""

    def __init__(self) -> None:
        self.find: dict[str, Any] = {}

    def started(self, event: CommandStartedEvent) -> None:
        """Called by the driver."""
        if event.command_name == "find":
            own = {"lsid", "txnNumber", "readConcern"}
            self.find = {k: v for k, v in event.command.items() if not k.startswith("$") and k not in own}

    def succeeded(self, event: object) -> None:
        """Nothing to note."""

    def failed(self, event: object) -> None:
        """Nothing to note."""


async def measure(ground: Ground, waiting: Sequence[int]) -> list[Looked]:
    """For each number of waiting documents, and each number of due ones: what the query examined."""
    prefix, catch = ground.name(), _Catch()
    settings = ground.settings(prefix)
    client = connect(ground.stack.mongo, event_listeners=[catch])
    db = database(client, settings.database)
    runtime = await Runtime.open(alerts_service(settings.rules), settings)
    runtime.applier.db = db
    clock = Clock(runtime.applier, runtime.leases, _nowhere, batch=settings.clock_batch)
    now = datetime.now(UTC).replace(microsecond=0)
    found: list[Looked] = []
    try:
        await _insert(db, [now - timedelta(seconds=n + 1) for n in range(max(DUE))])
        held = 0
        for count in waiting:
            ground.say(f"letting {count:,} documents wait")
            await _insert(db, [now + timedelta(seconds=n + 1) for n in range(held, count)])
            held = count
            for due in DUE:
                # Of those in the past all but `due` are thought to lie ahead: the query knows no other clock.
                at = now - timedelta(seconds=max(DUE) - due)
                found.append(await _look(db, clock, catch, at, count, due))
    finally:
        await client.drop_database(settings.database)
        client.close()
        await runtime.close()
    return found


async def _look(db: Database, clock: Clock, catch: _Catch, now: datetime, waiting: int, due: int) -> Looked:
    taken = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        rows = await clock.due(ITEMS, now)
        taken.append(time.perf_counter() - began)
    told = await db.command({"explain": catch.find, "verbosity": "executionStats"})
    stats = told["executionStats"]
    return Looked(waiting, due, len(rows), stats["totalKeysExamined"], stats["totalDocsExamined"], 1000 * median(taken))


async def _insert(db: Database, moments: Sequence[datetime]) -> None:
    for first in range(0, len(moments), _AT_ONCE):
        rows = [
            {"_id": f"{subject}\tINV", "s": subject, "k": "INV", "state": {}, "due": at}
            for at in moments[first : first + _AT_ONCE]
            for subject in (f"C-{at.timestamp():.0f}",)
        ]
        await db[ITEMS.name].insert_many(rows, ordered=False)


async def _nowhere() -> set[tuple[str, int]]:
    return set()

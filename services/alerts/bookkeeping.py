"""Shows operations how far the books and we agree."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from services.alerts.metrics import AlertsMetrics
from services.alerts.reads_books import last_stated, out_of_balance
from services.chassis.mongo import Database
from services.chassis.rounds import Rounds

EVERY: Final = 15.0  # seconds between two looks


class Bookkeeper:
    """A worker of the runtime; each process shows the same figures."""

    def __init__(self, db: Database, metrics: AlertsMetrics) -> None:
        self.db, self.metrics = db, metrics
        self._rounds = Rounds("bookkeeper", EVERY)

    async def run(self) -> None:
        """Look, until stopped."""
        await self._rounds.run(self.look)

    async def stop(self) -> None:
        """Let `run` return."""
        self._rounds.stop()

    async def look(self) -> None:
        """Take the figures."""
        stated, out = await out_of_balance(self.db)
        self.metrics.books_stated.set(stated)
        self.metrics.books_out.set(out)
        last = await last_stated(self.db)
        age = (datetime.now(UTC) - last).total_seconds() if last is not None else 0.0
        self.metrics.books_age.set(max(0.0, age))

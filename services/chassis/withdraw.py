"""Brings to effect what waits in the ledger: facts that were withdrawn, accounts that are one customer.

Such a fact is one like any other, and its row stays marked until its subject has been folded again (without what was
withdrawn, or with the rows of another account); so a process may be killed at any point, and its successor goes on.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from .apply import Applier
from .gather import gather
from .lease import Leases
from .mongo import DatabaseError, Doc
from .refold import named_by, refold_subject, refold_to, under
from .rounds import Rounds

SOME: Final = 500  # rows looked at in one go
LEASE: Final = "withdrawals"
log = structlog.get_logger(__name__)


@dataclass
class Withdrawals:
    """A worker of the runtime; one process of a service has it at a time. `every`: seconds between two looks."""

    applier: Applier
    leases: Leases
    every: float
    _rounds: Rounds = field(init=False)

    def __post_init__(self) -> None:
        self._rounds = Rounds("withdrawals", self.every)

    async def run(self) -> None:
        """Fold again what waits for it, until stopped."""
        await self._rounds.run(self._turn)
        with suppress(DatabaseError):
            await self.leases.release(LEASE)

    async def stop(self) -> None:
        """Let `run` finish the subject it has begun."""
        self._rounds.stop()

    async def _turn(self) -> bool:
        return await self.leases.take(LEASE) and await self.round()

    async def round(self) -> bool:
        """Fold some subjects again; returns whether there were any."""
        withdrawn, ties = await self.applier.ledger.waiting(SOME)
        if not withdrawn and not ties:
            return False
        now = await refold_to(self.applier)
        await self._tie(ties, now)
        for subject, rows in withdrawn.items():
            if not await self._goes_on():
                break
            if subject:  # else he was erased meanwhile, and nothing of him is left to fold
                await self._without(subject, rows, now)
            await self.applier.ledger.settled(rows)
        log.info("ledger.settled", withdrawals=len(withdrawn), ties=len(ties))
        return True

    async def _without(self, subject: str, rows: list[str], now: datetime) -> None:
        """Fold a subject again without what these rows name, and end the ties among that."""
        applier = self.applier
        gone = named_by(applier.service, await applier.ledger.named(rows))
        for head in applier.service.heads():
            await refold_subject(applier, head, subject, now, gone)
        among = await applier.ledger.ties_of(one.account for one in gone)
        if void := [row for row in among if any(under(row, *one) for one in gone)]:
            await applier.ledger.void([row["_id"] for row in void])
            for row in void:
                await gather(applier, row | {"void": True}, max(now, row["at"]))

    async def _tie(self, ties: list[Doc], now: datetime) -> None:
        for row in ties:
            if not await self._goes_on():
                break
            await gather(self.applier, row, max(now, row["at"]))

    async def _goes_on(self) -> bool:
        return not self._rounds.stopping and await self.leases.take(LEASE)

"""Folds subjects again of whose facts some were withdrawn: what they said is taken back, as if they had not come.

A withdrawal is a fact like any other and waits in the ledger, marked, until its subject has been folded again; so a
process may be killed at any point, and its successor goes on.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from .apply import Applier
from .errors import heals
from .lease import Leases
from .mongo import DatabaseError
from .refold import refold_subject, refold_to

SOME: Final = 500  # withdrawals looked at in one go
LEASE: Final = "withdrawals"
log = structlog.get_logger(__name__)


@dataclass
class Withdrawals:
    """A worker of the runtime; one process of a service has it at a time. `every`: seconds between two looks."""

    applier: Applier
    leases: Leases
    every: float
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Fold again what waits for it, until stopped."""
        while not self._stopping.is_set():
            more = False
            try:
                if await self.leases.take(LEASE):
                    more = await self.round()
            except DatabaseError as error:
                if not heals(error):
                    raise
            if not more:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.every):
                        await self._stopping.wait()
        with suppress(DatabaseError):
            await self.leases.release(LEASE)

    async def stop(self) -> None:
        """Let `run` finish the subject it has begun."""
        self._stopping.set()

    async def round(self) -> bool:
        """Fold some subjects again; returns whether there were any."""
        waiting = await self.applier.ledger.withdrawals(SOME)
        if not waiting:
            return False
        now = await refold_to(self.applier)
        for subject, rows in waiting.items():
            if self._stopping.is_set() or not await self.leases.take(LEASE):
                break
            if subject:  # else he was erased meanwhile, and nothing of him is left to fold
                for head in self.applier.service.heads():
                    await refold_subject(self.applier, head, subject, now)
            await self.applier.ledger.withdrawn(rows)
        log.info("withdrawals.folded", subjects=len(waiting))
        return True

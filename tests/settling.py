"""Bringing a service to the end of what waits in its ledger."""

from __future__ import annotations

from services.chassis.runtime import Runtime
from services.chassis.withdraw import Withdrawals


async def settle(runtime: Runtime) -> int:
    """Fold again whatever waits for it; returns how many rounds found something."""
    worker = Withdrawals(runtime.applier, runtime.leases, 0.1)
    rounds = 0
    while await worker.round():
        rounds += 1
    return rounds

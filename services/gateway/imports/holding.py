"""Work that one process at a time does: kept under a lease for as long as it takes, and given up when that is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from services.chassis.lease import Leases


async def alone(leases: Leases, name: str, work: Coroutine[Any, Any, None]) -> bool:
    """Do the work under a lease of that name; False where another process has it. Raises what the work raises."""
    if not await leases.take(name):
        work.close()
        return False
    working = asyncio.create_task(work)
    keeping = asyncio.create_task(_keep(leases, name))
    try:
        await asyncio.wait({working, keeping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, keeping):
            task.cancel()
        ended = await asyncio.gather(working, keeping, return_exceptions=True)
    await leases.release(name)
    for end in ended:
        if isinstance(end, Exception):
            raise end
    return True


async def _keep(leases: Leases, name: str) -> None:
    """Returns when another process has the lease."""
    while True:
        if not await leases.take(name):
            return
        await asyncio.sleep(leases.ttl_ms / 3000)

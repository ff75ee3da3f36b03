"""Waiting for what others do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

LOOK_S = 0.05


async def until(holds: Callable[[], Awaitable[bool]], deadline_s: float, what: str) -> None:
    """Return when a condition holds.

    Raises:
        TimeoutError: it did not in time; names `what` was waited for.
    """
    deadline = time.monotonic() + deadline_s
    while not await holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {deadline_s:.0f} s for {what}")
        await asyncio.sleep(LOOK_S)

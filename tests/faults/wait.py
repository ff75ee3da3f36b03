"""Waiting for what others do, and being told to stop."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

LOOK_S = 0.05


@contextmanager
def ended_gently() -> Iterator[None]:
    """Take SIGTERM like Ctrl-C, which lets everything be put away; by itself it would end the process on the spot."""
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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

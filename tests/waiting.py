"""Waiting in tests: for a condition, never for a time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

PATIENCE_S = 30.0  # a machine that does much else at the time must not fail a test


@overload
async def until(
    condition: Callable[[], Awaitable[T]], what: str, *, deadline_s: float = PATIENCE_S, every_s: float = 0.02
) -> T: ...
@overload
async def until(
    condition: Callable[[], T], what: str, *, deadline_s: float = PATIENCE_S, every_s: float = 0.02
) -> T: ...
async def until(
    condition: Callable[[], Any], what: str, *, deadline_s: float = PATIENCE_S, every_s: float = 0.02
) -> Any:
    """Look at a condition until it holds; returns what it gave. `what` completes "waited for ...".

    Raises:
        AssertionError: it did not come to hold by the deadline; shows what was seen last.
    """
    end = time.monotonic() + deadline_s
    while True:
        seen = condition()
        if inspect.isawaitable(seen):
            seen = await seen
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline_s:g} s for {what}; last seen: {seen!r}")
        await asyncio.sleep(every_s)

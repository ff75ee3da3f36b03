"""Rounds of a worker: it looks, does what there is, and looks again after a while, until it is told to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog
from pymongo.errors import PyMongoError

from .errors import heals

TOLD: Final = 60.0  # seconds for which a trouble that lasts is told once
log = structlog.get_logger(__name__)


class Rounds:
    """What every worker does around its own work.

    Errors that time mends are told, and the next round tries again: those of the database of which `heals` says so, and
    `mended`, if there are others. Any other error ends the worker, and with it the process: as a line in a log that
    comes again and again nobody would read it.
    """

    def __init__(self, worker: str, every: float, mended: tuple[type[Exception], ...] = ()) -> None:
        """`worker`: its name in the log; `every`: seconds between two rounds."""
        self.worker, self.every = worker, every
        self.mended: tuple[type[Exception], ...] = (PyMongoError, *mended)
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._done: dict[str, float] = {}

    @property
    def stopping(self) -> bool:
        """Whether to begin nothing more."""
        return self._stopping.is_set()

    def wake(self) -> None:
        """There is something to do: the next round comes at once."""
        self._woken.set()

    def stop(self) -> None:
        """Let `run` return when the round that has begun is over."""
        self._stopping.set()
        self._woken.set()

    async def run(self, work: Callable[[], Awaitable[object]]) -> None:
        """Do the work until stopped; at once again where it returns something true, for there is more to do."""
        while not self.stopping:
            self._woken.clear()  # what wakes it in the middle of a round is for the next
            if not await self.once(work):
                await self.pause()

    async def once(self, work: Callable[[], Awaitable[object]]) -> object:
        """Do the work; returns what it returns, or None where it failed over what time mends."""
        try:
            return await work()
        except self.mended as error:
            if isinstance(error, PyMongoError) and not heals(error):
                raise
            if self.time_for(type(error).__name__, TOLD):
                log.warning("worker.held", worker=self.worker, error=type(error).__name__, next="trying again")
            return None

    async def pause(self) -> None:
        """Returns after `every` seconds, or when woken or stopped."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.every):
                await self._woken.wait()

    def time_for(self, what: str, every: float) -> bool:
        """Whether so many seconds have passed since this last said yes to it."""
        now = time.monotonic()
        if now - self._done.get(what, float("-inf")) < every:
            return False
        self._done[what] = now
        return True

"""How many events one process of the service applies in a second, with everything on: ledger, versions, outbox and
relay, clock, mailer, API, metrics; reading from a topic that holds more than it can take.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from tests.bench.ground import Counts, Ground, Process, Stream
from tests.bench.limit import Applied

APPLIED = "rapport_events_applied_total"
SENT = "rapport_relay_sent_total"
TICKS = "rapport_deadlines_folded_total"


@dataclass(frozen=True)
class Seen:
    """A window of one process: what it applied, and its resident memory in MB as it went on."""

    applied: Applied
    memory: tuple[float, ...]


async def measure(ground: Ground, prefix: str, stream: Stream, warm: int, seconds: float) -> Seen:
    """Let a process read the stream from where the database under `prefix` stands, and watch it for `seconds` after its
    first `warm` events.

    Raises:
        RuntimeError: it died, or had nothing left to read: the figure would be the producer's.
    """
    async with ground.service(prefix) as process, watched(process) as memory:
        await process.until(APPLIED, warm)
        began, before = time.perf_counter(), await process.counts()
        memory.clear()
        await asyncio.sleep(seconds)
        after, ended = await process.counts(), time.perf_counter()
        process.check()
        if await ground.read(prefix, stream) >= stream.written:
            raise RuntimeError("the service had read all there was: write more events for it")
        return Seen(_between(before, after, ended - began), tuple(memory))


def _between(before: Counts, after: Counts, seconds: float) -> Applied:
    events, sent, ticks = (after.get(name, 0.0) - before.get(name, 0.0) for name in (APPLIED, SENT, TICKS))
    return Applied(events / seconds, int(events), seconds, 100 * sent / max(events, 1), 100 * ticks / max(events, 1))


@asynccontextmanager
async def watched(process: Process) -> AsyncIterator[list[float]]:
    """Its memory, a figure each half second."""
    seen: list[float] = []

    async def watch() -> None:
        while True:
            seen.append(process.memory())
            await asyncio.sleep(0.5)

    task = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

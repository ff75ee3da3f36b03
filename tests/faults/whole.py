"""A whole seed: a stack of its own, the course of events, the verdict."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from deploy.local import stack as local
from tests.faults import course, load, size
from tests.faults.run import opened
from tests.faults.table import Table
from tests.faults.verdict import landings, pauses, verdict


async def seed(number: int, home: Path, *, short: bool, keep: bool, say: Callable[[str], None]) -> Table:
    """Run one seed and say what came of it. Everything started is ended, and removed unless `keep`."""
    began = time.monotonic()
    chosen = size.short(number) if short else size.whole(number)
    made = load.make(chosen)
    stack = await asyncio.to_thread(local.up, home, given=local.Given())
    try:
        async with opened(stack, made, f"seed{number}", say=say) as run:
            say(f"seed {number}: {made.events:,} events over {chosen.days} days, logs in {run.folder}")
            await course.live(run)
            lived = time.monotonic() - began
            table = await verdict(run)
            pauses(table, run, chosen.kills)
            table.told("time of the run / with its verdict, s", f"{lived:.0f} / {time.monotonic() - began:.0f}")
            say(landings(run))
            return table
    finally:
        await asyncio.to_thread(local.down, home)
        if not keep:
            shutil.rmtree(home, ignore_errors=True)

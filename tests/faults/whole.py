"""A whole seed: a stack of its own, the course of events, the midnights, the verdict."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from deploy.local import ports
from deploy.local import stack as local
from tests.faults import course, load, size
from tests.faults.midnight import How, midnight
from tests.faults.run import opened
from tests.faults.table import Table
from tests.faults.verdict import landings, pauses, verdict

MOST_S: Final = 8 * 60
SHOWN: Final = ("distinct and sound", "false alerts", "alerts standing at the end")
MIDNIGHTS: Final[tuple[How, ...]] = ("down", "frozen")


async def seed(number: int, home: Path, *, short: bool, keep: bool, say: Callable[[str], None]) -> Table:
    """Run one seed and say what came of it. Everything started is ended, and removed unless `keep`."""
    began = time.monotonic()
    stack = await asyncio.to_thread(local.up, home, given=local.Given())
    try:
        table = await _days(number, stack, short=short, say=say)
        # A short seed has one of the midnights, the next one the other.
        for how in MIDNIGHTS if not short else (MIDNIGHTS[number % len(MIDNIGHTS)],):
            say(f"{time.monotonic() - began:5.0f} s  a midnight while the service is {how}")
            table.told_by(await midnight(number, stack, how, say=say), f"midnight while {how}", *SHOWN)
        took = time.monotonic() - began
        if short:
            table.told("time of the seed, s", took)
        else:
            table.most("time of the seed, s", took, MOST_S)
        return table
    finally:
        await asyncio.to_thread(local.down, home)
        if not keep:
            shutil.rmtree(home, ignore_errors=True)


async def _days(number: int, stack: local.Stack, *, short: bool, say: Callable[[str], None]) -> Table:
    chosen = size.short(number) if short else size.whole(number)
    made = load.make(chosen, ports.choose())
    async with opened(stack, made, f"seed{number}", say=say) as run:
        say(f"seed {number}: {made.events:,} made events over {chosen.days} days, logs in {run.folder}")
        await course.live(run)
        table = await verdict(run)
        pauses(table, run, chosen.kills)
        say(landings(run))
        return table

"""`python -m tests.bench [case ...]`, which is `make bench`: measures on a stack of its own, prints the table and
writes it to TABLE.md beside this file.

Cases run in turn, round by round, so that a machine that is slow for a while is slow for all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import signal
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from deploy.local import stack as local
from deploy.local.jars import KAFKA_VERSION
from tests.bench import cases, report
from tests.bench.ground import ground
from tests.bench.table import Table, machine

KNOWN = (*cases.CASES, cases.RULES)
PAGE = Path(__file__).parent / "TABLE.md"


def main() -> int:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("case", nargs="*", help=f"of {', '.join(KNOWN)}; none: all but the last")
    parser.add_argument("--rounds", type=int, help="how often each case is asked (5)")
    parser.add_argument("--seconds", type=float, help="how long a window is (30)")
    parser.add_argument("--rows", type=int, help="how many rows the file of `imports` has (200,000)")
    parser.add_argument("--quick", action="store_true", help="small and short: shows that it runs, and no more")
    parser.add_argument("--out", type=Path, help="where the table goes; a full run writes TABLE.md by itself")
    options = parser.parse_args()
    if unknown := set(options.case) - set(KNOWN):
        parser.error(f"there is no case {', '.join(sorted(unknown))}; there are {', '.join(KNOWN)}")
    size = cases.QUICK if options.quick else cases.Size()
    size = replace(size, rounds=options.rounds or size.rounds, seconds=options.seconds or size.seconds)
    size = replace(size, rows=options.rows or size.rows)
    chosen = options.case or list(cases.CASES)
    # Asked to end, it ends what it has started, as on Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    page, _ = bench(size, chosen)
    print(page)
    out = options.out or (None if options.quick or options.case else PAGE)
    if out is not None:
        out.write_text(page, encoding="utf-8")
    return 0


def bench(size: cases.Size, chosen: list[str]) -> tuple[str, Table]:
    """The page and its table; everything that was started is ended."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    home = Path(tempfile.mkdtemp(prefix="rapport-bench-"))
    try:
        stack = local.up(home, given=local.Given())
        return asyncio.run(_bench(stack, size, chosen))
    finally:
        local.wipe(home)
        shutil.rmtree(home, ignore_errors=True)


async def _bench(stack: local.Stack, size: cases.Size, chosen: list[str]) -> tuple[str, Table]:
    async with ground(stack, _say) as where:
        told = await where.client.admin.command("buildInfo")
        run = await cases.run(where, size, chosen)
    made = report.table(run)
    heading = [
        f"{size.rounds} rounds of {size.seconds:g} s windows, cases in turn; {datetime.now(UTC):%Y-%m-%d}. "
        "Median and range over the rounds.",
        "",
        machine(KAFKA_VERSION, told["version"]),
    ]
    return made.markdown(heading), made


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""`python -m tests.faults --seed N [--short]`: one seed on a stack of its own; prints its table, exits 1 if wrong."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.faults.wait import ended_gently
from tests.faults.whole import seed


def main() -> int:
    """Run one seed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="a minute instead of several")
    parser.add_argument("--home", type=Path, help="keep data and logs there")
    options = parser.parse_args()
    home = options.home or Path(tempfile.mkdtemp(prefix="rapport-faults-"))
    with ended_gently():
        table = asyncio.run(seed(options.seed, home, short=options.short, keep=options.home is not None, say=_say))
    print(table.text())
    return 1 if table.wrong else 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())

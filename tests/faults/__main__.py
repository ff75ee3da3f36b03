"""`python -m tests.faults --seed N [--short]`: one seed and its table; exit code 1 where a promise was broken."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import traceback
from pathlib import Path

from tests.faults.wait import ended_gently
from tests.faults.whole import seed

LAST = -3  # frames of what went wrong: where it was noticed, not the way there


def main() -> int:
    """Run one seed and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="smaller: every stage and every promise, in a minute")
    parser.add_argument("--home", type=Path, help="keep data and logs there")
    options = parser.parse_args()
    home = options.home or Path(tempfile.mkdtemp(prefix="rapport-faults-"))
    try:
        with ended_gently():
            table = asyncio.run(seed(options.seed, home, short=options.short, keep=options.home is not None, say=_say))
    except Exception as error:  # noqa: BLE001 - told in a few lines, the reason first, so that no log cuts it off
        print(f"the run could not go on: {error!r}\n{''.join(traceback.format_exception(error, limit=LAST))}")
        return 1
    print(table.text())
    return 1 if table.wrong else 0


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""`make faults`: whole seeds, three of them, or SEEDS=n; SHORT=1 for the small ones that CI runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.whole import seed

SEEDS = int(os.environ.get("SEEDS") or 3)
SHORT = os.environ.get("SHORT", "") not in ("", "0")


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", range(1, SEEDS + 1))
async def test_nothing_is_lost_or_counted_twice_or_falsely_alarmed(number: int, tmp_path: Path) -> None:
    table = await seed(number, tmp_path / "stack", short=SHORT, keep=False, say=_say)
    print(f"\n{table.text()}", flush=True)
    assert not table.wrong, "\n".join(f"{row.what}: {row.figure}, wanted {row.wanted}" for row in table.wrong)


def _say(line: str) -> None:
    print(line, flush=True)

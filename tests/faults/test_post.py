"""Every notification arrives, by mail and by webhook, whenever the service is killed while it hands them over."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from deploy.local import stack as local
from tests.faults.post import post

SHORT = os.environ.get("SHORT", "") not in ("", "0")
FORCED, RANDOM = (2, 2) if SHORT else (10, 8)


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_every_notification_arrives_and_what_arrives_twice_is_on_record(tmp_path: Path) -> None:
    stack = await asyncio.to_thread(local.up, tmp_path / "stack", given=local.Given())
    try:
        table = await post(1, stack, forced=FORCED, random=RANDOM, say=lambda _: None)
    finally:
        await asyncio.to_thread(local.down, tmp_path / "stack")
    print(f"\n{table.text()}", flush=True)
    assert not table.wrong, table.text()

"""Every notification arrives, by mail and by webhook, whenever the service is killed while it hands them over."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from deploy.local import stack as local
from tests.faults.post import post

SHORT = os.environ.get("SHORT", "") not in ("", "0")
FORCED, RANDOM = (2, 2) if SHORT else (10, 8)
pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[local.Stack]:
    """A stack that these runs have to themselves, for they empty its topics."""
    home = tmp_path_factory.mktemp("post") / "stack"
    yield await asyncio.to_thread(local.up, home, given=local.Given())
    await asyncio.to_thread(local.down, home)


async def test_every_notification_arrives_and_what_arrives_twice_is_on_record(own: local.Stack) -> None:
    table = await post(1, own, forced=FORCED, random=RANDOM, say=lambda _: None)
    print(f"\n{table.text()}", flush=True)
    assert not table.wrong, table.text()


@pytest.mark.skipif(SHORT, reason="a short run is for the service; this is about the run itself")
async def test_a_service_that_forgets_what_is_in_doubt_is_caught(own: local.Stack) -> None:
    table = await post(1, own, forced=2, random=0, say=lambda _: None, plant="undoubted")
    wrong = [row.what for row in table.wrong]
    assert "mail: what came again without having been in doubt" in wrong, table.text()
    assert "webhook: what came again without having been in doubt" in wrong, table.text()

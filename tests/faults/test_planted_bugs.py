"""The test of the test: each bug, planted into the running service, makes a fault run fail by the line made for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from deploy.local import stack as local
from tests.faults.bugs import BUGS, Bug, caught

SHORT = os.environ.get("SHORT", "") not in ("", "0")
pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(240),
    pytest.mark.skipif(SHORT, reason="a short run is for the service; this is about the run itself"),
]


@pytest.fixture(scope="module")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[local.Stack]:
    """A stack that these runs have to themselves, for they empty its topics."""
    home = tmp_path_factory.mktemp("planted") / "stack"
    yield await asyncio.to_thread(local.up, home, given=local.Given())
    await asyncio.to_thread(local.down, home)


async def test_a_sound_service_comes_through_all_of_it(own: local.Stack) -> None:
    table = await caught(None, own, say=lambda _: None)
    assert not table.wrong, table.text()


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
async def test_a_planted_bug_is_caught(bug: Bug, own: local.Stack) -> None:
    table = await caught(bug, own, say=lambda _: None)
    print(f"\n{bug.name}: " + "; ".join(f"{row.what}: {row.figure}" for row in table.wrong), flush=True)
    assert any(row.what.startswith(bug.shows) for row in table.wrong), table.text()

"""A gateway and the processes of two services on one bus, for each test anew: some of them are killed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from deploy.local.stack import Stack
from tests.together.suitekit import Suite, suite_on


@pytest_asyncio.fixture(loop_scope="session")
async def suite(stack: Stack, tmp_path: Path) -> AsyncIterator[Suite]:
    async with suite_on(stack, tmp_path) as opened:
        yield opened

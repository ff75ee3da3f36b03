"""A house for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from deploy.local.stack import Stack
from tests.kafka.house import House, house_on


@pytest_asyncio.fixture(loop_scope="session")
async def house(stack: Stack) -> AsyncIterator[House]:
    """A group and database of the test's own; reading begins where the topics end now."""
    async with house_on(stack.kafka, stack.mongo) as house:
        await house.begin_at_end()
        yield house

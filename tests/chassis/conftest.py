"""What the chassis' own tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from deploy.local.stack import Stack
from tests.chassis.lab import Lab, opened


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def lab(stack: Stack) -> AsyncIterator[Lab]:
    """One database for all tests that look only at subjects of their own."""
    async with opened(stack.mongo) as lab:
        yield lab


@pytest_asyncio.fixture(loop_scope="session")
async def fresh(stack: Stack) -> AsyncIterator[Lab]:
    """A database of the test's own."""
    async with opened(stack.mongo) as lab:
        yield lab

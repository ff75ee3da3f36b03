"""One gateway for all tests that look only at customers of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from tests.gateway.gatekit import House, house
from tests.gateway.pagekit import running


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def gateway(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(stack.kafka, stack.mongo, tmp_path_factory.mktemp("home"), gateway_sources_seconds=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def environment(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A gateway as a process, and what a reader of its pages has at hand."""
    with running(stack, tmp_path_factory.mktemp("drops")) as told:
        yield told

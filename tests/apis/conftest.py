"""One suite for all tests that ask every service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.local.stack import Stack
from tests.apis.filled import Suite, suite_on


@pytest.fixture(scope="module")
def suite(stack: Stack) -> Iterator[Suite]:
    """It takes what others send to the same topics, and answers: so it ends with its module."""
    with suite_on(stack) as running:
        yield running

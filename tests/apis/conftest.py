"""One suite for all tests that ask every service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.local.stack import Stack
from tests.apis.filled import Suite, suite_on


@pytest.fixture(scope="package")
def suite(stack: Stack) -> Iterator[Suite]:
    with suite_on(stack) as running:
        yield running

"""Whoever ends a fault run ends what it has started too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.wait import ended_gently


@pytest.fixture(scope="session", autouse=True)
def gently() -> Iterator[None]:
    """SIGTERM is taken like Ctrl-C, so that brokers, databases and services do not outlive the run."""
    with ended_gently():
        yield

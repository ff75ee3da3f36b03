"""What tests share: the real broker and database, started once a run and stopped at its end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from deploy.local import stack as local

# How long an example takes says more of the machine than of the code.
settings.register_profile("rapport", deadline=None)
settings.load_profile("rapport")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--rows` for who wants a shorter proof, or a longer one."""
    parser.addoption("--rows", type=int, default=100_000, help="rows of the file of tests/gateway/test_import_proof.py")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[local.Stack]:
    """The broker and database for tests: those given by RAPPORT_KAFKA and RAPPORT_MONGO, else a stack of the run's
    own.
    """
    home = Path(os.environ.get("RAPPORT_TEST_HOME") or tmp_path_factory.mktemp("rapport"))
    running = local.up(home)
    yield running
    local.down(home)
    if "RAPPORT_TEST_HOME" not in os.environ:
        shutil.rmtree(home, ignore_errors=True)

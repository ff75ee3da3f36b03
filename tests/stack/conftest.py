"""Data folders for tests of the local stack: each its own, nothing of them left afterwards."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local import process, stack


def running_in(home: Path) -> list[int]:
    """The processes that work on this data folder, whoever remembers them."""
    found = process.with_arguments("--dbpath", str(home / "mongo"))
    found += process.with_arguments("kafka.Kafka", str(home / "kafka.properties"))
    return sorted(entry.pid for entry in found)


@pytest.fixture(autouse=True)
def no_given_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about starting, also where a run is given a broker and a database."""
    monkeypatch.delenv("RAPPORT_KAFKA", raising=False)
    monkeypatch.delenv("RAPPORT_MONGO", raising=False)


@pytest.fixture
def processes_of() -> Callable[[Path], list[int]]:
    """Asks the system, not the state file."""
    return running_in


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A data folder that does not exist yet."""
    folder = tmp_path / "home"
    yield folder
    stack.wipe(folder)
    assert running_in(folder) == []


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One data folder for the tests of a module; each test calls `up`, which is quick where the last one left it up."""
    folder = tmp_path_factory.mktemp("shared") / "home"
    yield folder
    stack.wipe(folder)
    assert running_in(folder) == []

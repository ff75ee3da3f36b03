"""Telling the person in front of the terminal what takes time."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

_NOTICES = 4


class Report(Protocol):
    """Where the stack says what it is doing."""

    def say(self, text: str) -> None:
        """One line about what happens now."""

    def fetching(self, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """A download of `total` bytes; what it gives is told how many have arrived so far."""


class Silent:
    """Says nothing: for tests and for code that reports in its own way."""

    def say(self, text: str) -> None:
        """Nobody listens."""

    @contextmanager
    def fetching(self, total: int) -> Iterator[Callable[[int], None]]:
        """Nobody listens."""
        yield lambda _done: None


class Plain:
    """Lines of text, for logs: a download speaks at every quarter."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    @contextmanager
    def fetching(self, total: int) -> Iterator[Callable[[int], None]]:
        said = 0

        def arrived(done: int) -> None:
            nonlocal said
            if _NOTICES * done // total > said:
                said = _NOTICES * done // total
                self.say(f"  {done / 1e6:.0f} of {total / 1e6:.0f} MB")

        yield arrived


class Live:
    """A moving bar, for a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)

    @contextmanager
    def fetching(self, total: int) -> Iterator[Callable[[int], None]]:
        columns = (TextColumn("  {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=self._console) as bar:
            task = bar.add_task("fetching", total=total)
            yield lambda done: bar.update(task, completed=done)


def for_terminal(stream: TextIO | None = None) -> Report:
    """A moving bar where the stream (standard error unless given) is a terminal, plain lines elsewhere."""
    stream = stream or sys.stderr
    return Live(Console(file=stream)) if stream.isatty() else Plain(stream)

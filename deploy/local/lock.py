"""A lock between processes, on a file."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.errors import StackError

_POLL_S = 0.05


@contextmanager
def locked(path: Path, *, wait_s: float, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock on `path`, waiting for another holder for at most `wait_s` seconds (`waiting` is called once then).

    The system lets go of it when the holder dies. Raises StackError when the wait was in vain.
    """
    handle = _acquire(path, wait_s, waiting)
    try:
        yield
    finally:
        os.close(handle)


def _acquire(path: Path, wait_s: float, waiting: Callable[[], None]) -> int:
    deadline = time.monotonic() + wait_s
    told = False
    while (handle := _try(path)) is None:
        if not told:
            waiting()
            told = True
        if time.monotonic() > deadline:
            raise StackError(
                f"Another command has held {path} for {wait_s:.0f} seconds.",
                "Wait until it is done, or end it, and try again.",
            )
        time.sleep(_POLL_S)
    return handle


def _try(path: Path) -> int | None:
    try:
        import fcntl  # noqa: PLC0415 - missing on Windows, where the rest of the command still has to load
    except ImportError as error:
        raise StackError("The local stack needs Linux or macOS.", "Use `docker compose up` here.") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A wipe may have removed the file meanwhile: a lock on a file that nobody else can find protects nothing.
        if os.fstat(handle).st_ino == path.stat().st_ino:
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None

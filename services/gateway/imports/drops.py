"""The watched folder as files: what lies in it, reading one of them, and putting it away with what became of it.

Whoever may lay files there is trusted with rows and not with this process: no link is ever followed, names are never
put together into a path, and nothing that is no plain file is opened. Every function blocks, and raises OSError where
the folder cannot be read or written at the moment.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from contracts.refusal import Refused
from services.chassis import marks
from services.gateway.model import drops
from services.gateway.model.drops import Mark, Place
from services.gateway.model.kinds import KINDS

DEEPEST: Final = 8  # folders below the top
MOST: Final = 10_000  # files of one look; the rest waits for the next
PIECE: Final = 1_000_000
_GONE: Final = (errno.ENOENT, errno.ELOOP, errno.ENXIO)  # no longer there, or another thing under its name
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe would be waited for


class Changed(Exception):  # noqa: N818 - nothing is wrong: it is looked at again
    """The file is another than it was: somebody still writes it, or has taken it away."""


@dataclass(frozen=True)
class Drop:
    """A file in the folder. `plain`: no link, pipe or device."""

    place: Place
    name: str
    mark: Mark
    plain: bool


@dataclass
class Found:
    """What one look has seen: files to be taken, files that lie where nothing is taken, and what could not be read."""

    drops: list[Drop] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


def scan(top: Path) -> Found:
    """Look through the folder, in the order of names. Raises OSError where there is none."""
    found = Found()
    top.stat()

    def trouble(error: OSError) -> None:
        found.troubles.append(f"{drops.shown(str(error.filename))}: {error.strerror}")

    for root, folders, names, number in os.fwalk(top, onerror=trouble, follow_symlinks=False):
        parts = Path(root).relative_to(top).parts
        place = drops.place_of(parts, KINDS)
        hidden = place is not None or len(parts) >= DEEPEST
        folders[:] = [] if hidden else sorted(name for name in folders if not drops.unfinished(name))
        for name in sorted(name for name in names if not drops.unfinished(name)):
            if place is None:
                found.misplaced.append(drops.shown("/".join((*parts, name))))
            elif (seen := _drop(place, name, number)) is not None and len(found.drops) < MOST:
                found.drops.append(seen)
    return found


def _drop(place: Place, name: str, folder: int) -> Drop | None:
    with suppress(FileNotFoundError):
        seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
        return Drop(place, name, _mark(place, name, seen), stat.S_ISREG(seen.st_mode))
    return None


def _mark(place: Place, name: str, seen: os.stat_result) -> Mark:
    path = os.fsencode("/".join((*place.folders, name))).decode(errors="backslashreplace")
    return Mark(path, seen.st_ino, seen.st_size, seen.st_mtime_ns)


@contextmanager
def folder(top: Path, parts: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
    """A folder below the top, step by step without following a link; made where it is missing, if it may be."""
    number = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=number)
            deeper = os.open(part, _FOLDER, dir_fd=number)
            os.close(number)
            number = deeper
        yield number
    finally:
        os.close(number)


def opened(top: Path, drop: Drop) -> IO[bytes]:
    """The file, to be read.

    Raises Refused `no_file` for what is no plain file, `not_readable` where this process may not read it; Changed.
    """
    if not drop.plain:
        raise Refused("no_file", "this is a link, a pipe or a device; expected a file itself")
    with folder(top, drop.place.folders) as number:
        try:
            file = os.fdopen(os.open(drop.name, _FILE, dir_fd=number), "rb")
        except PermissionError:
            said = "the gateway may not read the file; expected one that it may (lay it there again with such rights)"
            raise Refused("not_readable", said) from None
        except OSError as error:
            if error.errno not in _GONE:
                raise
            raise Changed(drop.name) from None
    try:
        check(file, drop)
    except BaseException:
        file.close()
        raise
    return file


def check(file: IO[bytes], drop: Drop) -> None:
    """Whether it still is what it was. Raises Changed."""
    seen = os.fstat(file.fileno())
    if not stat.S_ISREG(seen.st_mode) or _mark(drop.place, drop.name, seen) != drop.mark:
        raise Changed(drop.name)


def put_away(top: Path, drop: Drop, into: str, mark: str, papers: Mapping[str, Callable[[IO[bytes]], None]]) -> str:
    """Move the file into `done` or `refused` beside it, under a name that begins with `mark`; returns that name.

    First come the papers about it: each is written whole, under the file's new name with its own ending. What was
    interrupted is done again in the same way. Raises Changed where the file was written to meanwhile.
    """
    with folder(top, drop.place.folders) as own, folder(top, (*drop.place.folders, into), make=True) as tray:
        if _drop(drop.place, drop.name, own) != drop:
            raise Changed(drop.name)
        name = _free(tray, drops.kept_name(mark, drop.name))
        for ending, write in papers.items():
            _write(tray, name + ending, write)
        marks.reach(marks.FOLDER_AFTER_PAPERS)
        os.rename(drop.name, name, src_dir_fd=own, dst_dir_fd=tray)
        marks.reach(marks.FOLDER_AFTER_MOVE)
        os.fsync(tray)
        os.fsync(own)
    return name


def _free(tray: int, wanted: str) -> str:
    """The name, or where there is such a file already (the same one was laid there twice) one beside it."""
    name, n = wanted, 1
    while True:
        try:
            os.stat(name, dir_fd=tray, follow_symlinks=False)
        except FileNotFoundError:
            return name
        n += 1
        stem, point, ending = wanted.rpartition(".")
        name = f"{stem}-{n}.{ending}" if point else f"{wanted}-{n}"


def _write(tray: int, name: str, write: Callable[[IO[bytes]], None]) -> None:
    hidden = f".{name}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(hidden, flags, 0o640, dir_fd=tray), "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(hidden, name, src_dir_fd=tray, dst_dir_fd=tray)
    except BaseException:
        with suppress(OSError):
            os.unlink(hidden, dir_fd=tray)
        raise

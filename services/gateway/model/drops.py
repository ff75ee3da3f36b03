"""Files laid into a folder: which of them are meant, whose they are, and when one is whole. No file is touched here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

DONE: Final = "done"
REFUSED: Final = "refused"
# Names that programs give to what they are still writing, and that people's programs leave behind.
_BEGINNINGS: Final = (".", "~", "#")
_ENDINGS: Final = (
    "~", ".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".swp", ".lock", ".writing",
)  # fmt: skip
_LONGEST: Final = 120  # bytes of a name that are kept where more is put before and behind it; folders allow 255


class Place(NamedTuple):
    """Where files of a kind are laid for a source: the folders from the top, the last of them the kind's."""

    folders: tuple[str, ...]

    @property
    def source(self) -> str:
        """The `source` of the events: `erp/shanghai` of the folders erp/shanghai/invoices."""
        return "/".join(self.folders[:-1])

    @property
    def kind(self) -> str:
        """The kind of file."""
        return self.folders[-1]


class Mark(NamedTuple):
    """What a file is known by while it lies there. Another size or moment (`changed_ns`) is another file."""

    path: str
    inode: int
    size: int
    changed_ns: int

    @property
    def text(self) -> str:
        """As it is kept; what begins with `place` is the same file at another moment."""
        return f"{self.place}{self.size}\t{self.changed_ns}"

    @property
    def place(self) -> str:
        """The file, whatever has been written into it since."""
        return f"{self.path}\t{self.inode}\t"


def place_of(folders: tuple[str, ...], kinds: Collection[str]) -> Place | None:
    """The place that these folders are; None where they are none (yet)."""
    if len(folders) < 2 or folders[-1] not in kinds:
        return None
    return Place(folders) if all(map(readable, folders)) else None


def readable(name: str) -> bool:
    """Whether a name can stand in a `source`: text, no control characters, no blanks at its ends."""
    return name.isprintable() and name == name.strip() and "\\" not in name


def unfinished(name: str) -> bool:
    """Whether this is a name for something that is still being written, or is none of ours."""
    return name.startswith(_BEGINNINGS) or name.lower().endswith(_ENDINGS)


def shown(name: str) -> str:
    """A file's name as it can be told: bytes that are no text and control characters are replaced."""
    whole = name.encode("utf-8", "replace").decode()
    return "".join(char if char.isprintable() else "?" for char in whole)


def kept_name(mark: str, name: str) -> str:
    """The name under which a file is put away: never one that was used before, and short enough to be a name. `mark`
    tells it from others of its name.
    """
    told = shown(name).replace("/", "?")
    stem, point, ending = told.rpartition(".")
    if not point or len(ending) > 10:
        stem, point, ending = told, "", ""
    short = stem.encode()[:_LONGEST].decode(errors="ignore")
    return f"{mark}-{short}{point}{ending}"


class Settling:
    """When each file has been the same for long enough. One object a watcher; moments are seconds of any clock that
    never goes back.
    """

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._since: dict[str, tuple[Mark, int]] = {}

    def look(self, found: Mapping[str, Mark], now: int) -> set[str]:
        """The paths of those that have not changed for so many seconds. What is no longer there is forgotten."""
        since = self._since
        self._since = {
            path: since[path] if path in since and since[path][0] == mark else (mark, now)
            for path, mark in found.items()
        }
        return {path for path, (_, first) in self._since.items() if now - first >= self._seconds}

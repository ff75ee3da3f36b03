"""Workbooks (XLSX), row by row: what a cell shows, as text that needs no spreadsheet to be read."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import IO, Any, Final
from xml.etree import ElementTree

from openpyxl import load_workbook
from openpyxl.reader import excel
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.workbook.workbook import Workbook
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from contracts.refusal import Refused
from services.gateway.imports.texts import Line

UNPACKED: Final = 2_000_000_000  # bytes of a workbook as XML; what is more is no honest table
PART: Final = 30_000_000  # bytes of a part beside sheets and texts (styles, names): they are read whole
ROW: Final = 50_000_000  # bytes of a row as XML, or of what stands before or behind the rows
ROWS: Final = 1_048_576  # of a sheet; a higher number is no row of a spreadsheet
CELLS: Final = 60_000_000  # of a sheet, with the empty ones before others
SHARED: Final = 200_000_000  # bytes of texts that a workbook keeps apart from its sheets; they lie in memory
_KINDS: Final = "[Content_Types].xml"
_DIGITS: Final = ".15g"  # a spreadsheet keeps 15 digits of a number, and what follows is the binary fraction's
_WIDEST: Final = 15
# What the library raises over broken archives and broken XML (a ParseError is a SyntaxError).
_BROKEN: Final = (
    *(zipfile.BadZipFile, InvalidFileException, zlib.error, SyntaxError),
    *(KeyError, ValueError, IndexError, TypeError, AttributeError, OSError, EOFError, NotImplementedError),
)


class _Unmeasured(ReadOnlyWorksheet):
    """A sheet that is not searched for its size when the workbook is opened: without one stated that is all of it, read
    where nothing guards it (`records` does not believe what is stated anyway).
    """

    def _get_size(self) -> None:
        """Nothing is looked for."""


vars(excel)["ReadOnlyWorksheet"] = _Unmeasured  # the reader takes no other from outside


def opened(file: IO[bytes]) -> Workbook:
    """The workbook. Raises Refused `unreadable_workbook`, `too_large`."""
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as packed:
            _check_sizes(packed)
        return load_workbook(file, read_only=True, data_only=True)
    except Refused:
        raise
    except _BROKEN as error:
        raise _unreadable(error) from None


def _check_sizes(packed: zipfile.ZipFile) -> None:
    """Raises Refused `too_large`: of what an archive unpacks to, most is read whole."""
    sizes = {one.filename: one.file_size for one in packed.infolist()}
    kinds = _kinds(packed, sizes.get(_KINDS, 0))
    for name, size in sizes.items():
        kind = kinds.get(name, "")
        sheet = kind.endswith(".worksheet+xml") or (not kind and name.startswith("xl/worksheets/"))
        most = UNPACKED if sheet else SHARED if kind.endswith(".sharedStrings+xml") else PART
        if size > most and (kind or name.endswith((".xml", ".rels"))):
            raise _too_large()
    if sum(sizes.values()) > UNPACKED:
        raise _too_large()


def _kinds(packed: zipfile.ZipFile, size: int) -> dict[str, str]:
    """What each part of the archive is, as it says itself."""
    if size > PART:
        raise _too_large()
    stated = ElementTree.fromstring(packed.read(_KINDS))  # noqa: S314 - expat bounds what entities grow to
    return {one.get("PartName", "").lstrip("/"): one.get("ContentType", "") for one in stated}


def _too_large() -> Refused:
    return Refused("too_large", "the workbook is too large once unpacked; expected less (CSV has no such limit)")


class _Guarded:
    """A sheet's XML as it is unpacked, which breaks off where no row comes to its end: a row is read whole. Whoever
    gets a row sets `since` to 0.
    """

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.since = 0

    def read(self, size: int = -1) -> bytes:
        """See `IO`. Raises ValueError where a row is too long."""
        # The longer nothing ends, the more at once: the parser looks at what has no end from its beginning each time.
        piece = self._source.read(max(size, self.since))
        self.since += len(piece)
        if self.since > ROW:
            raise ValueError("a row without end")
        return piece

    def __enter__(self) -> _Guarded:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()


def sheets(book: Workbook) -> list[str]:
    """The names of the sheets that can be seen, in their order."""
    return [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"]


def since_1904(book: Workbook) -> bool:
    """Whether its dates are counted from 1904."""
    return bool(book.epoch == CALENDAR_MAC_1904)


def records(book: Workbook, sheet: str) -> Iterator[Line]:
    """The rows of a sheet, empty ones left out. Raises Refused `unreadable_workbook`."""
    found, guards = book[sheet], list[_Guarded]()
    if isinstance(found, ReadOnlyWorksheet):
        found.reset_dimensions()  # what a file says of its size may be wrong, and would cut it off
        _guard(found, guards)
    width = 0
    try:
        for number, row in enumerate(found.iter_rows(values_only=True), start=1):
            for one in guards:
                one.since = 0
            width += len(row)
            if number > ROWS or width > CELLS:
                raise _too_large()
            cells = [_text(value) for value in row]
            while cells and not cells[-1].strip():
                cells.pop()
            if cells:
                yield Line(number, cells)
    except Refused:
        raise
    except _BROKEN as error:
        raise _unreadable(error) from None


def _guard(sheet: Any, guards: list[_Guarded]) -> None:
    source = sheet._get_source  # the only way in between, of which the types know nothing

    def guarded() -> _Guarded:
        guards.append(_Guarded(source()))
        return guards[-1]

    sheet._get_source = guarded


def _unreadable(error: Exception) -> Refused:
    said = f"the workbook cannot be read ({type(error).__name__}); expected an .xlsx file, whole and without a password"
    return Refused("unreadable_workbook", said)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) < 10**_WIDEST:
        return str(value)
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ", timespec="seconds")
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _number(value: float) -> str:
    """The digits that the sheet shows. A longer number has lost its end and stays in the form that says so."""
    if abs(value) >= 10**_WIDEST:
        return f"{value:.14E}"
    return f"{Decimal(format(value, _DIGITS)):f}"

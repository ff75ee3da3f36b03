"""Workbooks (XLSX), row by row: what a cell shows, as text that needs no spreadsheet to be read."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import IO, Any, Final

from openpyxl import load_workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.workbook.workbook import Workbook
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from contracts.refusal import Refused
from services.gateway.imports.texts import Line

UNPACKED: Final = 2_000_000_000  # bytes of a workbook as XML; what is more is no honest table
SHARED: Final = 200_000_000  # bytes of texts that a workbook keeps apart from its sheets; they lie in memory
_DIGITS: Final = ".15g"  # a spreadsheet keeps 15 digits of a number, and what follows is the binary fraction's
_WIDEST: Final = 15
# What the library raises over broken archives and broken XML (a ParseError is a SyntaxError).
_BROKEN: Final = (
    *(zipfile.BadZipFile, InvalidFileException, zlib.error, SyntaxError),
    *(KeyError, ValueError, IndexError, TypeError, AttributeError, OSError, EOFError, NotImplementedError),
)


def opened(file: IO[bytes]) -> Workbook:
    """The workbook. Raises Refused `unreadable_workbook`, `too_large`."""
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as packed:
            sizes = {one.filename: one.file_size for one in packed.infolist()}
        if sum(sizes.values()) > UNPACKED or sizes.get("xl/sharedStrings.xml", 0) > SHARED:
            raise Refused("too_large", "the workbook is too large once unpacked; expected less (CSV has no such limit)")
        return load_workbook(file, read_only=True, data_only=True)
    except Refused:
        raise
    except _BROKEN as error:
        raise _unreadable(error) from None


def sheets(book: Workbook) -> list[str]:
    """The names of the sheets that can be seen, in their order."""
    return [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"]


def since_1904(book: Workbook) -> bool:
    """Whether its dates are counted from 1904."""
    return bool(book.epoch == CALENDAR_MAC_1904)


def records(book: Workbook, sheet: str) -> Iterator[Line]:
    """The rows of a sheet, empty ones left out. Raises Refused `unreadable_workbook`."""
    found = book[sheet]
    if isinstance(found, ReadOnlyWorksheet):
        found.reset_dimensions()  # what a file says of its size may be wrong, and would cut it off
    try:
        for number, row in enumerate(found.iter_rows(values_only=True), start=1):
            cells = [_text(value) for value in row]
            while cells and not cells[-1].strip():
                cells.pop()
            if cells:
                yield Line(number, cells)
    except _BROKEN as error:
        raise _unreadable(error) from None


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

"""Tables that people open in a spreadsheet: CSV in which no cell is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

MARK: Final = b"\xef\xbb\xbf"  # Excel takes UTF-8 for what it is only behind a byte order mark
MEDIA_TYPE: Final = "text/csv; charset=utf-8"
# With the wide forms, which spreadsheets in Chinese take for the same.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; `restored` takes the apostrophe off again."""
    return "'" + cell if cell.startswith(_FORMULA) else cell


def restored(cell: str) -> str:
    """A cell as it was before `harmless`."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_FORMULA) else cell


def lines(rows: Iterable[Sequence[str | Decimal]]) -> bytes:
    """Rows as lines of CSV in UTF-8: texts harmless, numbers as they are, below zero too."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([harmless(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return text.getvalue().encode()


def attached(name: str) -> dict[str, str]:
    """The headers under which a browser keeps the table as a file of that name (plain ASCII)."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}

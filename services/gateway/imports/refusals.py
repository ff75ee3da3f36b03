"""The rows of an import that were refused, as a file to be corrected and imported."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from typing import Final

from services.chassis.mongo import Database
from services.gateway.imports import store
from services.gateway.imports.files import harmless
from services.gateway.imports.store import Import

_REASONS: Final = ("refused line", "refused column", "refused because")  # headings that no kind of file asks for
_ROWS: Final = 500  # read in one go


async def refused_csv(db: Database, one: Import) -> AsyncIterator[bytes]:
    """The rows as they came, with the reason beside each."""
    # Excel takes UTF-8 for what it is only behind a byte order mark.
    yield b"\xef\xbb\xbf" + _csv([[*one.format.headings, *_REASONS]])
    after = 0
    while found := await store.refused(db, one.id, after, _ROWS):
        yield _csv([[*row.cells, str(row.line), row.column or "", row.message] for row in found])
        after = found[-1].line


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue().encode()

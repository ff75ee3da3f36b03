"""The rows of an import that were refused, as a file to be corrected and imported."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from services.chassis.mongo import Database
from services.chassis.sheets import MARK, lines
from services.gateway.imports import store
from services.gateway.imports.store import Import

_REASONS: Final = ("refused line", "refused column", "refused because")  # headings that no kind of file asks for
_ROWS: Final = 500  # read in one go


async def refused_csv(db: Database, one: Import) -> AsyncIterator[bytes]:
    """The rows as they came, with the reason beside each."""
    yield MARK + lines([[*one.format.headings, *_REASONS]])
    after = 0
    while found := await store.refused(db, one.id, after, _ROWS):
        yield lines([[*row.cells, str(row.line), row.column or "", row.message] for row in found])
        after = found[-1].line

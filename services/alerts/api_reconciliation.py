"""The HTTP side of agreeing with the books."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from services.alerts.api_parts import parts, problems, saw
from services.alerts.reads import Scope, scope_of
from services.alerts.reads_books import every_statement, explained, statements, sums
from services.alerts.reconciliation import CSV_HEAD, ReconciliationPage, StatedView, Wanted, csv_rows, stated_view
from services.chassis.auth import Access, CurrentCaller, Role, only
from services.chassis.mongo import Database
from services.chassis.pages import WantedPage
from services.chassis.sheets import MARK, MEDIA_TYPE, attached, lines
from services.chassis.web import Audited, Auditing

BOOKKEEPERS: Final = only(Role.ANALYST, Role.OPERATOR, Role.ADMIN)  # who sees all; a manager is shown his own
ACCESS: Final[Access] = {
    ("GET", "/reconciliation"): BOOKKEEPERS | {Role.MANAGER},
    ("GET", "/reconciliation.csv"): BOOKKEEPERS | {Role.MANAGER},
}
CSV_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The table."}
}
router = APIRouter(tags=["books"])


async def _scope(request: Request, caller: CurrentCaller) -> Scope:
    runtime, rules = parts(request)
    return await scope_of(runtime.db, caller, BOOKKEEPERS, rules.day(runtime.now()))


def _wanted(
    show: Annotated[Literal["all", "out"], Query(description="`out`: out of balance only.")] = "all",
    currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$")] = None,
    source: Annotated[str | None, Query(description="Who states it.", min_length=1, max_length=512)] = None,
    customer: Annotated[str | None, Query(min_length=1, max_length=128)] = None,
) -> Wanted:
    return Wanted(show, currency, source, customer)


Sees = Annotated[Scope, Depends(_scope)]
Asked = Annotated[Wanted, Depends(_wanted)]


@router.get(
    "/reconciliation",
    summary="What the books state, beside what we have",
    response_model_exclude_none=True,
    responses=problems(400),
)
async def read_reconciliation(
    request: Request, scope: Sees, wanted: Asked, page: WantedPage, audit: Audited
) -> ReconciliationPage:
    """By customer, legal entity and currency: the balance that the books have stated last, and ours at the end of the
    same day, from all that is known now; the sums of all of them; and for each difference where to look first.
    """
    runtime, _ = parts(request)
    found, last = await statements(runtime.db, wanted, scope, page.after, page.size)
    await saw(audit, (one.customer for one in found), "GET /reconciliation")
    why = await explained(runtime.db, found)
    items = [
        stated_view(one.customer, one.name, one.stated, wanted, why.get((one.customer, one.stated.company), ()))
        for one in found
    ]
    return ReconciliationPage(items=items, next=page.cursor(last), sums=await sums(runtime.db, wanted, scope))


@router.get(
    "/reconciliation.csv",
    summary="The same as a table",
    response_class=StreamingResponse,
    responses=problems(400) | CSV_ANSWER,
)
async def download_reconciliation(request: Request, scope: Sees, wanted: Asked, audit: Audited) -> StreamingResponse:
    """All of it, a line a customer, legal entity and currency. No cell is a formula."""
    runtime, _ = parts(request)
    table = _table(runtime.db, scope, wanted, audit)
    return StreamingResponse(table, media_type=MEDIA_TYPE, headers=attached("reconciliation.csv"))


async def _table(db: Database, scope: Scope, wanted: Wanted, audit: Auditing) -> AsyncIterator[bytes]:
    yield MARK + lines([CSV_HEAD])
    async for found in every_statement(db, wanted, scope):
        await saw(audit, (one.customer for one in found), "GET /reconciliation.csv")
        why = await explained(db, found)
        views: list[StatedView] = [
            stated_view(one.customer, one.name, one.stated, wanted, why.get((one.customer, one.stated.company), ()))
            for one in found
        ]
        yield lines(row for view in views for row in csv_rows(view))

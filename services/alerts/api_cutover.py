"""The HTTP side of a cut-over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from services.alerts.api_parts import parts, problems, saw
from services.alerts.api_reconciliation import BOOKKEEPERS, CSV_ANSWER
from services.alerts.cutover import CSV_HEAD, CutoverView, Line, Report
from services.alerts.model.forecast import Span
from services.alerts.reads_cutover import coming, stood
from services.chassis.auth import Access
from services.chassis.sheets import MARK, MEDIA_TYPE, attached, lines
from services.chassis.web import Audited, Auditing

ACCESS: Final[Access] = {("GET", "/cutover"): BOOKKEEPERS, ("GET", "/cutover.csv"): BOOKKEEPERS}
Day = Annotated[date, Query(description="The day of cut-over.", ge=date(1980, 1, 1), le=date(2200, 1, 1))]
Days = Annotated[int, Query(description="How many days, from that one or today, whichever is later.", ge=1, le=366)]
router = APIRouter(tags=["cut-over"])


@router.get("/cutover", summary="What a cut-over brings", response_model_exclude_none=True, responses=problems(400))
async def read_cutover(request: Request, day: Day, days: Days = 30) -> CutoverView:
    """By rule and colleague: what stood at the beginning of the day, of which nobody is told where it was loaded as
    history; and what will be told in the days to come if nothing happens. Sums only; the table has each alert.
    """
    report = _report(request, day, days)
    async for found in _found(request, report):
        report.add(found)
    return report.view()


@router.get(
    "/cutover.csv",
    summary="Each alert of it as a table",
    response_class=StreamingResponse,
    responses=problems(400) | CSV_ANSWER,
)
async def download_cutover(request: Request, audit: Audited, day: Day, days: Days = 30) -> StreamingResponse:
    """An alert a line. No cell is a formula."""
    table = _table(request, _report(request, day, days), audit)
    return StreamingResponse(table, media_type=MEDIA_TYPE, headers=attached(f"cutover-{day.isoformat()}.csv"))


def _report(request: Request, day: date, days: int) -> Report:
    runtime, rules = parts(request)
    return Report(day, max(day, rules.day(runtime.now())), days)


async def _found(request: Request, report: Report) -> AsyncIterator[list[Line]]:
    runtime, rules = parts(request)
    async for found in stood(runtime.db, report.day):
        yield found
    async for found in coming(runtime.db, rules, Span(since=report.since, until=report.until)):
        yield found


async def _table(request: Request, report: Report, audit: Auditing) -> AsyncIterator[bytes]:
    yield MARK + lines([CSV_HEAD])
    async for found in _found(request, report):
        await saw(audit, (line.customer for line in found), "GET /cutover.csv")
        yield lines(line.cells for line in found)

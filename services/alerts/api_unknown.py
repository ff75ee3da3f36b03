"""The HTTP side of accounts that facts came with and that nobody has registered: their facts wait, and are shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from services.alerts.api_parts import SEEING_ALL, parts, problems
from services.alerts.reads_unknown import unknown
from services.chassis.auth import Access
from services.chassis.pages import Page, WantedPage
from services.chassis.problems import Problem

ACCESS: Final[Access] = {("GET", "/customers"): SEEING_ALL}
router = APIRouter()


class UnknownCustomer(BaseModel):
    """An account without a profile: how many facts came with it, and when the first and the last did."""

    id: str
    known: bool = False
    facts: int
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    alerts: int


@router.get(
    "/customers",
    tags=["customers"],
    summary="Accounts with facts that nobody has registered",
    response_model_exclude_none=True,
    responses=problems(400),
)
async def list_unknown(
    request: Request,
    page: WantedPage,
    known: Annotated[bool, Query(description="Those that are known are listed by profiles.")] = False,
) -> Page[UnknownCustomer]:
    """By id. What came with them is kept and judged already; once somebody registers the account, or says whose it is
    (`customer.linked`, `customer.merged`), it is his, with all that came before.
    """
    if known:
        raise Problem(400, "listed_elsewhere", "Customers that are known are listed by profiles; ask here known=false.")
    after = page.after
    if after is not None and not (len(after) == 1 and isinstance(after[0], str)):
        raise Problem(400, "bad_cursor", "The cursor cannot be read; begin again without one.")
    found = await unknown(parts(request)[0].db, str(after[0]) if after else "", page.size + 1)
    shown = [UnknownCustomer(**one) for one in found[: page.size]]
    return Page(items=shown, next=page.cursor((shown[-1].id,) if len(found) > page.size else None))

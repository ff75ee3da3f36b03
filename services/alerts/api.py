"""The HTTP side of the alerts service: who may call what, and what is read. What people do is in `api_decisions.py`."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse

from services.alerts import api_cadence, api_credit, api_cutover, api_decisions, api_reconciliation, api_unknown
from services.alerts.api_parts import SEEING_ALL, Customer, InLanguage, Sees, customer_of, parts, problems, saw, speaks
from services.alerts.decided import version_of
from services.alerts.privacy import export
from services.alerts.reads import Filters, Listed, alert_card, alert_whole, alerts_page, books_of
from services.alerts.receivables import ReceivablesView, receivables
from services.alerts.rules import Rules
from services.alerts.store import ACCOUNTS
from services.alerts.views import AlertCard, AlertView, Severity
from services.alerts.why import card, view
from services.chassis.auth import Access, Role, only
from services.chassis.pages import Page, WantedPage, etag
from services.chassis.problems import missing
from services.chassis.roots import root_of
from services.chassis.runtime import Runtime
from services.chassis.web import Audited, create_app

READERS: Final = SEEING_ALL | {Role.MANAGER}
ACCESS: Final[Access] = {
    ("GET", "/alerts"): READERS,
    ("GET", "/alerts/{id}"): READERS,
    ("GET", "/customers/{id}/receivables"): READERS,
    ("GET", "/customers/{id}/export"): only(Role.ADMIN),
    **api_cadence.ACCESS,
    **api_credit.ACCESS,
    **api_decisions.ACCESS,
    **api_reconciliation.ACCESS,
    **api_cutover.ACCESS,
    **api_unknown.ACCESS,
}
PERSONAL: Final = {
    ("GET", "/customers/{id}/receivables"): "id",
    ("GET", "/customers/{id}/export"): "id",
    **api_cadence.PERSONAL,
    **api_credit.PERSONAL,
}
Held = dict[str, list[dict[str, Any]]]
router = APIRouter()


def build(runtime: Runtime, rules: Rules) -> FastAPI:
    """The service's HTTP application on an open runtime."""
    app = create_app(
        runtime.settings,
        routers=[
            router,
            api_cadence.router,
            api_credit.router,
            api_decisions.router,
            api_reconciliation.router,
            api_cutover.router,
            api_unknown.router,
        ],
        access=ACCESS,
        personal=PERSONAL,
        health=runtime.health,
        metrics=runtime.metrics,
        trail=runtime.trail,
    )
    app.state.runtime, app.state.rules = runtime, rules
    return app


def wanted_alerts(
    state: Annotated[Listed, Query(description="`standing`: not resolved.")] = "standing",
    rule: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
    owner: Annotated[str | None, Query(description="Staff id.", min_length=1, max_length=128)] = None,
    customer: Annotated[str | None, Query(min_length=1, max_length=128)] = None,
    severity: Severity | None = None,
) -> Filters:
    """Which alerts a list is to show."""
    return Filters(state=state, rule=rule, owner=owner, customer=customer, severity=severity)


Wanted = Annotated[Filters, Depends(wanted_alerts)]


@router.get(
    "/alerts",
    tags=["alerts"],
    summary="Alerts, the newest first",
    response_model_exclude_none=True,
    responses=problems(400),
)
async def list_alerts(
    request: Request, scope: Sees, wanted: Wanted, page: WantedPage, audit: Audited
) -> Page[AlertCard]:
    """A page of the alerts the caller may see. Managers see those they answer for and those of their customers."""
    runtime, rules = parts(request)
    if wanted.customer is not None:
        wanted = replace(wanted, customer=await root_of(runtime.db, ACCOUNTS, wanted.customer))
    found, last = await alerts_page(runtime.db, wanted, scope, page)
    await saw(audit, (one.owned.alert.subject for one in found), "GET /alerts")
    now = runtime.now()
    return Page(items=[card(one, now, rules.day(now)) for one in found], next=page.cursor(last))


@router.get(
    "/alerts/{id}",
    tags=["alerts"],
    summary="An alert, and why it was raised",
    response_model_exclude_none=True,
    responses=problems(404),
)
async def read_alert(
    request: Request,
    response: Response,
    id: str,  # noqa: A002
    scope: Sees,
    audit: Audited,
    language: InLanguage,
) -> AlertView:
    """The numbers, the rule, the events, what was paid, the timeline and the messages.

    The header ETag holds the version that a write must name.
    """
    runtime, rules = parts(request)
    owned = await alert_card(runtime.db, id)
    if owned is None or not scope.shows(owned.alert.subject, owned.owner_id):
        raise missing("alert", id)
    await audit.saw([owned.alert.subject], "GET /alerts/{id}")
    found, behind = await alert_whole(runtime.db, id, owned.alert.subject)
    response.headers["ETag"] = etag(version_of(found.owned))
    speaks(response, language)
    return view(found, behind, rules, language, runtime.now())


@router.get(
    "/customers/{id}/receivables",
    tags=["customers"],
    summary="What a customer owes, and the money that found no invoice",
    response_model_exclude_none=True,
    responses=problems(404),
)
async def read_receivables(
    request: Request,
    customer: Customer,
    scope: Sees,
    as_of: Annotated[date | None, Query(description="Its end counts; without it, today.")] = None,
) -> ReceivablesView:
    """The same figures as `rapport age` gives, for one customer, from all that is known now."""
    runtime, rules = parts(request)
    account, (items, settlements) = await customer_of(request, scope, customer, lambda: books_of(runtime.db, customer))
    return receivables(customer, account.name, items, settlements, as_of or rules.day(runtime.now()))


@router.get(
    "/customers/{id}/export",
    tags=["customers"],
    summary="All that is held about a customer",
    response_model=Held,
    responses=problems(404),
)
async def export_customer(request: Request, customer: Customer) -> JSONResponse:
    """Every document about him and all his accounts as it is stored, by kind, for him to read."""
    runtime, _ = parts(request)
    _, held = await customer_of(request, None, customer, lambda: export(runtime.db, customer))
    # By msgspec and not by the framework, which would turn exact decimals into floats.
    return JSONResponse(msgspec.to_builtins(held, enc_hook=_plain_number))


def _plain_number(value: object) -> int:
    # The driver's own kind of long number.
    if isinstance(value, int):
        return int(value)
    raise NotImplementedError(f"a stored {type(value).__name__} has no JSON form here; add one")

"""The HTTP side of the cadence."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from services.alerts.api_parts import SEEING_ALL, Customer, InLanguage, Sees, customer_of, parts, problems, speaks
from services.alerts.cadence_view import cadence_view
from services.alerts.reads import rhythm_of
from services.alerts.sentences_churn import activity_sentences
from services.alerts.sentences_rhythm import cadence_sentences
from services.alerts.views_cadence import CadenceView
from services.chassis.auth import Access, Role

ACCESS: Final[Access] = {("GET", "/customers/{id}/cadence"): SEEING_ALL | {Role.MANAGER}}
PERSONAL: Final = {("GET", "/customers/{id}/cadence"): "id"}
router = APIRouter()


@router.get(
    "/customers/{id}/cadence",
    tags=["customers"],
    summary="A customer's purchase rhythm, and the day of warning",
    response_model_exclude_none=True,
    responses=problems(404),
)
async def read_cadence(
    request: Request,
    response: Response,
    customer: Customer,
    scope: Sees,
    language: InLanguage,
) -> CadenceView:
    """What he usually does, when he is expected next, and from when on his silence is an alarm."""
    runtime, rules = parts(request)
    account, card = await customer_of(request, scope, customer, lambda: rhythm_of(runtime.db, customer))
    speaks(response, language)
    shown = cadence_view(customer, account.name, card, rules.cadence, rules.churn, rules.day(runtime.now()))
    said = cadence_sentences(shown, account.role, language)
    said += activity_sentences(shown.activity, account.role, language) if shown.activity is not None else []
    return shown.model_copy(update={"sentences": said})

"""The HTTP side of the credit limits."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request

from services.alerts.api_parts import SEEING_ALL, Customer, Sees, customer_of, parts, problems
from services.alerts.credit import CustomerCredit, customer_credit
from services.alerts.reads import credit_of
from services.chassis.auth import Access, Role

ACCESS: Final[Access] = {("GET", "/customers/{id}/credit"): SEEING_ALL | {Role.MANAGER}}
PERSONAL: Final = {("GET", "/customers/{id}/credit"): "id"}
router = APIRouter()


@router.get(
    "/customers/{id}/credit",
    tags=["customers"],
    summary="What a customer owes against his credit limits",
    response_model_exclude_none=True,
    responses=problems(404),
)
async def read_credit(
    request: Request,
    customer: Customer,
    scope: Sees,
) -> CustomerCredit:
    """Each limit with what is held against it today, what is owed and on order, and the limits to come."""
    runtime, rules = parts(request)
    account, books = await customer_of(request, scope, customer, lambda: credit_of(runtime.db, customer))
    return customer_credit(customer, account, *books, rules, rules.day(runtime.now()))

"""HTTP in: which other accounts are probably the same customer, and why. Nothing is merged by itself."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from contracts.events.customers import CustomerMerged
from services.chassis.auth import Access, Role, only
from services.chassis.mongo import Database
from services.chassis.roots import accounts_of
from services.chassis.web import Audited, Personal
from services.profiles import store
from services.profiles.model.customer import Customer
from services.profiles.model.likeness import likeness, shared

PATH: Final = "/customers/{id}/suggestions"
ACCESS: Final[Access] = {("GET", PATH): only(Role.AGENT, Role.QUALITY, Role.ADMIN, Role.SYSTEM)}
PERSONAL: Final[Personal] = {("GET", PATH): "id"}
router = APIRouter()


class Suggestion(BaseModel):
    """Another account that probably is this customer. `reasons` name what both have: `registration` number, `phone`,
    `mail`, `name` (without its legal form), or a `number` that two systems gave. `event` is what to publish on
    rapport.customers, by way of the gateway, if it is so.
    """

    id: str
    name: str | None = None
    reasons: list[str]
    event: dict[str, Any]


class Suggestions(BaseModel):
    """The most telling first."""

    id: str
    items: list[Suggestion]


async def _database(request: Request) -> Database:
    db: Database = request.app.state.db
    return db


@router.get(PATH, tags=["customers"], response_model_exclude_none=True)
async def suggest(db: Annotated[Database, Depends(_database)], audit: Audited, id: str) -> Suggestions:  # noqa: A002
    """Accounts that share a registration number, a phone number, a mail address, a name or another system's number
    with this one. The account need not be registered: one that only facts came with has its number.
    """
    accounts = await accounts_of(db, store.CUSTOMERS, id)
    root, own = accounts[0], set[str]()
    known = await store.some(db, accounts)
    for account in accounts:
        own |= set(likeness(account, known[account].customer if account in known else Customer()))
    alike = {one.id: one for one in await store.alike(db, sorted(own)) if one.id not in accounts}
    # Where one is merged into another already, it is that other one.
    reasons: dict[str, list[str]] = {}
    for account, kinds in shared(own, {name: one.customer.alike for name, one in alike.items()}).items():
        reasons.setdefault(alike[account].root or account, kinds)
    reasons.pop(root, None)
    named = await store.some(db, list(reasons))
    await audit.saw(list(named), f"GET {PATH}")
    items = [
        Suggestion(
            id=account,
            name=named[account].customer.name if account in named else None,
            reasons=kinds,
            event={"type": CustomerMerged.TYPE, "subject": root, "data": {"merged_id": account}},
        )
        for account, kinds in reasons.items()
    ]
    return Suggestions(id=root, items=items)

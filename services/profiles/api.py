"""HTTP in: customers, each as far as the caller may see him, and colleagues."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from contracts.money import Money
from contracts.payload import write_hook
from services.chassis.auth import EVERYONE, Access, Caller, CurrentCaller, Role, only
from services.chassis.mongo import Database
from services.chassis.pages import Page, WantedPage, etag
from services.chassis.problems import Problem, missing
from services.chassis.roots import root_of
from services.chassis.web import Audited, Personal
from services.profiles import api_suggestions, store
from services.profiles.model.consents import SENSITIVE, ConsentBook, granted
from services.profiles.model.customer import GROUPS, PLAIN, Customer
from services.profiles.model.limits import LimitBook, LimitSet
from services.profiles.model.masking import Right, masked
from services.profiles.store import Found

_SEE_ALL: Final = (Role.AGENT, Role.ANALYST, Role.QUALITY, Role.ADMIN, Role.SYSTEM)
_SEE_PERSONS: Final = (Role.AGENT, Role.QUALITY, Role.ADMIN, Role.SYSTEM)
_READERS: Final = only(Role.MANAGER, *_SEE_ALL)
ACCESS: Access = {
    ("GET", "/customers"): _READERS,
    ("GET", "/customers/{id}"): _READERS,
    ("GET", "/customers/{id}/export"): only(Role.ADMIN),
    ("GET", "/staff/{id}"): EVERYONE - {Role.ANALYST},
    **api_suggestions.ACCESS,
}
PERSONAL: Personal = {
    ("GET", "/customers/{id}"): "id",
    ("GET", "/customers/{id}/export"): "id",
    **api_suggestions.PERSONAL,
}
router = APIRouter()


class Entry(BaseModel):
    """A customer in a list. `masked` names what is known and not shown to the caller."""

    id: str
    kind: str | None = None
    name: str | None = None
    relation: str | None = None
    group: str | None = None
    territory: str | None = None
    owner_id: str | None = None
    deputy_id: str | None = None
    root_id: str | None = None
    masked: list[str]


class Word(BaseModel):
    """Whose word a value is: the system that sent it, when, and how it was learnt, where that was said."""

    source: str
    time: str
    learnt: dict[str, Any] | None = None


class Profile(BaseModel):
    """A customer. `stated` says of each field (`person/family` is one) whose word it is; `owners` and `limits` are
    histories by day, `consents` by purpose. A limit of null is *not checked*. `accounts` are those merged into him and
    those under which other systems know him, each as it is stated; it is his own fields that hold.
    """

    id: str
    fields: dict[str, Any]
    person: dict[str, Any] | None = None
    organisation: dict[str, Any] | None = None
    owner: dict[str, Any] | None = None
    owners: list[dict[str, Any]]
    limits: list[dict[str, Any]]
    consents: dict[str, Any]
    links: list[dict[str, Any]]
    accounts: list[dict[str, Any]] = []
    stated: dict[str, Word]
    masked: list[str]


class Colleague(BaseModel):
    """A colleague's card."""

    id: str
    card: dict[str, Any] | None = None
    gone: bool
    left_on: str | None = None
    successor: str | None = None


async def _database(request: Request) -> Database:
    db: Database = request.app.state.db
    return db


Stored = Annotated[Database, Depends(_database)]
OwnerId = Annotated[str | None, Query(description="Only customers of this owner.", max_length=128)]
Prefix = Annotated[str | None, Query(description="How the name begins.", min_length=1, max_length=200)]


@router.get("/customers", tags=["customers"], response_model_exclude_unset=True)
async def list_customers(
    db: Stored, caller: CurrentCaller, audit: Audited, page: WantedPage, owner: OwnerId = None, q: Prefix = None
) -> Page[Entry]:
    """Customers that the caller may see: a manager his own, others all. By name where `q` is given, else by id."""
    if q is not None and not caller.has(Role.MANAGER, *_SEE_PERSONS):
        raise Problem(403, "names_hidden", "Names are not shown to you, so they cannot be searched; leave `q` out.")
    own = await store.identities(db, caller.subject) if caller.has(Role.MANAGER) else []
    # Who may see persons' names among his own customers only must not find out others' by searching.
    all_of_them = caller.has(*(_SEE_PERSONS if q is not None else _SEE_ALL))
    found = await store.customers(
        db, of=None if all_of_them else own, owner=owner, prefix=q, after=_after(page.after), limit=page.size + 1
    )
    shown = found[: page.size]
    open_to = {one.id: rights for one in shown if (rights := _rights(caller, one, own)) is not None}
    await audit.saw([one for one, rights in open_to.items() if Right.PERSONAL in rights], "GET /customers")
    # The name is part of the place only where it sorts.
    last = (shown[-1].customer.name or "" if q else "", shown[-1].id) if len(found) > page.size else None
    return Page(items=[_entry(one, open_to[one.id]) for one in shown], **_given(next=page.cursor(last)))


@router.get("/customers/{id}", tags=["customers"], response_model_exclude_unset=True)
async def show_customer(db: Stored, caller: CurrentCaller, response: Response, id: str) -> Profile:  # noqa: A002
    """What is known of a customer, as far as the caller may see it. An account that was merged into another answers as
    that one; the header Content-Location names it.
    """
    root = await root_of(db, store.CUSTOMERS, id)
    if root != id:
        response.headers["Content-Location"] = f"/customers/{quote(root, safe='')}"
    found = await store.customer(db, root)
    own = await store.identities(db, caller.subject) if caller.has(Role.MANAGER) else []
    rights = _rights(caller, found, own) if found is not None else None
    if found is None or rights is None:
        raise missing("customer", id)
    consents = await store.consents(db, root)
    agreed = next((book for book in consents if book.purpose == SENSITIVE), None)
    if not granted(agreed):
        rights -= {Right.SENSITIVE}
    response.headers["ETag"] = etag(found.version)
    shown = _profile(found, rights, await store.limits(db, root), consents)
    accounts = [_account(*one, rights) for one in await store.merged(db, root)]
    return shown.model_copy(update=_given(accounts=accounts or None))


@router.get("/customers/{id}/export", tags=["customers"])
async def export_customer(db: Stored, id: str) -> JSONResponse:  # noqa: A002
    """Everything this service holds about a customer, for the customer: documents, and each fact as it came."""
    root = await root_of(db, store.CUSTOMERS, id)
    if await store.customer(db, root) is None:
        raise missing("customer", id)
    return JSONResponse({"service": "profiles", "subject": root, "held": await store.export(db, root)})


@router.get("/staff/{id}", tags=["staff"], response_model_exclude_unset=True)
async def show_staff(db: Stored, caller: CurrentCaller, audit: Audited, id: str) -> Colleague:  # noqa: A002
    """A colleague's card; `id` is what follows `staff/` in his party."""
    party = f"staff/{id}"
    await audit.saw([party], "GET /staff/{id}")
    staff = await store.staff(db, party)
    if staff is None:
        raise missing("colleague", id)
    card = _plain(staff.card) if staff.card is not None else None
    if card is not None and not caller.has(Role.ADMIN):
        card.pop("token_subject", None)
    leaving = _plain(staff.leaving) if staff.leaving is not None else {}
    return Colleague(id=party, gone=staff.gone, **_given(card=card), **_only(leaving, ("left_on", "successor")))


def _rights(caller: Caller, found: Found, own: list[str]) -> frozenset[Right] | None:
    """What the caller may see of a customer; None: not even that there is one."""
    rights: set[Right] = set()
    owner = found.customer.owner
    owns = owner is not None and not {owner.owner_id, owner.deputy_id}.isdisjoint(own)
    if not owns and not caller.has(*_SEE_ALL):
        return None
    if owns or caller.has(*_SEE_PERSONS):
        rights.add(Right.PERSONAL)
    if owns or caller.has(Role.ADMIN):
        rights.add(Right.SENSITIVE)
    return frozenset(rights)


def _after(position: tuple[Any, ...] | None) -> tuple[str, str] | None:
    if position is None:
        return None
    match position:
        case (str(name), str(last)):
            return name, last
    raise Problem(400, "bad_cursor", "The cursor cannot be read; begin again without one.")


def _entry(found: Found, rights: frozenset[Right]) -> Entry:
    customer, hidden = masked(found.customer, rights)
    owner = _plain(customer.owner) if customer.owner is not None else {}
    plain = _only(_plain(customer), ("kind", "name", "relation", "group", "territory"))
    return Entry(
        id=found.id,
        masked=[name for name in hidden if name == "name"],
        **plain,
        **_only(owner, ("owner_id", "deputy_id")),
        **_given(root_id=found.root or None),
    )


def _profile(found: Found, rights: frozenset[Right], limits: list[LimitBook], consents: list[ConsentBook]) -> Profile:
    customer, hidden = masked(found.customer, rights)
    plain = _plain(customer)
    stated = {
        name: Word(
            source=stamp.key.source,
            time=stamp.key.time.isoformat(),
            **_given(learnt=_plain(stamp.learnt) if stamp.learnt is not None else None),
        )
        for name, stamp in customer.stamps.items()
        if name not in hidden
    }
    return Profile(
        id=found.id,
        fields=_only(plain, PLAIN),
        owners=[_plain(one.tenure) for one in customer.assignments],
        limits=[_limit(book, one) for book in limits for one in book.limits],
        consents={book.purpose: _consent(book) for book in consents},
        links=[_only(_plain(one), ("system", "local_id")) for one in customer.links],
        stated=stated,
        masked=list(hidden),
        **_only(plain, (*GROUPS, "owner")),
    )


def _account(account: str, customer: Customer, limits: list[LimitBook], rights: frozenset[Right]) -> dict[str, Any]:
    shown, _ = masked(customer, rights)
    plain = _plain(shown)
    return {
        "id": account,
        "fields": _only(plain, PLAIN),
        "limits": [_limit(book, one) for book in limits for one in book.limits],
        **_only(plain, ("owner",)),
    }


def _limit(book: LimitBook, held: LimitSet) -> dict[str, Any]:
    limit = held.limit
    money = Money(limit.amount, limit.currency) if limit.amount is not None and limit.currency is not None else None
    shown = money.to_wire() if money is not None else None
    return {
        "limit": shown,
        **_only(_plain(limit), ("valid_from", "grace_days")),
        **_given(company=book.company or None),
    }


def _consent(book: ConsentBook) -> dict[str, Any]:
    history = [_only(one, ("stated_on", "granted", "channel", "evidence_id")) for one in _plain(book.statements)]
    return {"granted": granted(book), "history": history}


def _plain(value: Any) -> Any:
    """A value as JSON takes it."""
    return msgspec.to_builtins(value, enc_hook=write_hook)


def _only(values: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}

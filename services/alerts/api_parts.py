"""What the API's calls share: the service behind them, who may see what, the language, the documented problems."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import quote

from fastapi import Depends, Header, Query, Request, Response

from services.alerts.channels.words import Language, nearest
from services.alerts.model.account import Account
from services.alerts.reads import Scope, scope_of, staff_id, steady
from services.alerts.rules import Rules
from services.alerts.store import ACCOUNTS
from services.chassis.auth import CurrentCaller, Role, only
from services.chassis.problems import MEDIA_TYPE, missing
from services.chassis.roots import root_of
from services.chassis.runtime import Runtime
from services.chassis.web import Auditing

T = TypeVar("T")
# Who sees every customer; others are shown their own.
SEEING_ALL: Final = only(Role.ANALYST, Role.QUALITY, Role.ADMIN, Role.SYSTEM)
_PROBLEMS: Final = {
    400: "A header or parameter cannot be read, or a cursor belongs to another list.",
    401: "No token, or one that does not count.",
    403: "A role is missing.",
    404: "There is no such thing among those you may see.",
    409: "The alert's state does not admit it; `detail` says what would be possible.",
    412: "It has changed since you read it; the header ETag has its present version.",
    413: "The request is too long.",
    422: "The request does not fit.",
    428: "The header If-Match is missing.",
    503: "The database cannot be reached, or the audit trail cannot be written; try again shortly.",
}
_ALWAYS: Final = (401, 403, 422, 503)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documentation of the refusals an endpoint may answer with, beside those every endpoint may."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"description": _PROBLEMS[status], "content": {MEDIA_TYPE: schema}}
        for status in sorted({*_ALWAYS, *statuses})
    }


def parts(request: Request) -> tuple[Runtime, Rules]:
    """The service behind the API."""
    return request.app.state.runtime, request.app.state.rules


async def acting(request: Request, caller: CurrentCaller) -> str:
    """The staff id of the caller."""
    runtime, _ = parts(request)
    return await staff_id(runtime.db, caller.subject)


# As a parameter of a handler: `by: Person`.
Person = Annotated[str, Depends(acting)]


async def scope_for(request: Request, caller: CurrentCaller) -> Scope:
    """What the caller may see."""
    runtime, rules = parts(request)
    return await scope_of(runtime.db, caller, SEEING_ALL, rules.day(runtime.now()))


async def customer_of(
    request: Request, scope: Scope | None, subject: str, read: Callable[[], Awaitable[T]]
) -> tuple[Account, T]:
    """A customer's account and what `read` gives of him, of one moment; `scope` None is whoever sees all.

    Raises:
        Problem: 404, he is not there or not the caller's to see: which of the two is not said.
    """
    if scope is not None and not scope.shows(subject):
        raise missing("customer", subject)
    account, found = await steady(parts(request)[0].db, subject, read)
    if account is None:
        raise missing("customer", subject)
    return account, found


async def wanted_customer(request: Request, response: Response, id: str) -> str:  # noqa: A002
    """The customer whose account is in the path. An account that is another's now answers as that one, and the header
    Content-Location says so.
    """
    root = await root_of(parts(request)[0].db, ACCOUNTS, id)
    if root != id:
        what = request.url.path.rpartition("/")[2]
        response.headers["Content-Location"] = f"/customers/{quote(root, safe='')}/{what}"
    return root


def speaks(response: Response, language: Language) -> None:
    """Say in which language is answered, and that another could have been had."""
    response.headers["Content-Language"] = language
    response.headers["Vary"] = "Accept-Language"


def wanted_language(
    lang: Annotated[Language | None, Query(description="Wins over Accept-Language.")] = None,
    accept_language: Annotated[str | None, Header()] = None,
) -> Language:
    """The language to answer in."""
    return lang or best_language(accept_language or "")


def best_language(accepted: str) -> Language:
    """The language for an Accept-Language header (RFC 9110, 12.5.4): of those the reader likes best, the first that is
    ours; English where none is.
    """
    liked: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted.split(",")):
        tag, _, weight = (piece.strip().lower() for piece in part.partition(";"))
        try:
            quality = float(weight.removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        if quality > 0 and tag.partition("-")[0] in ("zh", "en"):
            liked.append((-quality, place, tag))
    return nearest(min(liked)[2]) if liked else "en"


async def saw(audit: Auditing, customers: Iterable[str], what: str) -> None:
    """Record whom a list has shown, side by side: the rows then go in one write. Raises Problem 503."""
    await asyncio.gather(*(audit.saw([customer], what) for customer in dict.fromkeys(customers)))


Customer = Annotated[str, Depends(wanted_customer)]
Sees = Annotated[Scope, Depends(scope_for)]
InLanguage = Annotated[Language, Depends(wanted_language)]

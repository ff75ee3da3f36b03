"""HTTP in: the sources, by those who administer them. A token's secret is in the answer that makes it, nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, Field, field_validator

from contracts.refusal import Refused
from services.chassis.auth import Access, CurrentCaller, Role, only
from services.chassis.mongo import Database
from services.chassis.pages import Page, WantedPage, WantedVersion, etag, stale
from services.chassis.problems import Problem, missing
from services.chassis.web import Audited
from services.gateway import store
from services.gateway.model.scope import types_of
from services.gateway.model.silence import Heard, usual_gap
from services.gateway.registry import Registry, new_token
from services.gateway.store import Source, Token

_SEEN_BY: Final = only(Role.OPERATOR, Role.ADMIN)
ACCESS: Final[Access] = {
    ("GET", "/sources"): _SEEN_BY,
    ("POST", "/sources"): only(Role.ADMIN),
    ("GET", "/sources/{name}"): _SEEN_BY,
    ("PUT", "/sources/{name}"): only(Role.ADMIN),
    ("POST", "/sources/{name}/tokens"): only(Role.ADMIN),
    ("DELETE", "/sources/{name}/tokens/{id}"): only(Role.ADMIN),
}
router = APIRouter(tags=["sources"])
MOST_TOKENS: Final = 20
NAME: Final = r"^[a-z0-9][a-z0-9_.-]{0,63}$"
Name = Annotated[str, Path(max_length=64)]


class Grant(BaseModel):
    """What a source may send: events with these values of `source` (and what lies under them), of these topics and
    types, so many a minute (null: as many as it likes).
    """

    title: str | None = Field(None, max_length=200)
    sources: list[str] = Field(min_length=1, max_length=50)
    takes: list[str] = Field(min_length=1, max_length=200)
    per_minute: int | None = Field(None, ge=1, le=100_000_000, description="Each process of the gateway counts alone.")
    gap_seconds: int | None = Field(None, ge=1, le=366 * 86_400, description="Its usual silence, where it is known.")
    subject: str | None = Field(None, min_length=1, max_length=255, description="Its `sub` at the company's issuer.")
    system: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="Whose own ids the customers in its files are called by; null: the company's accounts.",
    )
    active: bool = True

    @field_validator("sources")
    @classmethod
    def _sources_can_be(cls, sources: list[str]) -> list[str]:
        for one in sources:
            if not one.isprintable() or not one.strip() == one or not 0 < len(one) <= 512 or one.endswith("/"):
                raise ValueError("a source such as erp/shanghai: 1 to 512 characters, no slash at its end")
        return sources

    @field_validator("takes")
    @classmethod
    def _types_are_known(cls, takes: list[str]) -> list[str]:
        try:
            types_of(takes)
        except Refused as unknown:
            raise ValueError(unknown.message) from None
        return takes


class NewSource(Grant):
    """A source that is to be."""

    name: str = Field(pattern=NAME)


class TokenCard(BaseModel):
    """A token without its secret."""

    id: str
    made_at: datetime
    made_by: str
    revoked_at: datetime | None = None


class NewToken(BaseModel):
    """A token with its secret, which is shown this once."""

    id: str
    token: str


class SourceView(Grant):
    """A source, when it was heard, and whether it is silent for longer than it usually is."""

    name: str
    tokens: list[TokenCard]
    last_seen: datetime | None = None
    usual_gap_seconds: int | None = Field(None, description="Learnt from what was heard; null: too little as yet.")
    silent_since: datetime | None = None


async def _registry(request: Request) -> Registry:
    registry: Registry = request.app.state.registry
    return registry


async def _database(request: Request) -> Database:
    db: Database = request.app.state.db
    return db


Stored = Annotated[Database, Depends(_database)]
Sources = Annotated[Registry, Depends(_registry)]


@router.get("/sources")
async def list_sources(db: Stored, registry: Sources, page: WantedPage) -> Page[SourceView]:
    """All sources by name; those that are silent have `silent_since`."""
    after = page.after[0] if page.after else ""
    found = [one for one in await store.sources(db) if one.name > str(after)]
    shown, heard = found[: page.size], await store.heard(db)
    last = (shown[-1].name,) if len(found) > page.size else None
    return Page(items=[_view(one, heard.get(one.name, Heard()), registry) for one in shown], next=page.cursor(last))


@router.post("/sources", status_code=201)
async def add_source(
    new: NewSource, db: Stored, registry: Sources, caller: CurrentCaller, audit: Audited, response: Response
) -> SourceView:
    """Register a source. It needs a token before it can send: POST /sources/{name}/tokens."""
    made = _of(new, Source(name=new.name, sources=(), takes=(), made_at=_now()))
    await audit.changes("source", made.name, {}, new.model_dump())
    if not await store.insert(db, made):
        raise Problem(409, "name_taken", f"There is a source {made.name} already; change it, or choose another name.")
    await registry.read()
    response.headers["ETag"] = etag(made.v)
    return _view(made, Heard(), registry)


@router.get("/sources/{name}")
async def show_source(name: Name, db: Stored, registry: Sources, response: Response) -> SourceView:
    """One source."""
    found = await _found(db, name)
    response.headers["ETag"] = etag(found.v)
    return _view(found, (await store.heard(db)).get(name, Heard()), registry)


@router.put("/sources/{name}")
async def change_source(
    name: Name, grant: Grant, db: Stored, registry: Sources, audit: Audited, version: WantedVersion, response: Response
) -> SourceView:
    """Grant a source something else, or put it out (`active`: false)."""
    before = await _found(db, name)
    if before.v != version:
        raise stale(before.v)
    await audit.changes("source", name, {}, grant.model_dump())
    changed = await _stored(db, before, _of(grant, before))
    await registry.read()
    response.headers["ETag"] = etag(changed.v)
    return _view(changed, (await store.heard(db)).get(name, Heard()), registry)


@router.post("/sources/{name}/tokens", status_code=201)
async def add_token(name: Name, db: Stored, registry: Sources, caller: CurrentCaller) -> NewToken:
    """Make another token. Those there are stay good, so that a source can change over; revoke them afterwards."""
    before = await _found(db, name)
    kept, shown = new_token(caller.subject, _now())
    good = [one for one in before.tokens if one.revoked_at is None]
    if len(good) >= MOST_TOKENS:
        raise Problem(409, "too_many_tokens", f"{name} has {len(good)} tokens; revoke those that are not used first.")
    gone = [one for one in before.tokens if one.revoked_at is not None][-MOST_TOKENS:]
    await _stored(db, before, msgspec.structs.replace(before, tokens=(*gone, *good, kept)))
    await registry.read()
    return NewToken(id=kept.id, token=shown)


@router.delete("/sources/{name}/tokens/{id}", status_code=204)
async def revoke_token(
    name: Name,
    id: Annotated[str, Path(max_length=64)],  # noqa: A002
    db: Stored,
    registry: Sources,
) -> None:
    """Revoke a token: within seconds no process takes it any more."""
    before = await _found(db, name)
    if all(one.id != id for one in before.tokens):
        raise missing("token", id)
    tokens = tuple(_revoked(one) if one.id == id else one for one in before.tokens)
    await _stored(db, before, msgspec.structs.replace(before, tokens=tokens))
    await registry.read()


def _revoked(token: Token) -> Token:
    return msgspec.structs.replace(token, revoked_at=token.revoked_at or _now())


async def _found(db: Database, name: str) -> Source:
    found = await store.source(db, name)
    if found is None:
        raise missing("source", name)
    return found


async def _stored(db: Database, before: Source, after: Source) -> Source:
    if not await store.replace(db, before, after):
        raise stale((await _found(db, before.name)).v)
    return msgspec.structs.replace(after, v=before.v + 1)


def _of(grant: Grant, before: Source) -> Source:
    return msgspec.structs.replace(
        before,
        title=grant.title,
        sources=tuple(grant.sources),
        takes=tuple(grant.takes),
        per_minute=grant.per_minute,
        gap_seconds=grant.gap_seconds,
        subject=grant.subject,
        system=grant.system,
        active=grant.active,
    )


def _view(source: Source, heard: Heard, registry: Registry) -> SourceView:
    known = registry.known.get(source.name)
    now = _now()
    return SourceView(
        name=source.name,
        title=source.title,
        sources=list(source.sources),
        takes=list(source.takes),
        per_minute=source.per_minute,
        gap_seconds=source.gap_seconds,
        subject=source.subject,
        system=source.system,
        active=source.active,
        tokens=[TokenCard(**{name: getattr(one, name) for name in TokenCard.model_fields}) for one in source.tokens],
        last_seen=(known.last if known is not None else None) or heard.last,
        usual_gap_seconds=usual_gap(heard, now.date()),
        silent_since=registry.silent_since(source.name, now),
    )


def _now() -> datetime:
    return datetime.now(UTC)

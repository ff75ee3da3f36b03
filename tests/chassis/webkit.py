"""A small service for the tests of the HTTP side, with real tokens and an audit trail in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, Field

from services.chassis.audit import Anchor, Row
from services.chassis.auth import Access, CurrentCaller, Role, only
from services.chassis.health import Check, Health
from services.chassis.metrics import Metrics
from services.chassis.pages import CountsOnce, Page, WantedPage, WantedVersion, stale
from services.chassis.settings import Settings
from services.chassis.tokens import LocalIssuer
from services.chassis.trail import Away, Trail
from services.chassis.web import Audited, create_app


class TestSettings(Settings):
    """The chassis' settings under a service's name."""

    __test__ = False
    SERVICE = "notes"


class MemoryStore:
    """Keeps the trail in lists.

    `away` makes it unreachable; `loses_answer` keeps what it gets and says otherwise once.
    """

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], Row] = {}
        self.anchors: list[Anchor] = []
        self.away = self.loses_answer = False

    async def keep(self, rows: Sequence[Row]) -> None:
        if self.away:
            raise Away
        await asyncio.sleep(0)  # others run meanwhile, as they do while a database works
        self.rows |= {(row.chain, row.n): row for row in rows}
        if self.loses_answer:
            self.loses_answer = False
            raise Away

    async def anchor(self, anchor: Anchor) -> None:
        if self.away:
            raise Away
        self.anchors.append(anchor)

    async def heads(self, since: datetime) -> AsyncIterator[Anchor]:
        latest = {row.chain: row for row in self.rows.values() if row.at >= since}
        for row in latest.values():
            yield Anchor(chain=row.chain, n=row.n, hash=row.hash, at=row.at)

    def all(self) -> list[Row]:
        return [self.rows[key] for key in sorted(self.rows)]


class Note(BaseModel):
    """What the small service keeps."""

    amount: Annotated[int, Field(gt=0)]
    phone: str = ""


router = APIRouter()


@router.get("/notes/{id}")
async def read(id: str) -> dict[str, str]:  # noqa: A002
    if id == "broken":
        raise ZeroDivisionError(f"secret of {id}")
    return {"id": id}


@router.get("/notes")
async def listed(page: WantedPage, audit: Audited) -> Page[str]:
    start = page.after[0] if page.after else 0
    assert isinstance(start, int)
    shown = list(range(start, min(start + page.size, 7)))
    await audit.saw([f"c-{n}" for n in shown])
    return Page(items=[f"n{n}" for n in shown], next=page.cursor((shown[-1] + 1,) if shown[-1] < 6 else None))


@router.post("/notes/{id}")
async def write(id: str, note: Note, version: WantedVersion, once: CountsOnce, audit: Audited) -> dict[str, Any]:  # noqa: A002
    if version != 3:
        raise stale(3)
    await audit.changes("note", id, {"event": once.event_id}, {"phone": note.phone})
    return {"event": once.event_id, "content": once.content}


@router.get("/whoami")
async def whoami(caller: CurrentCaller) -> dict[str, Any]:
    return {"subject": caller.subject, "roles": sorted(caller.roles)}


ACCESS: Access = {
    ("GET", "/notes/{id}"): only(Role.MANAGER, Role.ADMIN),
    ("GET", "/notes"): only(Role.MANAGER),
    ("POST", "/notes/{id}"): only(Role.ADMIN),
    ("GET", "/whoami"): frozenset(Role),
}


class Small:
    """The small service, its issuer, its trail, and clients that call it."""

    def __init__(self, home: Path, checks: dict[str, Check] | None = None, **settings: Any) -> None:
        self.settings = TestSettings(home=home, **settings)
        self.issuer = LocalIssuer(self.settings)
        self.issuer.ensure()
        self.metrics = Metrics()
        self.store = MemoryStore()
        self.trail = Trail(self.store, self.settings, self.metrics)
        self.health = Health(checks or {}, timeout_ms=50, metrics=self.metrics)
        self.app: FastAPI = create_app(
            self.settings,
            routers=[router],
            access=ACCESS,
            health=self.health,
            metrics=self.metrics,
            trail=self.trail,
            personal={("GET", "/notes/{id}"): "id"},
        )

    def client(self, *roles: Role, person: str = "wang", token: str | None = None) -> httpx.AsyncClient:
        """A client with a token for those roles; without roles and token, one without a token."""
        bearer = token or (self.issuer.issue(person, roles) if roles else None)
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url="http://service",
            headers={"Authorization": f"Bearer {bearer}"} if bearer else {},
        )

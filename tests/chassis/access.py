"""The generated test of who may call what: one case for each endpoint and role of a service's access table.

In a service's tests:

    @pytest.mark.parametrize("case", cases(app), ids=str)
    async def test_the_access_table_holds(case: Case) -> None:
        await check(app, issuer, case)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from fastapi import FastAPI

from services.chassis.auth import Access, Role
from services.chassis.tokens import LocalIssuer


@dataclass(frozen=True)
class Case:
    """One endpoint asked by one role, or by somebody without a token (None)."""

    method: str
    path: str
    role: Role | None
    allowed: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path} as {self.role or 'nobody'}"


def cases(
    app_or_access: FastAPI | Access, *, sample: str = "sample", samples: Mapping[str, str] | None = None
) -> list[Case]:
    """All cases of a table; path parameters become `samples[name]`, or `sample`."""
    access: Access = app_or_access.state.access if isinstance(app_or_access, FastAPI) else app_or_access
    made = []
    for (method, template), allowed in sorted(access.items()):
        path = re.sub(r"{(\w+)(?::\w+)?}", lambda found: (samples or {}).get(found[1], sample), template)
        made += [Case(method, path, role, role in allowed) for role in Role]
        made.append(Case(method, path, None, False))
    return made


async def check(app: FastAPI, issuer: LocalIssuer, case: Case) -> None:
    """Asks as the case says. Who may call gets past the door, whatever the handler then answers; who may not gets 403,
    and 401 without a token.
    """
    headers = {} if case.role is None else {"Authorization": f"Bearer {issuer.issue('somebody', [case.role])}"}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        answer = await client.request(case.method, case.path, headers=headers)
    if case.allowed:
        assert answer.status_code not in (401, 403), answer.text
        return
    assert answer.status_code == (401 if case.role is None else 403), answer.text
    assert answer.json()["detail"]

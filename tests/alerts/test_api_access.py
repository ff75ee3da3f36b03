"""Who may call what at the alerts service: one case an endpoint and role, generated from its own table."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deploy.local.stack import Stack
from services.alerts.api import ACCESS
from services.chassis.auth import EVERYONE, Access, Role
from tests.alerts.apikit import House, house
from tests.chassis.access import Case, cases, check

pytestmark = pytest.mark.stack
SHARED: Access = {("GET", "/openapi.json"): EVERYONE, ("GET", "/asyncapi.json"): EVERYONE}


@pytest.fixture(scope="module")
async def one(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(stack.mongo, tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.mark.parametrize("case", cases({**ACCESS, **SHARED}), ids=str)
async def test_each_role_gets_exactly_what_the_table_grants(case: Case, one: House) -> None:
    await check(one.app, one.issuer, case)


def test_the_table_covers_the_application(one: House) -> None:
    assert {case.path for case in cases(one.app)} == {case.path for case in cases({**ACCESS, **SHARED})}


async def test_only_an_administrator_exports_and_only_managers_and_administrators_write(one: House) -> None:
    for endpoint, roles in ACCESS.items():
        if endpoint[0] == "POST":
            assert roles == {Role.MANAGER, Role.ADMIN}
        if endpoint[1].endswith("/export"):
            assert roles == {Role.ADMIN}


async def test_every_call_documents_its_answers_and_that_refusals_are_problem_documents(one: House) -> None:
    async with one.client(Role.ADMIN) as client:
        document = (await client.get("/openapi.json")).json()
    for method, path in ACCESS:
        answers = document["paths"][path][method.lower()]["responses"]
        refusals = {status for status in answers if status.startswith(("4", "5"))}
        assert {"401", "403", "503"} <= refusals
        if method == "POST":
            assert {"400", "404", "409", "412", "413", "428"} <= refusals
        for status in refusals:
            assert list(answers[status]["content"]) == ["application/problem+json"]
        kind = "text/csv" if path.endswith(".csv") else "application/json"
        assert answers["200"]["content"][kind]["schema"]

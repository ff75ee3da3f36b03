"""Who may call what, at every address of every service: asked of the running processes, one by one."""

from __future__ import annotations

import pytest

from services.chassis.auth import EVERYONE, Access
from services.chassis.web import OPEN
from tests.apis.filled import Suite, tables
from tests.chassis.access import cases

pytestmark = pytest.mark.stack
SHARED: Access = {("GET", "/openapi.json"): EVERYONE, ("GET", "/asyncapi.json"): EVERYONE}
TABLES = tables()


@pytest.mark.parametrize("name", TABLES)
def test_each_role_gets_exactly_what_the_table_grants(name: str, suite: Suite) -> None:
    wrong = []
    for case in cases({**TABLES[name], **SHARED}):
        with suite.client(name, *([case.role] if case.role is not None else [])) as client:
            answer = client.request(case.method, case.path)
        refused = {401} if case.role is None else {403}
        if (answer.status_code in (401, 403)) if case.allowed else (answer.status_code not in refused):
            wrong.append(f"{case}: {answer.status_code}")
    assert wrong == []


@pytest.mark.parametrize("name", TABLES)
def test_every_address_there_is_stands_in_the_table(name: str, suite: Suite) -> None:
    there = {
        (method.upper(), path) for path, found in suite.document(name)["paths"].items() for method in found
    } | SHARED.keys()
    assert {at for at in there if at[1] not in OPEN} == TABLES[name].keys() | SHARED.keys()

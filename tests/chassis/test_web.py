"""The HTTP side of every service: the front door, the access table, problems, health, metrics."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from pymongo import MongoClient
from starlette.applications import Starlette

from services.chassis import auth, web
from services.chassis.auth import Access, Role, only
from services.chassis.health import Health
from services.chassis.metrics import Metrics
from services.chassis.trail import Trail
from tests.chassis.access import Case, cases, check
from tests.chassis.webkit import ACCESS, MemoryStore, Small, TestSettings, router


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Small:
    return Small(tmp_path_factory.mktemp("home"))


SHARED: Access = {("GET", "/openapi.json"): auth.EVERYONE}


@pytest.mark.parametrize("case", cases({**ACCESS, **SHARED}), ids=str)
async def test_each_role_gets_exactly_what_the_table_grants(case: Case, lasting: Small) -> None:
    await check(lasting.app, lasting.issuer, case)


def test_the_generated_cases_cover_the_whole_table_of_the_application(small: Small) -> None:
    covered = {(case.method, case.path) for case in cases(small.app)}
    assert ("GET", "/asyncapi.json") in covered
    assert len(covered) == len(ACCESS) + 2
    assert sum(case.allowed for case in cases(ACCESS)) == sum(len(roles) for roles in ACCESS.values())


async def test_health_and_metrics_are_open(small: Small) -> None:
    async with small.client() as client:
        for path in ("/healthz/live", "/healthz/ready", "/metrics"):
            assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/notes/1", "/nowhere", "/openapi.json", "/healthz/live/", "/healthz/../notes/1", "//metrics"]
)
async def test_without_a_token_everything_else_answers_401_with_a_challenge(small: Small, path: str) -> None:
    async with small.client() as client:
        answer = await client.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="rapport"'
    assert "rapport token" in answer.json()["detail"]


async def test_a_body_is_not_even_read_without_a_token(small: Small) -> None:
    async with small.client() as client:
        answer = await client.post("/notes/1", content=b"{not json")
    assert answer.status_code == 401


async def test_a_wrong_role_is_told_which_one_it_takes(small: Small) -> None:
    async with small.client(Role.ANALYST, Role.AGENT) as client:
        answer = await client.get("/notes/1")
    assert answer.status_code == 403
    assert "admin, manager" in answer.json()["detail"]
    assert "agent, analyst" in answer.json()["detail"]


async def test_a_handler_knows_its_caller(small: Small) -> None:
    async with small.client(Role.SYSTEM, Role.MANAGER, person="li") as client:
        assert (await client.get("/whoami")).json() == {"subject": "li", "roles": ["manager", "system"]}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nowhere", None, 404, "not_found"),
        ("DELETE", "/notes/1", None, 405, "method_not_allowed"),
        ("POST", "/notes/1", {"amount": -5, "phone": "13800138000"}, 422, "invalid"),
        ("POST", "/notes/1", {"amount": 5}, 428, "version_missing"),
        ("GET", "/notes/broken", None, 500, "unexpected"),
        ("GET", "/notes?cursor=!!", None, 400, "bad_cursor"),
    ],
)
async def test_every_error_is_a_problem_document(
    small: Small, method: str, path: str, body: object, status: int, code: str
) -> None:
    headers = {"If-Match": '"v3"'} if status == 422 else {}
    async with small.client(*Role) as client:
        answer = await client.request(method, path, json=body, headers=headers)
    document = answer.json()
    assert answer.status_code == document["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["code"] == code
    assert document["type"] == f"urn:rapport:problem:{code}"
    assert document["detail"]
    assert document["request_id"] == answer.headers["x-request-id"]
    assert "13800138000" not in answer.text
    assert "secret of" not in answer.text


async def test_a_validation_problem_names_field_and_expectation(small: Small) -> None:
    async with small.client(Role.ADMIN) as client:
        answer = await client.post("/notes/1", json={"amount": -5}, headers={"If-Match": '"v3"'})
    assert answer.json()["errors"] == [{"in": "body", "field": "amount", "expected": "Input should be greater than 0"}]


async def test_a_stale_write_is_refused_with_the_present_version(small: Small) -> None:
    async with small.client(Role.ADMIN) as client:
        answer = await client.post("/notes/1", json={"amount": 1}, headers={"If-Match": '"v2"'})
    assert (answer.status_code, answer.headers["etag"]) == (412, '"v3"')


async def test_a_long_body_is_refused_declared_or_not(tmp_path: Path) -> None:
    small = Small(tmp_path, http_max_body_bytes=2048)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * 512

    async with small.client(Role.ADMIN) as client:
        declared = await client.post("/notes/1", content=b" " * 4096)
        undeclared = await client.post("/notes/1", content=pieces())
    assert (declared.status_code, undeclared.status_code) == (413, 413)
    assert declared.json()["code"] == undeclared.json()["code"] == "too_large"


async def test_a_database_that_is_away_answers_503_and_when_to_try_again(tmp_path: Path) -> None:
    broken = APIRouter()

    @broken.get("/reads")
    def reads() -> None:
        MongoClient("mongodb://127.0.0.1:9/", serverSelectionTimeoutMS=20).admin.command("ping")

    settings = TestSettings(home=tmp_path)
    app = create(settings, broken, {("GET", "/reads"): only(Role.ADMIN)})
    small = Small(tmp_path)
    small.app = app
    async with small.client(Role.ADMIN) as client:
        answer = await client.get("/reads")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.json()["code"] == "unavailable"


def create(settings: TestSettings, routes: APIRouter, access: Access, personal: web.Personal | None = None) -> FastAPI:
    metrics = Metrics()
    trail = Trail(MemoryStore(), settings, metrics)
    return web.create_app(
        settings,
        routers=[routes],
        access=access,
        health=Health({}),
        metrics=metrics,
        trail=trail,
        personal=personal,
    )


def refusal(tmp_path: Path, access: Access, routes: APIRouter = router, personal: web.Personal | None = None) -> str:
    with pytest.raises(web.AccessTableError) as refused:
        create(TestSettings(home=tmp_path), routes, access, personal)
    return str(refused.value)


def test_a_route_without_a_line_in_the_table_stops_the_start(tmp_path: Path) -> None:
    access = {at: roles for at, roles in ACCESS.items() if at != ("POST", "/notes/{id}")}
    assert "POST /notes/{id} has no roles in ACCESS" in refusal(tmp_path, access)


def test_a_line_without_a_route_stops_the_start(tmp_path: Path) -> None:
    assert "GET /gone, which is no route" in refusal(tmp_path, {**ACCESS, ("GET", "/gone"): only(Role.ADMIN)})


def test_a_line_without_roles_stops_the_start(tmp_path: Path) -> None:
    assert "GET /notes has no roles" in refusal(tmp_path, {**ACCESS, ("GET", "/notes"): frozenset()})


def test_a_personal_line_without_a_route_stops_the_start(tmp_path: Path) -> None:
    assert "PERSONAL names GET /x" in refusal(tmp_path, ACCESS, personal={("GET", "/x"): "id"})


def test_what_the_table_cannot_guard_stops_the_start(tmp_path: Path) -> None:
    routes = APIRouter()
    routes.mount("/files", Starlette())
    assert "/files is no ordinary route" in refusal(tmp_path, {}, routes)

    sockets = APIRouter()

    @sockets.websocket("/live")
    async def live() -> None:
        """Never reached."""

    assert "/live is no ordinary route" in refusal(tmp_path, {}, sockets)


def test_one_function_on_two_routes_stops_the_start(tmp_path: Path) -> None:
    routes = APIRouter()

    async def shown() -> None:
        """Shown in two places."""

    routes.get("/a")(shown)
    routes.get("/b")(shown)
    access = {("GET", "/a"): only(Role.ADMIN), ("GET", "/b"): auth.EVERYONE}
    assert "GET /b shares its function" in refusal(tmp_path, access, routes)


async def test_a_route_added_after_the_start_is_closed_to_everyone(small: Small) -> None:
    @small.app.get("/sneaked")
    async def sneaked() -> str:
        return "in"

    async with small.client(*Role) as client:
        assert (await client.get("/sneaked")).status_code == 403


async def test_web_sockets_are_not_let_in(small: Small) -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    await small.app({"type": "websocket", "path": "/notes", "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_a_nested_router_with_a_prefix_is_guarded_under_its_full_path(tmp_path: Path) -> None:
    inner, outer = APIRouter(prefix="/inner"), APIRouter(prefix="/outer")

    @inner.get("/{id}")
    async def deep(id: str) -> str:  # noqa: A002
        return id

    outer.include_router(inner)
    assert "GET /outer/inner/{id} has no roles" in refusal(tmp_path, {}, outer)
    small = Small(tmp_path)
    small.app = create(small.settings, outer, {("GET", "/outer/inner/{id}"): only(Role.ADMIN)})
    for case in cases(small.app):
        if case.path != "/asyncapi.json":
            await check(small.app, small.issuer, case)


async def test_the_database_cut_makes_ready_false_by_name_and_live_stays_true(tmp_path: Path) -> None:
    database = SimpleNamespace(away=False)

    async def ask() -> None:
        if database.away:
            await asyncio.sleep(60)

    async def fine() -> None:
        """A part that works."""

    small = Small(tmp_path, {"database": ask, "broker": fine})
    async with small.client() as client:
        assert (await client.get("/healthz/ready")).json() == {
            "ready": True,
            "parts": {"database": "ok", "broker": "ok"},
        }
        database.away = True
        small.health._asked = float("-inf")
        ready = await client.get("/healthz/ready")
        assert ready.status_code == 503
        assert ready.json() == {"ready": False, "parts": {"database": "no answer within 0.05 s", "broker": "ok"}}
        assert (await client.get("/healthz/live")).status_code == 200


async def test_a_request_keeps_its_name_and_its_trace(small: Small) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    async with small.client(Role.ADMIN) as client:
        named = await client.get(
            "/whoami", headers={"X-Request-Id": "abc-1", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
        )
        forged = await client.get("/whoami", headers={"X-Request-Id": "a b{}" * 50})
    assert named.headers["x-request-id"] == "abc-1"
    assert re.fullmatch(r"[0-9a-f-]{36}", forged.headers["x-request-id"])


async def test_answers_are_not_to_be_stored_on_the_way(small: Small) -> None:
    async with small.client(Role.ADMIN) as client:
        headers = (await client.get("/notes/1")).headers
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


async def test_requests_are_counted_by_template_never_by_id(small: Small) -> None:
    async with small.client(Role.ADMIN) as client:
        for path in ("/notes/c-1", "/notes/c-2", "/nowhere/c-3"):
            await client.get(path)
        await client.request("HACK", "/notes/c-4")
        shown = (await client.get("/metrics")).text
    assert 'rapport_http_seconds_count{method="GET",route="/notes/{id}",status="200"} 2.0' in shown
    assert 'route="unmatched",status="404"' in shown
    assert 'method="other"' in shown
    assert not re.search(r"c-\d", shown)


async def test_who_wants_some_metrics_gets_these_alone(small: Small) -> None:
    async with small.client(Role.ADMIN) as client:
        await client.get("/notes/c-1")
        shown = (await client.get("/metrics", params={"name[]": ["rapport_http_seconds_count", "nothing"]})).text
    samples = [line for line in shown.splitlines() if not line.startswith("#")]
    assert samples == ['rapport_http_seconds_count{method="GET",route="/notes/{id}",status="200"} 1.0']


async def test_metrics_can_be_switched_off(tmp_path: Path) -> None:
    small = Small(tmp_path, metrics=False)
    async with small.client() as client:
        assert (await client.get("/metrics")).status_code == 404


async def test_the_openapi_document_says_what_the_door_adds(small: Small) -> None:
    async with small.client(Role.ANALYST) as client:
        document = (await client.get("/openapi.json")).json()
    write = document["paths"]["/notes/{id}"]["post"]
    assert write["security"] == [{"bearer": []}]
    assert write["responses"]["default"]["content"]["application/problem+json"]
    assert "422" not in write["responses"]
    assert "Roles: admin." in write["description"]
    assert "security" not in document["paths"]["/healthz/live"]["get"]
    assert {parameter["name"] for parameter in write["parameters"]} >= {"if-match", "idempotency-key"}
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])


async def test_the_service_tells_which_events_it_takes_and_sends(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("contracts.asyncapi")
    monkeypatch.setattr(TestSettings, "SERVICE", "alerts")
    alerts = Small(small.settings.home)
    async with alerts.client(Role.ANALYST) as client:
        document = (await client.get("/asyncapi.json")).json()
    assert document["asyncapi"].startswith("3.")


async def test_changes_and_personal_reads_leave_a_row_before_they_happen(small: Small) -> None:
    async with small.client(Role.ADMIN, Role.MANAGER, person="zhao") as client:
        await client.get("/notes/c-7")
        await client.get("/whoami")
        await client.post("/notes/c-8", json={"amount": 0}, headers={"If-Match": '"v3"'})
        await client.post("/notes/c-8", json={"amount": 1, "phone": "13800138000"}, headers={"If-Match": '"v3"'})
    rows = small.store.all()
    assert [(row.who, row.what, row.subject) for row in rows] == [
        ("zhao", "GET /notes/{id}", "c-7"),
        ("zhao", "POST /notes/{id}", None),
        ("zhao", "POST /notes/{id}", None),
        ("zhao", "note", "c-8"),
    ]
    assert rows[1].ids == {"id": "c-8"}
    assert "13800138000" not in str(rows)
    assert len(rows[3].values["phone"]) == 64


async def test_a_list_names_everyone_it_shows(small: Small) -> None:
    async with small.client(Role.MANAGER) as client:
        await client.get("/notes?limit=2")
    assert [row.subject for row in small.store.all()] == ["c-0", "c-1"]


async def test_what_cannot_be_recorded_does_not_happen(small: Small) -> None:
    small.store.away = True
    async with small.client(Role.ADMIN) as client:
        refused = await client.get("/notes/c-7")
        assert (refused.status_code, refused.json()["code"]) == (503, "audit_unavailable")
        small.store.away = False
        assert (await client.get("/notes/c-8")).status_code == 200
    assert [row.subject for row in small.store.all()] == ["c-7", "c-8"]


async def test_who_is_refused_leaves_no_row_of_having_read(small: Small) -> None:
    async with small.client(Role.ANALYST) as client:
        await client.get("/notes/c-7")
    assert small.store.all() == []

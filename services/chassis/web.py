"""The HTTP side of every service: one front door, one table of who may call what, the addresses all services share.

A service gives its routers and its table to `create_app`. A route that the table does not name, or a line that names
no route, stops the start: nothing can be reached by oversight.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute, iter_route_contexts
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from . import problems
from .auth import EVERYONE, Access, Caller, CurrentCaller, Endpoint, Role, Verifier, forbidden
from .door import Door
from .health import Health
from .logs import log
from .metrics import Metrics
from .openapi import document
from .problems import Problem
from .settings import LOCAL_ISSUER, Settings
from .trail import Trail

_LOG = log("rapport.web")
_READS: Final = frozenset({"GET", "HEAD"})
# Health and metrics carry nothing about customers, and those who ask for them (the orchestrator, Prometheus) hold no
# token.
OPEN: Final = frozenset({"/healthz/live", "/healthz/ready", "/metrics"})
_SHARED: Final[Access] = {("GET", "/openapi.json"): EVERYONE, ("GET", "/asyncapi.json"): EVERYONE}


class AccessTableError(Exception):
    """Routes and access table do not agree; the message names each difference."""


@dataclass(frozen=True, slots=True)
class _Rule:
    template: str
    roles: frozenset[Role] | None
    subject: str | None
    recorded: bool


# Endpoints that show personal data, each with the path parameter that holds whose (declared in `api.py` beside the
# access table).
Personal = Mapping[Endpoint, str]


def create_app(
    settings: Settings,
    *,
    routers: Sequence[APIRouter],
    access: Access,
    health: Health,
    metrics: Metrics,
    trail: Trail,
    personal: Personal | None = None,
    unrecorded: Collection[Endpoint] = (),
    verifier: Verifier | None = None,
    larger: Mapping[str, int] | None = None,
) -> FastAPI:
    """The service's HTTP application.

    Every call but health and metrics needs a bearer token with a role that `access` names for it. Calls that are not
    reads, and reads that `personal` names, leave a row in the audit trail before they are carried out; those that
    `unrecorded` names do not, because what they bring is a record of itself. `larger` are the bytes of a body that
    handlers under a path take, who read it as a stream; all others take `http_max_body_bytes`. `app.state` holds
    `settings`, `health`, `metrics`, `trail` and `access` (with the shared addresses). Raises AccessTableError.
    """
    rules: dict[tuple[str, Callable[..., Any]], _Rule] = {}
    app = FastAPI(
        title=f"Rapport {settings.SERVICE}",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(_authoriser(rules, trail))],
    )
    app.state.settings, app.state.health, app.state.metrics, app.state.trail = settings, health, metrics, trail
    app.state.access = dict(_SHARED) | dict(access)
    app.include_router(_shared_routes(settings))
    for router in routers:
        app.include_router(router)
    rules |= _rules(app, personal or {}, unrecorded)
    templates = {endpoint: rule.template for (_, endpoint), rule in rules.items()}
    problems.install(app)
    app.add_middleware(
        Door,
        verifier=verifier or Verifier(settings),
        metrics=metrics,
        largest=settings.http_max_body_bytes,
        open_paths=OPEN,
        templates=templates,
        larger=larger,
    )
    if settings.auth_issuer == LOCAL_ISSUER and settings.http_host not in ("127.0.0.1", "localhost", "::1"):
        _LOG.warning(
            "web.local_issuer", host=settings.http_host, advice="set RAPPORT_AUTH_ISSUER and RAPPORT_AUTH_JWKS"
        )
    return app


def _rules(
    app: FastAPI, personal: Personal, unrecorded: Collection[Endpoint]
) -> dict[tuple[str, Callable[..., Any]], _Rule]:
    table: Access = app.state.access
    rules: dict[tuple[str, Callable[..., Any]], _Rule] = {}
    faults: list[str] = []
    unused = set(table)
    for context in iter_route_contexts(app.routes):
        if not isinstance(context.original_route, APIRoute):
            faults.append(f"{context.path} is no ordinary route (a mount, a socket): the table cannot guard it")
            continue
        for method in sorted(context.methods or ()):
            at = (method, str(context.path))
            unused.discard(at)
            open_to_all = at[1] in OPEN
            if not open_to_all and not table.get(at):
                faults.append(f"{method} {at[1]} has no roles in ACCESS: add a line for it")
            if (method, context.original_route.endpoint) in rules:
                faults.append(f"{method} {at[1]} shares its function with another route: give each a function")
            subject = personal.get(at)
            roles = None if open_to_all else table.get(at, frozenset())
            recorded = at not in unrecorded and (method not in _READS or subject is not None)
            rules[method, context.original_route.endpoint] = _Rule(at[1], roles, subject, recorded)
    faults += [
        f"ACCESS names {method} {path}, which is no route: remove or correct the line" for method, path in unused
    ]
    known = {(method, rule.template) for (method, _), rule in rules.items()}
    faults += [f"PERSONAL names {at[0]} {at[1]}, which is no route" for at in personal if at not in known]
    faults += [f"`unrecorded` names {at[0]} {at[1]}, which is no route" for at in unrecorded if at not in known]
    if faults:
        raise AccessTableError("; ".join(sorted(faults)))
    return rules


def _authoriser(rules: Mapping[tuple[str, Callable[..., Any]], _Rule], trail: Trail) -> Callable[[Request], Any]:
    async def authorise(request: Request) -> None:
        # By the function that will run, not by the path: the guard and the router cannot disagree about which one
        # that is.
        rule = rules.get((request.method, request.scope["endpoint"]))
        if rule is not None and rule.roles is None:
            return
        caller: Caller = request.state.caller
        if rule is None or rule.roles is None or caller.roles.isdisjoint(rule.roles):
            _LOG.info("web.forbidden", who=caller.subject, method=request.method, route=rule and rule.template)
            raise forbidden(caller, (rule and rule.roles) or frozenset())
        if not rule.recorded:
            return
        ids = {name: str(value) for name, value in request.path_params.items()}
        await trail.record(
            caller,
            f"{request.method} {rule.template}",
            subject=ids.get(rule.subject or ""),
            ids=ids,
            request_id=request.state.request_id,
        )

    return authorise


class Auditing:
    """What a handler adds to the trail by itself: whom a list has shown, which values a change has set."""

    def __init__(self, request: Request, caller: CurrentCaller) -> None:
        self._request = request
        self._caller = caller
        self._trail: Trail = request.app.state.trail

    async def saw(self, subjects: Sequence[str], what: str = "list") -> None:
        """Personal data of each of `subjects` is about to be shown. Raises Problem 503, see `Trail.record`."""
        for subject in subjects:
            await self._record(what, subject, {}, {})

    async def changes(self, what: str, subject: str, ids: Mapping[str, str], values: Mapping[str, object]) -> None:
        """`values` of `subject` are about to be set; only keyed hashes of them are kept.

        Raises Problem 503, see `Trail.record`.
        """
        await self._record(what, subject, ids, values)

    async def _record(self, what: str, subject: str, ids: Mapping[str, str], values: Mapping[str, object]) -> None:
        request_id = self._request.state.request_id
        await self._trail.record(self._caller, what, subject=subject, ids=ids, values=values, request_id=request_id)


# As a parameter of a handler: `audit: Audited`.
Audited = Annotated[Auditing, Depends()]


def _shared_routes(settings: Settings) -> APIRouter:
    router = APIRouter()

    @router.get("/healthz/live", tags=["operations"], summary="Whether the process lives")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @router.get("/healthz/ready", tags=["operations"], summary="Whether the process can work, and which part cannot")
    async def ready(request: Request) -> JSONResponse:
        report = await request.app.state.health.ready()
        return JSONResponse(report.document(), 200 if report.ready else 503)

    @router.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> JSONResponse:
        return JSONResponse(document(request.app))

    @router.get("/asyncapi.json", tags=["operations"], summary="The events this service takes and sends (AsyncAPI 3)")
    async def asyncapi() -> JSONResponse:
        return JSONResponse(_asyncapi(settings.SERVICE))

    if settings.metrics:

        @router.get("/metrics", include_in_schema=False)
        async def show_metrics(
            request: Request, names: Annotated[list[str] | None, Query(alias="name[]")] = None
        ) -> Response:
            registry = request.app.state.metrics.registry
            # Who looks often asks for what he looks at (`?name[]=`, as Prometheus' own exporters have it).
            wanted = registry.restricted_registry(names) if names else registry
            return Response(generate_latest(wanted), media_type=CONTENT_TYPE_LATEST)

    return router


@cache
def _asyncapi(service: str) -> dict[str, Any]:
    # Only here, and only when asked for: the contracts' generator reads every schema.
    made: dict[str, Any] = importlib.import_module("contracts.asyncapi").document(service)
    return made


__all__ = ["OPEN", "AccessTableError", "Audited", "Auditing", "Personal", "Problem", "create_app"]

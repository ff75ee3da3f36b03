"""HTTP in: files. What a file is, and how its rows become events, is in `imports/` and `model/`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.requests import ClientDisconnect

from contracts.attributes import read_history
from contracts.refusal import Refused
from services.chassis.auth import Access, Caller, CurrentCaller, Role, only
from services.chassis.logtime import to_millisecond
from services.chassis.mongo import Database
from services.chassis.pages import Page, WantedPage, Window
from services.chassis.problems import MEDIA_TYPE, Problem, missing
from services.chassis.sheets import MEDIA_TYPE as CSV
from services.chassis.sheets import attached
from services.gateway.api_sources import Sources, Stored
from services.gateway.imports import arrive, store
from services.gateway.imports.arrive import Sent
from services.gateway.imports.files import Wishes
from services.gateway.imports.refusals import refused_csv
from services.gateway.imports.run import Importer
from services.gateway.imports.store import Import
from services.gateway.imports.views import Asked, ImportPage, ImportView, PreviewView, RefusedView
from services.gateway.model import cells
from services.gateway.model.kinds import KINDS
from services.gateway.model.scope import Scope, lies_under
from services.gateway.registry import Known, Registry

_MAY: Final = only(Role.SYSTEM, Role.OPERATOR, Role.ADMIN)
ACCESS: Final[Access] = {
    ("GET", "/imports"): _MAY,
    ("POST", "/imports/{kind}"): _MAY,
    ("GET", "/imports/{id}"): _MAY,
    ("POST", "/imports/{id}/undo"): _MAY,
    ("GET", "/imports/{id}/refused"): _MAY,
    ("GET", "/imports/{id}/refused.csv"): _MAY,
}
LARGER: Final = "/imports/"  # paths under which a body may be as long as a file
router = APIRouter(tags=["imports"])
_SAID: Final = {
    401: "No token, or one that is not known.",
    403: "The token's source may not import this, or not as this source.",
    404: "There is no such kind of file.",
    413: "The file is too large.",
    422: "The file cannot be read, its headings are missing or could be two things, or the request does not fit.",
    429: "Too many of the source's imports wait.",
}
_PROBLEM: Final = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        kind: {"schema": {"type": "string", "format": "binary"}}
        for kind in (
            "text/csv",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/x-ndjson",
            "application/octet-stream",
        )
    },
}


async def _importer(request: Request) -> Importer:
    importer: Importer = request.app.state.importer
    return importer


Imports = Annotated[Importer, Depends(_importer)]
Id = Annotated[str, Path(max_length=64)]


@router.post(
    "/imports/{kind}",
    status_code=202,
    summary="Import a file, or see what an import would do",
    response_model=ImportView | PreviewView,
    responses={
        200: {"model": ImportView | PreviewView, "description": "A preview; or this file is imported already."},
        202: {"model": ImportView, "description": "Taken; see Location."},
        **{status: {"description": said, "content": _PROBLEM} for status, said in _SAID.items()},
    },
    openapi_extra={"requestBody": _BODY},
)
async def import_file(
    kind: Annotated[str, Path(max_length=64)],
    asked: Annotated[Asked, Query()],
    request: Request,
    caller: CurrentCaller,
    db: Stored,
    registry: Sources,
    importer: Imports,
) -> Response:
    """Send a file of customers, invoices, settlements, purchases or balances as it is: CSV, XLSX or JSON lines, with
    headings. Its rows become events of `source` under ids of the import, so that nothing counts twice.
    """
    if kind not in KINDS:
        raise Problem(404, "unknown_kind", f"There are no imports of {kind[:64]!r}; there are {', '.join(KINDS)}.")
    known = registry.of(caller)
    sent = _sent(kind, asked, caller, known)
    try:
        if asked.preview:
            scope = known.scope if known is not None else Scope()
            seen = await arrive.previewed(db, sent, scope, request.stream(), _now())
            return _json(PreviewView.of(sent.kind, sent.source, seen))
        await _within(db, known, request.app.state.settings.gateway_imports_waiting)
        made, new = await arrive.taken(db, sent, request.stream(), _now())
    except Refused as why:
        raise Problem(413 if why.reason == "too_large" else 422, why.reason, f"{why.message}.") from None
    except ClientDisconnect:
        return Response(status_code=400)  # for nobody: he has gone before his file was whole
    importer.wake()
    if known is not None:
        known.spoke(_now())
    return _json(ImportView.of(made), 202 if new else 200, Location=f"/imports/{made.id}")


@router.get("/imports")
async def list_imports(db: Stored, registry: Sources, caller: CurrentCaller, page: WantedPage) -> Page[ImportView]:
    """Imports, the newest first; a source sees its own."""
    before = str(page.after[0]) if page.after else None
    found = await store.listed(db, _own(caller, registry), before, page.size + 1)
    shown = found[: page.size]
    last = (shown[-1].id,) if len(found) > page.size else None
    return Page(items=[ImportView.of(one) for one in shown], next=page.cursor(last))


@router.get("/imports/{id}")
async def show_import(
    id: Id,  # noqa: A002
    db: Stored,
    registry: Sources,
    caller: CurrentCaller,
    page: WantedPage,
) -> ImportPage:
    """How far an import is, and what became of its rows, with a page of those that were refused."""
    one = ImportView.of(await _found(db, id, caller, registry))
    rows = await _rows(db, id, page)
    return ImportPage(**dict(one), refused=rows.items, next=rows.next)


@router.post(
    "/imports/{id}/undo",
    status_code=202,
    responses={
        200: {"model": ImportView, "description": "It is undone, or being undone, already."},
        409: {
            "description": "It is not at its end, or too long ago.",
            "content": _PROBLEM,
        },
    },
)
async def undo_import(
    id: Id,  # noqa: A002
    db: Stored,
    registry: Sources,
    caller: CurrentCaller,
    importer: Imports,
    response: Response,
    reason: Annotated[str | None, Query(min_length=1, max_length=2000)] = None,
) -> ImportView:
    """Take an import back: each service forgets what its rows said, and what has been said since on their account falls
    away. The same file can be imported again afterwards.
    """
    one = await _found(db, id, caller, registry)
    if one.state in ("undoing", "undone"):
        response.status_code = 200
        return ImportView.of(one)
    if one.forgotten:
        raise Problem(409, "too_old", "It is too long ago; what its rows were about is no longer known here.")
    undoing = msgspec.structs.replace(one, state="undoing", undo_at=to_millisecond(_now()), undo_reason=reason)
    if one.state not in ("done", "failed") or not await store.advance(db, one, undoing):
        raise Problem(409, "not_ended", "The import is under way; undo it when it is done.")
    importer.wake()
    return ImportView.of(undoing)


@router.get("/imports/{id}/refused")
async def list_refused(
    id: Id,  # noqa: A002
    db: Stored,
    registry: Sources,
    caller: CurrentCaller,
    page: WantedPage,
) -> Page[RefusedView]:
    """The rows that were refused, each with its line, the column it is about, and why."""
    await _found(db, id, caller, registry)
    return await _rows(db, id, page)


@router.get(
    "/imports/{id}/refused.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The rows."}},
)
async def download_refused(id: Id, db: Stored, registry: Sources, caller: CurrentCaller) -> StreamingResponse:  # noqa: A002
    """The rows that were refused, as they came, with the reason beside them: correct them and import this file. Before
    cells that a spreadsheet would take for a formula stands an apostrophe, which the import takes off again.
    """
    one = await _found(db, id, caller, registry)
    headers = attached(f"refused-{one.kind}-{one.id}.csv")
    return StreamingResponse(refused_csv(db, one), media_type=CSV, headers=headers)


async def _rows(db: Database, import_id: str, page: Window) -> Page[RefusedView]:
    after = int(page.after[0]) if page.after and isinstance(page.after[0], int) else 0
    found = await store.refused(db, import_id, after, page.size + 1)
    shown = found[: page.size]
    last = (shown[-1].line,) if len(found) > page.size else None
    return Page(items=[RefusedView.of(one) for one in shown], next=page.cursor(last))


def _sent(kind: str, asked: Asked, caller: Caller, known: Known | None) -> Sent:
    source = asked.source or (known.source.sources[0] if known is not None and len(known.source.sources) == 1 else None)
    if source is None:
        raise Problem(422, "source_missing", "Say as which source the rows are sent, such as ?source=erp/shanghai.")
    if known is not None:
        _check_scope(kind, source, known.scope)
    return Sent(
        kind=kind,
        source=source,
        filename=asked.filename,
        made_by=caller.subject,
        owner=known.source.name if known is not None else None,
        wishes=_wishes(asked),
        history=_history(asked),
        system=asked.system or (known.source.system if known is not None else None),
    )


def _check_scope(kind: str, source: str, scope: Scope) -> None:
    if scope.sources is not None and not any(lies_under(source, one) for one in scope.sources):
        allowed = " or ".join(scope.sources)
        raise Problem(403, "source_not_granted", f"The token is for {allowed}, and what lies under it; not {source!r}.")
    if scope.types is not None and not KINDS[kind].types <= scope.types:
        lacking = ", ".join(sorted(KINDS[kind].types - scope.types))
        raise Problem(403, "type_not_granted", f"The token's source may not send {lacking}; an admin can grant it.")


def _history(asked: Asked) -> str | None:
    if asked.history is None:
        return None
    try:
        read_history(asked.history.isoformat(), _now())
    except Refused as why:
        raise Problem(422, "bad_history", f"{why.message}.") from None
    return asked.history.isoformat()


def _wishes(asked: Asked) -> Wishes:
    try:
        mapping = msgspec.json.decode(asked.mapping, type=dict[str, str]) if asked.mapping else {}
        currency = cells.currency(asked.currency) if asked.currency else None
    except msgspec.MsgspecError as error:
        said = 'mapping is a JSON object such as {"amount": "价税合计"}: column and heading'
        raise Problem(422, "bad_mapping", f"{said} ({error}).") from None
    except Refused as why:
        raise Problem(422, "bad_currency", f"currency: {why.message}.") from None
    return Wishes(mapping=mapping, mark=asked.decimal, currency=currency, sheet=asked.sheet, encoding=asked.encoding)


async def _within(db: Database, known: Known | None, most: int) -> None:
    waiting = await store.waiting_of(db, known.source.name if known is not None else None)
    if waiting >= most:
        detail = f"{waiting} imports wait already. Nothing of this one was taken: send it again when some are done."
        raise Problem(429, "too_many_imports", detail, headers={"Retry-After": "60"})


def _own(caller: Caller, registry: Registry) -> dict[str, Any]:
    if caller.has(Role.OPERATOR, Role.ADMIN):
        return {}
    known = registry.of(caller)
    return {"owner": known.source.name} if known is not None else {"made_by": caller.subject}


async def _found(db: Database, import_id: str, caller: Caller, registry: Registry) -> Import:
    one = await store.one(db, import_id)
    own = _own(caller, registry)
    if one is None or any(getattr(one, name) != value for name, value in own.items()):
        raise missing("import", import_id)
    return one


def _json(view: ImportView | PreviewView, status: int = 200, **headers: str) -> JSONResponse:
    return JSONResponse(view.model_dump(mode="json", exclude_none=True), status, headers)


def _now() -> datetime:
    return datetime.now(UTC)

"""HTTP in: events. Files come in `api_imports.py`; who sends is administered in `api_sources.py`."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request, Response
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from services.chassis.auth import Access, Role, current, only
from services.chassis.problems import MEDIA_TYPE
from services.chassis.runtime import Runtime
from services.chassis.web import create_app
from services.gateway import api_imports, api_letters, api_letters_bulk, api_sources
from services.gateway.gate import Gate
from services.gateway.imports.run import Importer
from services.gateway.letters.carry import Carrier
from services.gateway.reading import BATCH, STRUCTURED
from services.gateway.registry import SourceVerifier
from services.gateway.settings import GatewaySettings

EVENTS: Final = ("POST", "/events")
ACCESS: Final[Access] = {
    EVENTS: only(Role.SYSTEM),
    **api_sources.ACCESS,
    **api_imports.ACCESS,
    **api_letters.ACCESS,
    **api_letters_bulk.ACCESS,
}
router = APIRouter()


def build(runtime: Runtime, gate: Gate, importer: Importer, carrier: Carrier, settings: GatewaySettings) -> FastAPI:
    """The gateway's HTTP application on an open runtime."""
    verifier = SourceVerifier(runtime.settings)
    verifier.registry = gate.registry
    app = create_app(
        runtime.settings,
        routers=[router, api_sources.router, api_imports.router, api_letters.router, api_letters_bulk.router],
        access=ACCESS,
        health=runtime.health,
        metrics=runtime.metrics,
        trail=runtime.trail,
        # An event is the record of itself, under a source and id of its sender; a row beside each would say no more.
        unrecorded={EVENTS},
        verifier=verifier,
        larger={api_imports.LARGER: settings.gateway_import_bytes},
    )
    app.state.importer, app.state.carrier = importer, carrier
    app.state.db, app.state.gate, app.state.registry = runtime.db, gate, gate.registry
    return app


class EventVerdict(BaseModel):
    """The verdict on the event at `index` (from 0). A refused one says what is wrong where, what was expected, and how
    a correct event of its type looks. An unknown one is to be sent again as it is.
    """

    index: int
    verdict: str = Field(pattern="^(accepted|refused|unknown)$")
    id: str | None = None
    source: str | None = None
    reason: str | None = Field(None, description="Short name that programs may rely on.")
    field: str | None = Field(None, description="The place: `$.total.amount` in the data, else an attribute.")
    message: str | None = None
    expected: str | None = None
    example: dict[str, Any] | None = Field(None, description="A correct CloudEvent of this type, or the most similar.")


class EventVerdicts(BaseModel):
    """One verdict an event, in the order of the request."""

    accepted: int
    refused: int
    unknown: int
    verdicts: list[EventVerdict]


_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "description": "A CloudEvent 1.0; what `data` holds is told by its type, see /asyncapi.json.",
    "required": ["specversion", "id", "source", "type", "subject", "time", "data"],
    "properties": {
        "specversion": {"type": "string", "const": "1.0"},
        "id": {"type": "string", "minLength": 1, "maxLength": 512},
        "source": {"type": "string", "minLength": 1, "maxLength": 512},
        "type": {"type": "string"},
        "subject": {"type": "string", "minLength": 1, "maxLength": 128},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"type": "string"},
        "traceparent": {"type": "string"},
        "data": {"type": "object"},
    },
}
_CONTENT: Final = {
    STRUCTURED: {"schema": _EVENT},
    BATCH: {"schema": {"type": "array", "items": _EVENT}},
    "application/json": {"schema": {"type": "object", "description": "The data alone; its attributes are headers."}},
}
_ATTRIBUTES: Final = [
    {"in": "header", "name": f"ce-{name}", "schema": {"type": "string"}, "description": "Binary mode only."}
    for name in ("specversion", "id", "source", "type", "subject", "time")
]
_SAID: Final = {
    400: "No JSON, no list of events, or an attribute is missing.",
    401: "No token, or one that is not known.",
    403: "The token may not send events, or not of this source or type.",
    408: "The request did not come whole in time.",
    413: "The request, or the event, is too large.",
    415: "Neither a CloudEvent nor a list of them.",
    422: "The event is refused.",
    429: "Nothing was taken: come again after Retry-After.",
    503: "The broker has not said of each event that it has it: send again after Retry-After.",
}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": EventVerdicts, "description": "All events are with the broker."},
    207: {"model": EventVerdicts, "description": "Some events of the batch are refused, the others with the broker."},
    **{
        status: {"description": said, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
        for status, said in _SAID.items()
    },
}


@router.post(
    "/events",
    tags=["events"],
    summary="Send events, one or many",
    response_class=Response,
    responses=_RESPONSES,
    openapi_extra={"requestBody": {"required": True, "content": _CONTENT}, "parameters": _ATTRIBUTES},
)
async def take_events(request: Request) -> Response:
    """CloudEvents 1.0 over HTTP in structured, batch or binary mode. The answer comes after the broker has said that it
    has the events; sent again under the same `source` and `id` they count once.
    """
    gate: Gate = request.app.state.gate
    try:
        return await gate.take(current(request), request.headers, request.stream(), request.state.request_id)
    except ClientDisconnect:
        return Response(status_code=400)  # for nobody: he has gone before his request was whole

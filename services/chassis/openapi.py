"""The OpenAPI document of a service: the framework's, completed by what the front door adds (tokens, problem
documents).
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from .problems import MEDIA_TYPE

_PROBLEM: Final = {
    "type": "object",
    "description": "Problem details (RFC 9457).",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Short name that programs may rely on."},
        "detail": {"type": "string", "description": "What happened and what to do next, for people."},
        "request_id": {"type": "string", "description": "Names this request in the log."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "in": {"type": "string"},
                    "field": {"type": "string"},
                    "expected": {"type": "string"},
                },
            },
        },
    },
}
_REFUSED: Final = {
    "description": "The request was refused or could not be carried out.",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def document(app: FastAPI) -> dict[str, Any]:
    """The document, made once an application."""
    if app.openapi_schema is None:
        app.openapi_schema = _made(app)
    return app.openapi_schema


def _made(app: FastAPI) -> dict[str, Any]:
    made: dict[str, Any] = get_openapi(title=app.title, version=app.version, routes=app.routes)
    access = app.state.access
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM
    # The framework's own form of a refusal, which no service ever sends.
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    for path, operations in made.get("paths", {}).items():
        for method, operation in operations.items():
            _complete(operation, sorted(access.get((method.upper(), path), ())))
    return made


def _complete(operation: dict[str, Any], roles: list[str]) -> None:
    answers = operation.setdefault("responses", {})
    answers.pop("422", None)
    answers["default"] = _REFUSED
    if roles:
        operation["security"] = [{"bearer": []}]
        operation["description"] = f"{operation.get('description', '')}\n\nRoles: {', '.join(roles)}.".strip()

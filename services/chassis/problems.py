"""Errors as callers of the HTTP API see them: problem details (RFC 9457), always with what to do next.

A handler raises `Problem`; whatever else goes wrong is turned into one here, without repeating what the caller sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

MEDIA_TYPE: Final = "application/problem+json"
_UNNAMED: Final = {
    404: ("not_found", "There is nothing at this address; /openapi.json lists the addresses of this service."),
    405: ("method_not_allowed", "This address does not take that method; the header Allow names those it takes."),
}


class Problem(HTTPException):
    """An answer that is not what the caller hoped for.

    `code` is a short snake_case name that programs may rely on; `detail` is a sentence for people that says what to
    do next; `more` are further members of the document (RFC 9457, section 3.2). Never put personal values into
    either.
    """

    def __init__(
        self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(status, detail, dict(headers) if headers else None)
        self.code = code
        self.more = more

    def document(self, request_id: str | None = None) -> dict[str, Any]:
        """The members of the problem document."""
        own = {
            "type": f"urn:rapport:problem:{self.code}",
            "title": HTTPStatus(self.status_code).phrase,
            "status": self.status_code,
            "code": self.code,
            "detail": self.detail,
        }
        return own | ({"request_id": request_id} if request_id else {}) | self.more

    def response(self, request_id: str | None = None) -> JSONResponse:
        """The answer to send."""
        return JSONResponse(
            self.document(request_id), self.status_code, headers=dict(self.headers or {}), media_type=MEDIA_TYPE
        )


def missing(what: str, key: str) -> Problem:
    """404 for a thing that is not there, or that the caller may not know of: the two must look alike."""
    return Problem(404, "not_found", f"There is no {what} {key} among those you may see; check the id.")


def unavailable(what: str) -> Problem:
    """503 for a part that is away and will come back by itself."""
    return Problem(
        503, "unavailable", f"{what} is not reachable at the moment; try again shortly.", headers={"Retry-After": "5"}
    )


def unexpected() -> Problem:
    """500: the details are in the log under the request's id, not in the answer."""
    return Problem(500, "unexpected", "Something went wrong here; give operations the request_id, it is in the log.")


def from_exception(failure: HTTPException) -> Problem:
    """A framework's own refusal as a problem."""
    if isinstance(failure, Problem):
        return failure
    code, detail = _UNNAMED.get(failure.status_code, ("refused", f"{failure.detail}; correct the request."))
    return Problem(failure.status_code, code, detail, headers=failure.headers)


def from_validation(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """422 with one entry a fault: where it is and what was expected.

    What was sent is left out, for it may be personal.
    """
    faults = [
        {
            "in": str(error["loc"][0]),
            "field": ".".join(str(step) for step in error["loc"][1:]),
            "expected": str(error["msg"]),
        }
        for error in errors
    ]
    return Problem(
        422, "invalid", "The request does not fit; see `errors`, correct it and send it again.", errors=faults
    )


def install(app: FastAPI) -> None:
    """Makes `app` answer with problem documents for everything its handlers and the framework refuse."""

    def refused(request: Request, failure: Exception) -> JSONResponse:
        problem = (
            from_validation(failure.errors())
            if isinstance(failure, RequestValidationError)
            else from_exception(failure)
            if isinstance(failure, HTTPException)
            else unexpected()
        )
        return problem.response(getattr(request.state, "request_id", None))

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, refused)

"""The front door: what happens to each request before the framework sees it and after it has answered.

It names the request, ties it to its trace, asks who calls, bounds what may be sent, turns every failure into a
problem document and counts.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from pymongo.errors import ConnectionFailure
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .auth import Verifier
from .logs import about, log, traceparent_under
from .metrics import Metrics
from .problems import Problem, unavailable, unexpected

_LOG = log("rapport.web")
_NAMED: Final = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
BODY_IDLE: Final = 30.0  # seconds between two pieces of a body
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Door:
    """ASGI middleware around the whole application of a service.

    `templates` gives the path template of each handler, for the metrics; `larger` the bytes that may be sent to paths
    under a prefix, where that is more than `largest`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        verifier: Verifier,
        metrics: Metrics,
        largest: int,
        open_paths: Collection[str],
        templates: Mapping[Callable[..., Any], str],
        larger: Mapping[str, int] | None = None,
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._metrics = metrics
        self._largest = largest
        self._larger = larger or {}
        self._open = open_paths
        self._templates = templates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification; what is not HTTP is not let in."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] != "http":
            await self._app(scope, receive, send)
        else:
            await self._request(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        named = headers.get("x-request-id", "")
        request_id = named if _NAMED.match(named) else str(uuid.uuid4())
        traceparent = traceparent_under(headers.get("traceparent"))
        scope.setdefault("state", {}).update(request_id=request_id, traceparent=traceparent)
        answer = _Answer(send, request_id)
        started = time.perf_counter()
        with about(traceparent=traceparent, request_id=request_id):
            try:
                await self._carry_out(scope, receive, answer, headers)
            finally:
                template = self._templates.get(scope.get("endpoint", self), "unmatched")
                method = scope["method"] if scope["method"] in _METHODS else "other"
                labels = (method, template, str(answer.status or 500))
                self._metrics.http_seconds.labels(*labels).observe(time.perf_counter() - started)

    async def _carry_out(self, scope: Scope, receive: Receive, answer: _Answer, headers: Headers) -> None:
        try:
            if scope["path"] not in self._open:
                scope["state"]["caller"] = await self._verifier.caller(headers.get("authorization"))
            under = (most for prefix, most in self._larger.items() if scope["path"].startswith(prefix))
            await self._app(scope, _bounded(receive, headers, next(under, self._largest)), answer)
        except Exception as failure:
            if answer.status is not None:
                raise  # half an answer is out: only breaking the connection tells the caller
            problem = _problem(failure)
            await problem.response(answer.request_id)(scope, receive, answer)


class _Answer:
    """Sends the answer on, remembers its status and adds the headers that every answer has."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self.request_id
            headers["X-Content-Type-Options"] = "nosniff"
            # Answers hold personal data; a handler that knows better says so itself.
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)


def _problem(failure: Exception) -> Problem:
    if isinstance(failure, Problem):
        return failure
    if isinstance(failure, ConnectionFailure):
        _LOG.warning("web.database_away", error=type(failure).__name__)
        return unavailable("The database")
    _LOG.error("web.failed", exc_info=failure)
    return unexpected()


def _bounded(receive: Receive, headers: Headers, largest: int) -> Receive:
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > largest:
        raise _too_large(largest)
    taken = 0
    whole = False

    async def bounded() -> Message:
        nonlocal taken, whole
        if whole:
            return await receive()  # whether he is still there: that may take as long as the answer
        try:
            async with asyncio.timeout(BODY_IDLE):
                message = await receive()
        except TimeoutError:
            raise _too_slow() from None
        taken += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if taken > largest:
            raise _too_large(largest)
        return message

    return bounded


def _too_slow() -> Problem:
    detail = f"Nothing more of the request has come for {BODY_IDLE:g} s; send it again, without pauses."
    return Problem(408, "too_slow", detail, headers={"Connection": "close"})


def _too_large(largest: int) -> Problem:
    return Problem(413, "too_large", f"The request holds more than {largest} bytes; send it in smaller parts.")

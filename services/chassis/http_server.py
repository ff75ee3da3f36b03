"""Serves a service's HTTP application inside the process's own loop, started and stopped by the service and not by
signals.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .settings import Settings

HEAD_BYTES: Final = 65_536  # of a request's line and headers; what a service needs is a tenth of it
HEAD_SECONDS: Final = 20.0  # in which they have to come


class AddressTakenError(Exception):
    """The address to listen on is in use, or not this machine's."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # SIGTERM belongs to the service: it drains the intake first and stops this server in its turn.
        yield


class _Protocol(HttpToolsProtocol):
    """Hangs up on whoever sends no end of a request's head, in bytes or in time: the parser itself would wait and keep
    for ever, before anybody is asked for a token.
    """

    head_seconds = HEAD_SECONDS
    _head = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._over()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._timer is not None:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self._hang_up()

    def on_message_begin(self) -> None:
        self._wait()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._over()
        super().on_headers_complete()

    def _wait(self) -> None:
        self._over()
        self._head = 0
        self._timer = self.loop.call_later(self.head_seconds, self._hang_up)

    def _over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hang_up(self) -> None:
        self._over()
        self.transport.abort()


class HttpServer:
    """The HTTP server of one process. `url` and `port` are known once it has started (port 0 takes a free one)."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self._host = settings.http_host
        self._wanted = settings.http_port
        config = uvicorn.Config(
            app,
            http=_Protocol,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=int(settings.shutdown_grace_seconds) or 1,
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where it answers, as seen from this machine."""
        host = "127.0.0.1" if self._host in ("0.0.0.0", "::") else self._host  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    async def start(self) -> None:
        """Listens and answers when it returns. Raises AddressTakenError."""
        listener = _listener(self._host, self._wanted)
        self.port = listener.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="http")
        while not self._server.started:
            if self._task.done():
                await self._task
                raise RuntimeError("the HTTP server ended while it started; see the log above")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Takes no more requests, lets those under way finish (within the grace period) and closes."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as failure:
        listener.close()
        taken = failure.errno == errno.EADDRINUSE
        why = "is in use by another process" if taken else f"cannot be listened on ({failure.strerror})"
        raise AddressTakenError(
            f"{host}:{port} {why}; set RAPPORT_HTTP_PORT (0 takes a free one) or RAPPORT_HTTP_HOST"
        ) from failure
    return listener

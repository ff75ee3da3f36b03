"""The HTTP server inside a process: its address, a port that is taken, requests under way when it stops, signals left
alone.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from services.chassis.http_server import AddressTakenError, HttpServer
from services.chassis.settings import Settings


def server(app: FastAPI, port: int = 0) -> HttpServer:
    return HttpServer(app, Settings(http_port=port, shutdown_grace_seconds=5))


async def test_it_answers_at_its_address_once_started_and_no_more_once_stopped() -> None:
    app = FastAPI()
    app.get("/x")(lambda: "here")
    running = server(app)
    await running.start()
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{running.url}/x")).json() == "here"
    await running.stop()
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{running.url}/x")


async def test_a_port_that_is_taken_is_named_with_what_to_do() -> None:
    first = server(FastAPI())
    await first.start()
    with pytest.raises(AddressTakenError, match=rf"127.0.0.1:{first.port} is in use .* set RAPPORT_HTTP_PORT"):
        await server(FastAPI(), first.port).start()
    await first.stop()


async def test_a_request_under_way_is_finished_before_it_stops() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    app = FastAPI()

    @app.get("/slow")
    async def slow() -> str:
        begun.set()
        await go_on.wait()
        return "done"

    running = server(app)
    await running.start()
    async with httpx.AsyncClient() as client:
        asked = asyncio.create_task(client.get(f"{running.url}/slow"))
        await begun.wait()
        stopping = asyncio.create_task(running.stop())
        await asyncio.sleep(0)
        go_on.set()
        assert (await asked).json() == "done"
        await stopping


async def test_it_leaves_the_signals_to_the_service() -> None:
    before = signal.getsignal(signal.SIGTERM)
    running = server(FastAPI())
    await running.start()
    assert signal.getsignal(signal.SIGTERM) == before
    await running.stop()


def test_the_address_for_people_is_one_they_can_open(tmp_path: Path) -> None:
    everywhere = HttpServer(FastAPI(), Settings(http_host="0.0.0.0", home=tmp_path))  # noqa: S104
    assert everywhere.url.startswith("http://127.0.0.1:")
    assert HttpServer(FastAPI(), Settings(http_host="::1")).url.startswith("http://[::1]:")

"""What somebody can do to a service before he is asked who he is, or by letting it wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from services.chassis import door, http_server
from services.chassis.auth import Role
from services.chassis.http_server import HttpServer
from tests.chassis.webkit import Small
from tests.waiting import until


@asynccontextmanager
async def serving(small: Small) -> AsyncIterator[HttpServer]:
    running = HttpServer(small.app, small.settings.model_copy(update={"http_port": 0}))
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the real one, but soon."""
    monkeypatch.setattr(http_server._Protocol, "head_seconds", 0.3)
    monkeypatch.setattr(door, "BODY_IDLE", 0.3)


async def closed(reader: asyncio.StreamReader) -> bool:
    """Whether the other side has hung up without a word."""
    try:
        return await reader.read(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("opening", [b"", b"GET /notes HTTP/1.1\r\nHost: x\r\n", b"GET /whoami HTTP/1.1\r\n\r\nGET /"])
async def test_who_never_ends_his_headers_is_hung_up_on(opening: bytes, impatient: None, tmp_path: Path) -> None:
    async with serving(Small(tmp_path)) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(opening)
        async with asyncio.timeout(10):
            while await reader.read(1000):  # what comes before: the answer to a first request
                pass
        writer.close()


async def test_headers_without_end_are_not_kept(tmp_path: Path) -> None:
    async with serving(Small(tmp_path)) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(b"GET /notes HTTP/1.1\r\nX: ")
        sent = 0
        try:
            async with asyncio.timeout(10):
                while sent < 50_000_000:
                    writer.write(b"x" * 10_000)
                    await writer.drain()
                    sent += 10_000
        except ConnectionError:
            pass
        assert sent < 20_000_000, "what lies in the buffers between the two sides, and no more"
        assert await closed(reader)
        writer.close()


async def test_who_lets_his_body_wait_is_told_and_others_are_not_held_up(impatient: None, tmp_path: Path) -> None:
    small = Small(tmp_path)
    token = small.issuer.issue("wang", [Role.ADMIN])
    async with serving(small) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        head = f"POST /notes/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 500\r\n\r\n"
        writer.write(head.encode() + b"{")
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
            assert (await client.get(f"{running.url}/whoami")).status_code == 200
        async with asyncio.timeout(10):
            answer = await reader.read(4000)
        assert b" 408 " in answer.split(b"\r\n")[0] and b"too_slow" in answer
        writer.close()


async def test_a_connection_that_is_kept_serves_for_as_long_as_its_requests_are_whole(
    impatient: None, tmp_path: Path
) -> None:
    small = Small(tmp_path)
    token = small.issuer.issue("wang", [Role.ADMIN])
    async with serving(small) as running, httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
        began = asyncio.get_running_loop().time()

        async def longer() -> bool:
            assert (await client.get(f"{running.url}/whoami")).status_code == 200
            return asyncio.get_running_loop().time() - began > 1

        await until(longer, "longer than a request may take")

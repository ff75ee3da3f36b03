"""A file of invoices is imported through to the alerts service, its gateway killed twice at random places; undone, it
leaves everything as it was. In the usual suite a small file; as a proof (`make proofs`) 100,000 rows, or `--rows`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from deploy.local.stack import Stack
from services.alerts.handlers import alerts_service
from services.alerts.store import ACCOUNTS
from services.chassis.aggregate import Head, Part
from services.chassis.auth import Role
from services.chassis.mongo import find, to_doc
from services.chassis.tokens import LocalIssuer
from services.gateway.settings import GatewaySettings
from tests.bench.ground import Ground, ground
from tests.bench.imports import Books
from tests.bench.load import Load
from tests.gateway.gatekit import unique
from tests.gateway.importkit import lives, own_settings, serving
from tests.waiting import until

pytestmark = pytest.mark.stack
SMALL = 12_000
PATIENCE_S = 3_000.0
FLAT_MB = 40.0


@dataclass
class Course:
    """A file on its way, and what is seen of it."""

    settings: GatewaySettings
    client: httpx.AsyncClient
    where: str = ""
    memory: list[list[float]] = field(default_factory=list)  # of each process, in MB, as it went on

    @asynccontextmanager
    async def process(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """A gateway that answers."""
        async with serving(self.settings) as process:
            await until(lambda: lives(self.client), "the gateway to be ready", deadline_s=60, every_s=0.05)
            self.memory.append([])
            yield process

    async def look(self, process: asyncio.subprocess.Process) -> dict[str, Any]:
        """The import as it is now."""
        assert process.returncode is None
        self.memory[-1].append(psutil.Process(process.pid).memory_info().rss / 1e6)
        answer = await self.client.get(self.where)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def until_state(self, process: asyncio.subprocess.Process, state: str) -> dict[str, Any]:
        """The import, once it is in that state."""
        found: dict[str, Any] = {}

        async def reached() -> bool:
            found.update(await self.look(process))
            assert found["state"] != "failed", found
            return bool(found["state"] == state)

        await until(reached, f"the import to be {state}", deadline_s=PATIENCE_S, every_s=0.1)
        return found

    async def killed_behind(self, line: int, content: bytes | None = None) -> int:
        """Let it run past a line, and kill it; returns the line that was settled then. Where there is a file yet to be
        sent, that comes first.
        """
        async with self.process() as process:
            settled = 0
            if content is not None:
                answer = await self.client.post("/imports/invoices", params={"source": "erp"}, content=content)
                assert answer.status_code == 202, answer.text
                self.where = answer.headers["location"]

            async def past() -> bool:
                nonlocal settled
                settled = (await self.look(process))["line"]
                return bool(settled >= line)

            await until(past, f"line {line:,}", deadline_s=PATIENCE_S, every_s=0.01)
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
        return settled


def worked_out(where: Ground) -> dict[str, Head[Any] | Part[Any]]:
    """What the service works out about customers from their facts, by collection."""
    kinds = alerts_service(where.settings("none").rules).kinds
    own = {name: kind for name, kind in kinds.items() if kind.head == ACCOUNTS.name}
    return {name: kind for name, kind in sorted(own.items()) if isinstance(kind, Head) or kind.derived}


async def digest(where: Ground, prefix: str) -> str:
    """Of all that. A customer of whom nothing is known any more is as one of whom nothing ever was."""
    made = hashlib.sha256()
    for name, kind in worked_out(where).items():
        nothing = to_doc(kind.type()) if isinstance(kind, Head) else None
        async for doc in where.database(prefix)[name].find({}).sort("_id", 1):
            if doc.get("state") not in (None, nothing) or "due" in doc:
                made.update(repr((name, doc["_id"], doc.get("state"), doc.get("due"))).encode())
    return made.hexdigest()


async def quiet(where: Ground, prefix: str) -> bool:
    """Whether all that was said is applied, nothing waits to be folded again, and nothing is due."""
    db, ends = where.database(prefix), await where.ends()
    applied = {(doc["topic"], doc["partition"]): doc["next"] for doc in await find(db, "offsets", {})}
    if any(applied.get((tp.topic, tp.partition), 0) < end for tp, end in ends.items()):
        return False
    if await db["ledger"].find_one({"w": True}) is not None:
        return False
    due = {"due": {"$lte": datetime.now(UTC)}}
    return not any([await db[name].find_one(due) for name, kind in worked_out(where).items() if kind.clocked])


async def imported_and_undone(stack: Stack, home: Path, rows: int) -> None:
    seed, began = random.randrange(1 << 30), time.monotonic()
    chance = random.Random(seed)
    say(f"{rows:,} rows, seed {seed}")
    async with ground(stack, say) as where, own_settings(stack, home) as settings:
        prefix, day = where.name(), datetime.now(UTC).date()
        books = Books(unique("books"), rows, max(200, min(20_000, rows // 50)), day)
        before = Load(books.name, books.customers * 2 // 3, day)  # the others are new with the file
        stream = await where.stream(before, before.customers * 2)
        await where.place(prefix, stream.begins)
        headers = {"Authorization": f"Bearer {LocalIssuer(settings).issue('op', [Role.OPERATOR])}"}
        address = f"http://127.0.0.1:{settings.http_port}"
        try:
            async with (
                where.service(prefix) as alerts,
                httpx.AsyncClient(base_url=address, headers=headers, timeout=600) as client,
            ):

                async def still() -> bool:
                    alerts.check()
                    return await quiet(where, prefix)

                await until(still, "what was said before to be applied", deadline_s=PATIENCE_S, every_s=0.5)
                db = where.database(prefix)
                was, items = await digest(where, prefix), await db["items"].count_documents({})
                assert items > 0
                say(f"{time.monotonic() - began:.0f} s: what was before is applied")
                course = Course(settings, client)
                done = await _imported(course, books, home, chance)
                say(f"{time.monotonic() - began:.0f} s: imported, {done['counts']}")
                await until(still, "the file to be applied", deadline_s=PATIENCE_S, every_s=0.5)
                say(f"{time.monotonic() - began:.0f} s: applied")
                assert await db["items"].count_documents({}) == items + rows, "each invoice is known once"
                async with course.process() as process:
                    assert (await client.post(f"{course.where}/undo")).status_code == 202
                    await course.until_state(process, "undone")
                await until(still, "all to be folded again", deadline_s=PATIENCE_S, every_s=0.5)
                say(f"{time.monotonic() - began:.0f} s: undone")
                assert await db["items"].count_documents({}) == items
                assert await digest(where, prefix) == was, "the state is the one before"
        finally:
            await where.forget(prefix)


async def _imported(course: Course, books: Books, home: Path, chance: random.Random) -> dict[str, Any]:
    file = await asyncio.to_thread(books.write, home / "invoices.csv")
    content: bytes | None = await asyncio.to_thread(file.read_bytes)
    for share in (chance.uniform(0.02, 0.45), chance.uniform(0.5, 0.9)):
        settled = await course.killed_behind(int(share * books.rows), content)
        say(f"killed when {settled:,} of {books.rows:,} lines were settled")
        content = None
    async with course.process() as process:
        done = await course.until_state(process, "done")
    assert done["counts"]["accepted"] == books.rows and done["counts"]["refused"] == 0
    _flat(course.memory, books.rows)
    return done


def _flat(memory: list[list[float]], rows: int) -> None:
    for seen in memory:
        third = max(len(seen) // 3, 1)
        grown = max(seen[-third:]) - max(seen[:third])
        say(f"memory of a process: {max(seen):.0f} MB at most, {grown:+.0f} MB from its first third to its last")
        # A short run is all beginning.
        assert rows <= SMALL or grown < FLAT_MB, f"{grown:.0f} MB"


def say(line: str) -> None:
    """For who runs it by itself (`-s`)."""
    print(line, file=sys.stderr, flush=True)


async def test_a_file_killed_twice_and_undone_leaves_everything_as_it_was(stack: Stack, tmp_path: Path) -> None:
    await imported_and_undone(stack, tmp_path, SMALL)


@pytest.mark.long
@pytest.mark.timeout(7_200)
async def test_a_long_file_killed_twice_and_undone_leaves_everything_as_it_was(
    stack: Stack, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    await imported_and_undone(stack, tmp_path, int(request.config.getoption("--rows")))

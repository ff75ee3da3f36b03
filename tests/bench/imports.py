"""What a file of invoices takes on its way: to the broker's word on every row, and until the alerts service has applied
all of them; beside what the database takes of the same rows when it is only asked to keep them.

Of the raw writes only the writing is measured (encoding and sending included): the documents are there beforehand. Of
the import everything is: the request, looking at the file as a whole, keeping its bytes, reading, judging, sending.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvloop

from deploy.local import services
from services.chassis.auth import Role
from services.chassis.mongo import connect, database
from services.chassis.settings import Settings
from services.chassis.tokens import LocalIssuer
from tests.bench.ground import Ground, Process, Stream
from tests.bench.load import OVERDUE_EVERY, SCATTER, Load
from tests.bench.throughput import watched
from tests.waiting import until

HEADINGS = ("invoice", "customer", "currency", "issue_date", "due_date", "amount")
SOURCE = "erp.example/books"
RAW_BATCH = 1_000
LOOK_S = 0.2
PATIENCE_S = 3_600.0


@dataclass(frozen=True)
class Books:
    """So many invoices of so many customers, in an order in which neighbours are strangers. One in ten is overdue, as
    in the other measurements. `name` tells its customers from others'.
    """

    name: str
    rows: int
    customers: int
    today: date

    def cells(self) -> Iterator[tuple[str, ...]]:
        """The rows."""
        issued, due = (self.today - timedelta(days=40)).isoformat(), (self.today + timedelta(days=60)).isoformat()
        overdue = (self.today - timedelta(days=10)).isoformat()
        for n in range(self.rows):
            customer = self.customer(n * SCATTER % self.customers)
            past = n % OVERDUE_EVERY == 0
            yield f"FP-{n:07d}", customer, "CNY", issued, overdue if past else due, f"{1_000 + n % 9_000}.50"

    def customer(self, number: int) -> str:
        """A customer's account."""
        return f"C-{self.name}-{number:07d}"

    def write(self, path: Path) -> Path:
        """The rows as a CSV file."""
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(",".join(HEADINGS) + "\n")
            file.writelines(",".join(row) + "\n" for row in self.cells())
        return path


@dataclass(frozen=True)
class Seen:
    """Rows a second until the broker had all of them, and until the alerts service had applied them (0: nobody was
    asked to); the resident memory of the gateway's process in MB as it went on.
    """

    taken: float
    applied: float
    memory: tuple[float, ...]


def raw(mongo: str, name: str, books: Books) -> float:
    """Rows a second that `insert_many` of Motor writes, unordered and with majority, one batch after another; for a
    process of its own.
    """
    return uvloop.run(_raw(mongo, name, books))


async def _raw(mongo: str, name: str, books: Books) -> float:
    client = connect(mongo)
    try:
        rows, spent, batch = database(client, name)["rows"], 0.0, list[dict[str, Any]]()
        for row in books.cells():
            batch.append(dict(zip(HEADINGS, row, strict=True)))
            if len(batch) == RAW_BATCH:
                spent += await _insert(rows, batch)
                batch = []
        if batch:
            spent += await _insert(rows, batch)
        if (kept := await rows.count_documents({})) != books.rows:
            raise RuntimeError(f"{kept:,} of {books.rows:,} rows are there")
        return books.rows / spent
    finally:
        await client.drop_database(name)
        client.close()


async def _insert(rows: Any, batch: list[dict[str, Any]]) -> float:
    began = time.perf_counter()
    await rows.insert_many(batch, ordered=False)
    return time.perf_counter() - began


async def measure(ground: Ground, books: Books, file: Path, *, through: bool) -> Seen:
    """Import the file; `through`: with a process of the alerts service beside it, until that has applied every row."""
    prefix = ground.name()
    stream = Stream(Load(books.name, books.customers, books.today), await ground.ends())
    try:
        async with _gateway(ground, prefix) as process, watched(process) as memory:
            if not through:
                taken, _ = await imported(ground, process, file, books)
                return Seen(books.rows / taken, 0.0, tuple(memory))
            await ground.place(prefix, stream.begins)
            async with ground.service(prefix) as alerts:
                taken, began = await imported(ground, process, file, books)

                async def applied() -> bool:
                    alerts.check()
                    return await ground.read(prefix, stream) >= books.rows

                await until(applied, "all rows to be applied", deadline_s=PATIENCE_S, every_s=LOOK_S)
                return Seen(books.rows / taken, books.rows / (time.perf_counter() - began), tuple(memory))
    finally:
        await ground.forget(prefix)
        await ground.client.drop_database(f"{prefix}_gateway")


@asynccontextmanager
async def _gateway(ground: Ground, prefix: str) -> AsyncIterator[Process]:
    env = {"RAPPORT_MONGO_DATABASE_PREFIX": prefix, "RAPPORT_LOG_LEVEL": "warning"}
    running = await asyncio.to_thread(services.start_service, ground.stack, "gateway", env)
    try:
        await asyncio.to_thread(services.wait_ready, [running])
        yield Process(running)
    finally:
        await asyncio.to_thread(services.stop, [running], ground.stack)


async def imported(ground: Ground, process: Process, file: Path, books: Books) -> tuple[float, float]:
    """Send the file; seconds until the broker had all its rows, and when that began (`time.perf_counter`).

    Raises RuntimeError where a row was refused or the gateway died.
    """
    token = LocalIssuer(Settings(home=ground.stack.home)).issue("bench", [Role.OPERATOR])
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=process.running.url, headers=headers, timeout=600) as client:
        began = time.perf_counter()
        answer = await client.post("/imports/invoices", params={"source": SOURCE}, content=_pieces(file))
        if answer.status_code != 202:
            raise RuntimeError(f"the gateway answered {answer.status_code}: {answer.text[:500]}")
        where, seen = answer.headers["location"], dict[str, Any]()

        async def ended() -> bool:
            process.check()
            seen.update((await client.get(where)).json())
            return seen["state"] in ("done", "failed")

        await until(ended, "the import to end", deadline_s=PATIENCE_S, every_s=LOOK_S)
        taken = time.perf_counter() - began
    if seen["counts"]["accepted"] != books.rows:
        raise RuntimeError(f"the import ended as {seen}")
    return taken, began


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as content:
        while piece := content.read(1_000_000):
            yield piece

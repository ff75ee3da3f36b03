"""What the gateway's pages tell who runs Kafka Connect, done: lines of a file, and the outbox of a database, by real
parts; killed in between.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from deploy.local.running import prepare
from deploy.local.stack import Stack
from tests.gateway.connectkit import CONNECT, DEBEZIUM, connect, fetched, postgres, properties, taken, worker_of
from tests.gateway.gatekit import unique
from tests.gateway.pagekit import blocks
from tests.gateway.test_gateway_java import event
from tests.waiting import until

pytestmark = [pytest.mark.stack, pytest.mark.long]
START_S = 180.0  # a Java with a hundred jars on two shared cores


async def test_lines_of_a_file_become_events_and_go_on_after_a_kill(stack: Stack, tmp_path: Path) -> None:
    await asyncio.to_thread(prepare, stack)
    libraries = await asyncio.to_thread(fetched, *CONNECT)
    lines = tmp_path / "events.jsonl"
    first, second = [f"INV-{9_000 + n}" for n in range(3)], ["INV-9003"]
    lines.write_text("".join(event(9_000 + n) + "\n" for n in range(3)), encoding="utf-8")
    worker = worker_of(stack.kafka, tmp_path)
    connector = properties("pages/connect.md", "events.properties", tmp_path)

    async def there(numbers: list[str]) -> bool:
        assert process.poll() is None, worker.with_suffix(".log").read_text("utf-8")[-3000:]
        return set(numbers) <= (await taken(stack.kafka, set(numbers))).keys()

    with connect(libraries, worker, connector) as process:
        await until(lambda: there(first), "the first lines", deadline_s=START_S, every_s=0.5)
    with lines.open("a", encoding="utf-8") as file:
        file.write(event(9_003) + "\n")
    with connect(libraries, worker, connector) as process:
        await until(lambda: there([*first, *second]), "the line after the kill", deadline_s=START_S, every_s=0.5)
    made, key = (await taken(stack.kafka, {"INV-9003"}))["INV-9003"]
    assert (made.id, made.source, made.subject, key) == ("SH01-INV-9003-1", "erp/shanghai", "C100234", None)


async def test_rows_of_an_outbox_become_events_and_none_is_missed_while_connect_is_dead(
    stack: Stack, tmp_path: Path
) -> None:
    await asyncio.to_thread(prepare, stack)
    both = await asyncio.to_thread(fetched, *CONNECT) + await asyncio.to_thread(fetched, *DEBEZIUM)
    libraries = list({path.name: path for path in both}.values())
    table, books_are_changed = blocks("pages/outbox.md", "sql")
    numbers = [unique("INV") for _ in range(2)]
    with postgres() as books:
        books.sql(table)
        worker = worker_of(stack.kafka, tmp_path)
        own = {"database__port": str(books.port), "slot__drop__on__stop": "false"}
        connector = properties("pages/outbox.md", "outbox.properties", tmp_path, **own)

        async def slot() -> bool:
            assert process.poll() is None, worker.with_suffix(".log").read_text("utf-8")[-3000:]
            return books.sql("SELECT active FROM pg_replication_slots WHERE slot_name = 'rapport'") == "t"

        async def there(number: str) -> bool:
            assert process.poll() is None, worker.with_suffix(".log").read_text("utf-8")[-3000:]
            return number in await taken(stack.kafka, {number})

        with connect(libraries, worker, connector) as process:
            await until(slot, "Debezium to read the log", deadline_s=START_S, every_s=0.5)
            books.sql(books_are_changed.replace("INV-90", numbers[0]))
            await until(lambda: there(numbers[0]), "the row", deadline_s=60, every_s=0.5)
        books.sql(books_are_changed.replace("INV-90", numbers[1]))
        with connect(libraries, worker, connector) as process:
            await until(lambda: there(numbers[1]), "the row of meanwhile", deadline_s=START_S, every_s=0.5)
        assert books.sql("SELECT count(*) FROM rapport_outbox") == "0"
    for number in numbers:
        made, key = (await taken(stack.kafka, {number}))[number]
        assert (made.source, made.subject, key) == ("erp/shanghai", "C100234", b"C100234")
        assert len(made.id) == 36 and made.time.utcoffset() is not None

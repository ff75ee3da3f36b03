"""The service of the README's page, taken from the page and run as a process of its own."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from contracts.envelope import decode, encode
from contracts.events.customers import OwnerAssigned
from contracts.events.lifecycle import OwnerChanged
from contracts.registry import TOPICS
from deploy.local.stack import Stack
from services.chassis.topics import apply_topics
from tests.chassis.lab import said, unique
from tests.waiting import until

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "services" / "chassis" / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
OUT = "rapport.lifecycle"


def test_the_page_shows_one_service_of_about_forty_lines() -> None:
    (block,) = BLOCKS
    ast.parse(block)
    assert len([line for line in block.splitlines() if line.strip()]) <= 46


def test_the_page_tells_of_every_file_and_of_no_other() -> None:
    files = {path.name for path in (ROOT / "services" / "chassis").glob("*.py")} - {"__init__.py"}
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+\.py)`", row.split("|")[1])} == files


@pytest.mark.stack
@pytest.mark.timeout(240)
async def test_the_pages_service_does_what_the_page_says(stack: Stack, tmp_path: Path) -> None:
    # What other tests have left in the topic may be nothing that it can take.
    dead = msgspec.structs.replace(TOPICS["rapport.dead.profiles"], name="rapport.dead.tenure")
    await apply_topics({"bootstrap_servers": stack.kafka}, [TOPICS["rapport.customers"], TOPICS[OUT], dead])
    script, customer = tmp_path / "tenure.py", unique()
    script.write_text(BLOCKS[0], "utf-8")
    long_ago, lately = date(2026, 1, 1), datetime.now(UTC).date() - timedelta(days=1)
    told = [(long_ago, "staff/1"), (date(2025, 6, 1), "staff/late"), (long_ago, "staff/1")]
    async with running(stack, script), listening(stack, customer) as heard:
        await publish(stack, customer, told, "same-id")
        # The older one is no news, the same one again neither, and after 90 days nobody has confirmed it.
        first = [("staff/1", long_ago), (None, long_ago + timedelta(days=90))]
        # It begins with all that other tests have left in the topic, and its clock waits for the last of it.
        await until(lambda: says(heard, first), "the assignment and its lapse to be said", deadline_s=100)
        await publish(stack, customer, [(lately, "staff/2")], "new-id")
        await until(lambda: says(heard, [*first, ("staff/2", lately)]), "the new one to be said", deadline_s=60)


async def says(heard: Callable[[], Awaitable[list[OwnerChanged]]], wanted: list[tuple[str | None, date]]) -> bool:
    got = [(one.owner_id, one.valid_from) for one in await heard()]
    assert got == wanted[: len(got)]
    return got == wanted


async def publish(stack: Stack, customer: str, told: list[tuple[date, str]], run: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka)
    await producer.start()
    for since, owner in told:
        event = said(OwnerAssigned(owner_id=owner, since=since), customer, f"{customer}-{run}-{owner}")
        record = encode(event)
        await producer.send_and_wait("rapport.customers", record.value, record.key, headers=record.headers)
    await producer.stop()


@asynccontextmanager
async def running(stack: Stack, script: Path) -> AsyncIterator[None]:
    """The script as a process; at the end it is told to stop, and must do so well."""
    run = unique("tenure").lower().replace("-", "")
    given = {"KAFKA_BOOTSTRAP": stack.kafka, "MONGO_URI": stack.mongo, "MONGO_DATABASE_PREFIX": run, "KAFKA_GROUP": run}
    env = dict(os.environ) | {f"RAPPORT_{name}": value for name, value in given.items()} | {"PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(sys.executable, str(script), env=env)
    try:
        yield
        assert process.returncode is None, "it ran to the end of the test"
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def listening(stack: Stack, customer: str) -> AsyncIterator[Callable[[], Awaitable[list[OwnerChanged]]]]:
    """What is said about a customer, so far."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(OUT, number) for number in range(TOPICS[OUT].partitions)])
    heard: list[OwnerChanged] = []

    async def so_far() -> list[OwnerChanged]:
        for records in (await consumer.getmany(timeout_ms=50)).values():
            for record in records:
                if record.key == customer.encode():
                    data = decode(record.value, record.headers, record.key).data
                    assert isinstance(data, OwnerChanged)
                    heard.append(data)
        return heard

    try:
        yield so_far
    finally:
        await consumer.stop()

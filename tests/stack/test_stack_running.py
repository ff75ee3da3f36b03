"""The local stack with real parts: what it promises while they run, stop, die and come back."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from motor.motor_asyncio import AsyncIOMotorClient

from deploy.local import process, stack, state
from deploy.local.errors import StackError
from deploy.local.ports import choose

pytestmark = pytest.mark.stack

ProcessesOf = Callable[[Path], list[int]]

LOG_APPEND_TIME = 1


async def write(running: stack.Stack, mark: str) -> None:
    """Leave a record in a topic of this name and a document of this id, written in a transaction."""
    admin = AIOKafkaAdminClient(bootstrap_servers=running.kafka)
    await admin.start()
    await admin.create_topics([NewTopic(mark, 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=running.kafka, enable_idempotence=True, acks="all")
    await producer.start()
    sent = await producer.send_and_wait(mark, mark.encode(), timestamp_ms=1)
    await producer.stop()
    assert sent.timestamp_type == LOG_APPEND_TIME
    client: AsyncIOMotorClient[dict[str, str]] = AsyncIOMotorClient(running.mongo)
    async with await client.start_session() as session, session.start_transaction():
        await client.stack.marks.insert_one({"_id": mark}, session=session)
    client.close()


async def read(running: stack.Stack, mark: str) -> tuple[list[bytes], int]:
    """The records of the topic, through a consumer group, and the number of documents with the id."""
    consumer = AIOKafkaConsumer(
        mark, bootstrap_servers=running.kafka, group_id=f"read-{uuid.uuid4()}", auto_offset_reset="earliest"
    )
    await consumer.start()
    records = await consumer.getmany(timeout_ms=10_000)
    await consumer.stop()
    client: AsyncIOMotorClient[dict[str, str]] = AsyncIOMotorClient(running.mongo)
    found = await client.stack.marks.count_documents({"_id": mark})
    client.close()
    return [record.value for batch in records.values() for record in batch], found


async def test_what_is_written_survives_a_restart(shared_home: Path, processes_of: ProcessesOf) -> None:
    mark = f"restart-{uuid.uuid4()}"
    before = stack.up(shared_home)
    await write(before, mark)
    assert stack.down(shared_home) == ["kafka", "mongo"]
    assert processes_of(shared_home) == []
    after = stack.up(shared_home)
    assert after == before
    assert await read(after, mark) == ([mark.encode()], 1)


def test_a_second_up_returns_at_once_and_starts_nothing(shared_home: Path, processes_of: ProcessesOf) -> None:
    stack.up(shared_home)
    before = processes_of(shared_home)
    begin = time.monotonic()
    stack.up(shared_home)
    assert time.monotonic() - begin < 1
    assert processes_of(shared_home) == before
    assert len(before) == 2


async def test_a_killed_broker_is_reported_and_brought_back_with_its_records(shared_home: Path) -> None:
    mark = f"killed-{uuid.uuid4()}"
    running = stack.up(shared_home)
    await write(running, mark)
    assert stack.stop_kafka(shared_home, kill=True)
    seen = stack.status(shared_home)
    assert seen.kafka is None
    assert seen.mongo == running.mongo
    assert "kafka" in seen.problems[0]
    assert "has died" in seen.problems[0]
    assert "Kafka Server started" in seen.problems[0], "the end of its log is shown"
    assert stack.up(shared_home) == running
    assert stack.status(shared_home).problems == ()
    assert await read(running, mark) == ([mark.encode()], 1)


async def test_each_part_can_be_stopped_and_started_by_itself(shared_home: Path) -> None:
    running = stack.up(shared_home)
    assert stack.stop_mongo(shared_home, kill=True)
    assert not stack.stop_mongo(shared_home)
    assert stack.status(shared_home).kafka == running.kafka
    assert stack.start_mongo(shared_home) == running.mongo
    assert stack.stop_mongo(shared_home)
    assert stack.status(shared_home).problems == (), "what was stopped on purpose has not died"
    assert stack.start_mongo(shared_home) == running.mongo


async def test_two_data_folders_run_side_by_side_and_share_nothing(shared_home: Path, home: Path) -> None:
    mark = f"apart-{uuid.uuid4()}"
    one, other = stack.up(shared_home), stack.up(home)
    assert one.kafka != other.kafka
    assert one.mongo != other.mongo
    await write(one, mark)
    await write(other, mark)
    stack.down(home)
    assert await read(one, mark) == ([mark.encode()], 1)


async def test_other_ports_keep_the_data(shared_home: Path) -> None:
    mark = f"moved-{uuid.uuid4()}"
    before = stack.up(shared_home)
    await write(before, mark)
    after = stack.up(shared_home, new_ports=True)
    assert {after.kafka, after.mongo}.isdisjoint({before.kafka, before.mongo})
    assert await read(after, mark) == ([mark.encode()], 1)


def test_a_part_that_is_given_is_not_started(home: Path, processes_of: ProcessesOf) -> None:
    given = stack.Given(kafka="broker.example:9092")
    running = stack.up(home, given=given)
    assert running.kafka == "broker.example:9092"
    assert len(processes_of(home)) == 1
    assert stack.status(home, given=given).mongo == running.mongo
    assert stack.down(home) == ["mongo"]


def test_processes_are_found_and_stopped_after_the_state_file_is_lost(home: Path, processes_of: ProcessesOf) -> None:
    stack.up(home, given=stack.Given(kafka="broker.example:9092"))
    (home / "state.json").unlink()
    assert stack.down(home) == ["mongo"]
    assert processes_of(home) == []


@pytest.mark.parametrize("started", [1, 2], ids=["while the first part starts", "while both parts start"])
def test_an_interrupted_up_leaves_nothing_running(home: Path, started: int, processes_of: ProcessesOf) -> None:
    command = [sys.executable, "-c", "from deploy.local.commands import app; app()", "up"]
    starting = subprocess.Popen(
        command,
        env={**os.environ, "RAPPORT_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert process.wait_until(lambda: len(processes_of(home)) == started, deadline_s=60)
    starting.send_signal(signal.SIGINT)
    _, said = starting.communicate(timeout=30)
    assert starting.returncode == 130
    assert "nothing that this command started is left running" in said
    assert processes_of(home) == []
    assert stack.status(home) == stack.Status()


@pytest.mark.parametrize(
    ("part", "damaged"), [("kafka", "kafka/meta.properties"), ("mongo", "mongo/WiredTiger.wt")], ids=["kafka", "mongo"]
)
def test_a_damaged_data_folder_is_named_with_the_end_of_the_log(
    shared_home: Path, part: str, damaged: str, processes_of: ProcessesOf
) -> None:
    if not (shared_home / damaged).exists():
        stack.up(shared_home)
    stack.down(shared_home)
    sound = (shared_home / damaged).read_bytes()
    (shared_home / damaged).write_bytes(b"\xff" * len(sound))
    with pytest.raises(StackError) as caught:
        stack.up(shared_home)
    assert f"{shared_home} is damaged: {part}" in caught.value.what
    assert "rapport stack wipe" in caught.value.next_step
    assert caught.value.log_tail
    assert processes_of(shared_home) == [], "the part that is sound is not left running either"
    (shared_home / damaged).write_bytes(sound)


def test_a_part_that_dies_at_once_shows_the_end_of_its_log(home: Path) -> None:
    def same_port_twice(known: state.State) -> None:
        port = choose()
        known.ports = state.Ports(kafka=port, controller=port, mongo=choose({port}))

    home.mkdir()
    state.change(stack.place_of(home), same_port_twice)
    with pytest.raises(StackError) as caught:
        stack.up(home, given=stack.Given(mongo="mongodb://database.example"))
    assert "kafka died while starting" in caught.value.what
    assert "two listeners" in caught.value.log_tail

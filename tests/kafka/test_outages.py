"""The broker and the database go away and come back; a stack of this file's own, for it breaks it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from aiokafka.admin import NewPartitions
from pymongo import UpdateOne

from deploy.local import stack as local
from services.chassis import intake
from services.chassis.apply import Applier
from services.chassis.cache import StateCache
from services.chassis.ledger import Ledger
from services.chassis.metrics import Metrics
from services.chassis.mongo import connect
from services.chassis.plan import Plan
from services.chassis.sessions import Sessions
from services.chassis.transaction import Transactions
from tests.chassis.lab import Lab, told, unique
from tests.kafka.house import IN, House, Running, heard, house_on
from tests.waiting import until

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("outages")
    local.up(home, given=local.Given())
    yield home
    local.wipe(home)


@pytest_asyncio.fixture(loop_scope="session")
async def own(home: Path) -> AsyncIterator[House]:
    """A house on that stack, whole again at the beginning."""
    kafka, mongo = await asyncio.to_thread(local.start_kafka, home), await asyncio.to_thread(local.start_mongo, home)
    async with house_on(kafka, mongo) as house:
        await house.begin_at_end()
        yield house
        await asyncio.to_thread(local.start_kafka, home)
        await asyncio.to_thread(local.start_mongo, home)


async def answers(running: Running) -> tuple[int, int]:
    """What the process answers to whether it lives and whether it can work."""
    assert running.runtime.http is not None
    async with httpx.AsyncClient(base_url=running.runtime.http.url, timeout=10) as http:
        live, ready = await http.get("/healthz/live"), await http.get("/healthz/ready")
    return live.status_code, ready.status_code


async def test_a_database_stopped_in_mid_batch_costs_nothing_and_the_group_is_kept(
    own: House, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "HOLD", 0.3)
    stopped, subject = asyncio.Event(), unique()
    store = Transactions.store

    async def cut(transactions: Transactions, plan: Plan, offsets: list[UpdateOne]) -> None:
        if not stopped.is_set() and plan.taken:
            await asyncio.to_thread(local.stop_mongo, home, kill=True)  # between what is loaded and what is stored
            stopped.set()
        await store(transactions, plan, offsets)

    monkeypatch.setattr(Transactions, "store", cut)
    running = await own.start(mongo_timeout_ms=500)
    assert await answers(running) == (200, 200)
    await own.send(told("say", n, subject) for n in range(50))
    await asyncio.wait_for(stopped.wait(), 20)
    await until(lambda: away(running), "the process to say that it is not ready")
    await until(running.intake.consumer.paused, "the held assignment to be polled")
    await own.send(told("say", n, subject) for n in range(50, 60))
    await asyncio.to_thread(local.start_mongo, home)
    await own.applied(60)
    await own.sent()
    assert len(running.intake.consumer.assignment()) == 8
    assert len((await heard(own.kafka, "rapport.lifecycle", [subject]))[subject]) == 60
    card = await own.lab.card(subject)
    assert card is not None and len(set(card.trail)) == len(card.trail) == 60
    await until(lambda: ready(running), "the process to be ready again")
    assert running.counted("rapport_retries_total", stage="transaction") > 0


async def away(running: Running) -> bool:
    return await answers(running) == (200, 503)


async def ready(running: Running) -> bool:
    return await answers(running) == (200, 200)


async def test_a_transaction_that_is_dropped_while_the_database_is_away_writes_nothing_when_it_comes_back(
    own: House, home: Path
) -> None:
    """The driver's threads cannot be stopped: one left behind would insert the rows of facts that nobody has folded."""
    client = connect(own.mongo, serverSelectionTimeoutMS=3000)
    db = client.get_database(own.lab.db.name, codec_options=own.lab.db.codec_options)
    sessions = Sessions(client, db, count=1)
    await sessions.open()
    lab = Lab(client, db)
    applier = Applier(lab.service, db, sessions, Ledger(db), Metrics(), StateCache(10, 100))
    subject, event = unique(), told("add", 1, unique())
    await applier.apply(lab.works([told("add", 1, subject)]))
    plan_made = asyncio.Event()
    store = applier.transactions.store

    async def cut(plan: Plan, offsets: list[UpdateOne]) -> None:
        await asyncio.to_thread(local.stop_mongo, home)
        plan_made.set()
        await store(plan, offsets)

    applier.transactions.store = cut  # type: ignore[method-assign]
    applying = asyncio.create_task(applier.apply(lab.works([event])))
    await plan_made.wait()
    await until(sessions._free.empty, "the transaction to be open")
    applying.cancel()
    await asyncio.to_thread(local.start_mongo, home)
    await asyncio.wait({applying})
    applier.transactions.store = store  # type: ignore[method-assign]
    ledger = {row["_id"] async for row in db["ledger"].find({})}
    card = await lab.card(event.subject)
    assert (f"crm:{event.id}" in ledger) == (card is not None), "all of it or nothing"
    await applier.apply(lab.works([event]))
    card = await lab.card(event.subject)
    assert card is not None and card.n == 1
    await sessions.close()
    client.close()


async def test_a_broker_that_is_killed_and_comes_back_costs_nothing(own: House, home: Path) -> None:
    running, subject = await own.start(), unique()
    await own.send(told("say", n, subject) for n in range(20))
    await own.applied(20)
    await own.sent()
    await asyncio.to_thread(local.stop_kafka, home, kill=True)
    await until(lambda: away(running), "the process to say that it is not ready")
    for n in range(5):  # people go on working, and what they do goes out later
        await running.runtime.applier.apply(own.lab.works([told("say", f"http/{n}", subject)]))
    await asyncio.to_thread(local.start_kafka, home)
    await own.send(told("say", n, subject) for n in range(20, 40))
    await own.applied(45)
    await own.sent()
    said = (await heard(own.kafka, "rapport.lifecycle", [subject]))[subject]
    assert len({dict(record.headers)["ce_id"] for record in said}) == 45
    await until(lambda: ready(running), "the process to be ready again")


async def test_a_process_that_starts_before_its_broker_and_database_waits_for_them(own: House, home: Path) -> None:
    subject = unique()
    await own.send([told("add", 1, subject)])
    await asyncio.to_thread(local.stop_kafka, home, kill=True)
    await asyncio.to_thread(local.stop_mongo, home, kill=True)
    starting = asyncio.create_task(own.start(mongo_timeout_ms=300))
    await asyncio.to_thread(local.start_mongo, home)
    await until(lambda: own.running and own.running[0].runtime.http is not None, "the process to come up")
    assert await answers(own.running[0]) == (200, 200) or await away(own.running[0])
    await asyncio.to_thread(local.start_kafka, home)
    await starting
    await own.applied(1)


async def test_partitions_added_while_running_are_read_whole_and_hold_the_clock_until_then(own: House) -> None:
    running = await own.start()
    before = {f"{tp.topic}/{tp.partition}" for tp in await own.ends()}
    grown = len(before) + 4
    await own.admin.create_partitions({IN: NewPartitions(grown)})
    names = [unique() for _ in range(60)]
    await until(lambda: knows(own, grown), "the producer to know the new partitions")
    await own.send(told("add", 1, name) for name in names for _ in range(3))
    await own.applied(180)
    trails = await own.trails()
    assert {len(set(trails[name])) for name in names} == {3}
    stored = {doc["_id"] async for doc in own.lab.db["offsets"].find({})}
    assert len(stored) == grown
    await until(lambda: running.runtime.clock and running.runtime.clock.now, "the clock to go on")


async def knows(house: House, number: int) -> bool:
    return len(await house.producer.partitions_for(IN)) == number

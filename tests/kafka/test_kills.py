"""A process is killed in the worst places, one after the other; each time the next one goes on where it stopped."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from services.chassis import marks
from services.chassis.outbox import shard_of
from tests.chassis.lab import told, unique
from tests.kafka.house import House, heard
from tests.waiting import until

pytestmark = pytest.mark.stack
STAGES = (marks.IN_TRANSACTION, marks.AFTER_COMMIT, marks.RELAY_BEFORE_WORD, marks.RELAY_AFTER_WORD, marks.IN_CLOCK)


async def test_kills_in_the_worst_places_lose_nothing_and_double_nothing(house: House) -> None:
    names = [unique() for _ in range(6)]
    said = 0

    async def more() -> None:
        nonlocal said
        orders = [told("say", n, name) for name in names for n in range(10)]
        await house.send([*orders, *(told("wait", 1, name) for name in names)])
        said += len(orders) + len(names)

    for stage in STAGES:
        process = await house.spawn(RAPPORT_KILL_AT=f"{stage}:1", RAPPORT_KAFKA_GROUP_INSTANCE_ID="lab-0")
        await more()
        assert await asyncio.wait_for(process.wait(), 30) == -9, f"nothing reached {stage}"
    last = await house.spawn(RAPPORT_KAFKA_GROUP_INSTANCE_ID="lab-0")
    await more()
    await house.applied(said)
    await until(lambda: all_ticked(house, names), "waiting to end for all")
    await house.sent()
    trails = await house.trails()
    assert sum(len(trails[name]) for name in names) == len({event for name in names for event in trails[name]}) == said
    await on_the_wire(house, names, trails)
    last.terminate()
    assert await asyncio.wait_for(last.wait(), 30) == 0
    assert await house.lab.db["workers"].count_documents({}) == 0, "the dead are buried, the living has left"


async def on_the_wire(house: House, names: list[str], trails: dict[str, list[str]]) -> None:
    """Everything was said, in order; what was said again has the same id."""
    out = await heard(house.kafka, "rapport.lifecycle", names)
    for name in names:
        ids = [dict(record.headers)["ce_id"].decode() for record in out[name]]
        facts = [one for one in dict.fromkeys(ids) if one.startswith("crm:")]
        order = [event for event in trails[name] if f"crm:{event}/owner.changed.v1/0" in set(facts)]
        assert facts == [f"crm:{event}/owner.changed.v1/0" for event in order]
        assert len(facts) == len(STAGES) * 10 + 10
        again = [one for one, times in Counter(ids).items() if times > 1]
        assert len(again) <= len(ids) / 2, "what was in flight at a kill, not more"


async def all_ticked(house: House, names: list[str]) -> bool:
    waiting = await house.lab.db["cards"].count_documents({"due": {"$exists": True}})
    return waiting == 0 and min([card.ticks for name in names if (card := await house.lab.card(name))]) > 0


async def test_what_a_process_without_a_name_left_behind_is_sent_by_another(house: House) -> None:
    """It is not known to be dead: its leases run out, long before its session does and its partitions go."""
    subject = unique()
    process = await house.spawn(RAPPORT_KILL_AT=f"{marks.RELAY_BEFORE_WORD}:1")
    await house.send([told("say", 1, subject)])
    assert await asyncio.wait_for(process.wait(), 30) == -9
    held = await house.lab.db["leases"].find_one({"_id": f"relay/{shard_of(subject, 8)}"})
    assert held is not None
    running = await house.start(wait=False)
    await house.sent()
    assert len((await heard(house.kafka, "rapport.lifecycle", [subject]))[subject]) >= 1
    assert running.counted("rapport_events_applied_total") == 0, "it had no partition for that"


async def test_a_process_told_to_stop_in_mid_stream_finishes_what_it_has_begun_and_leaves_nothing_behind(
    house: House,
) -> None:
    names = [unique() for _ in range(5)]
    process = await house.spawn(RAPPORT_BATCH_SIZE="20")
    await house.send(told("say", n, name) for name in names for n in range(200))
    await house.applied(100)
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 30) == 0
    trails = await house.trails()
    for subject in names:
        rows = [row["_id"] async for row in house.lab.db["ledger"].find({"s": subject})]
        assert len(rows) == len(trails.get(subject, []))
    assert await house.lab.db["outbox"].count_documents({}) == 0, "what was said is sent"
    for name in ("leases", "workers"):
        assert await house.lab.db[name].count_documents({}) == 0
    began = datetime.now(UTC)
    await house.start()
    assert datetime.now(UTC) - began < timedelta(seconds=10), "nobody waits for a session to end"
    await house.applied(1000)

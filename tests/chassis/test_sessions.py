"""Sessions of the dead are ended, those of the living are not."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from pymongo.errors import PyMongoError

from services.chassis.errors import heals
from services.chassis.lease import Leases
from services.chassis.mongo import connect
from services.chassis.sessions import Sessions
from tests.chassis.lab import Lab, unique

pytestmark = pytest.mark.stack


async def workers(lab: Lab, *of: Sessions) -> set[str]:
    names = [one.holder for one in of]
    return {doc["_id"] async for doc in lab.db["workers"].find({"_id": {"$in": names}})}


async def test_a_successor_of_the_same_name_ends_an_open_transaction_at_once(lab: Lab) -> None:
    """Without it, whoever writes the same document next waits for the transaction's time-out: 82 s by default."""
    name, row = unique("alerts"), unique("row")
    dead, successor = Sessions(lab.client, lab.db, name=name), Sessions(lab.client, lab.db, name=name)
    await dead.open()
    assert await Leases(lab.db, dead.holder).take(row)
    await lab.db["rows"].insert_one({"_id": row, "n": 0})
    async with dead.use() as session:
        session.start_transaction()
        await lab.db["rows"].update_one({"_id": row}, {"$set": {"n": 1}}, session=session)
        async with asyncio.timeout(5):
            await successor.open()
            await lab.db["rows"].update_one({"_id": row}, {"$set": {"n": 2}})
        assert await workers(lab, dead, successor) == {successor.holder}
        assert await Leases(lab.db, successor.holder).take(row), "what the dead one held is free"
        with pytest.raises(PyMongoError) as ended:
            await lab.db["rows"].update_one({"_id": row}, {"$set": {"n": 1}}, session=session)
        assert heals(ended.value), "one that was not dead after all tries again"
        await session.abort_transaction()
    await successor.close()
    assert await workers(lab, successor) == set()


async def test_one_that_is_not_quite_dead_does_not_bury_its_successor(lab: Lab) -> None:
    name = unique("alerts")
    old, new = Sessions(lab.client, lab.db, name=name), Sessions(lab.client, lab.db, name=name)
    await old.open()
    await new.open()
    await old.bury()
    assert await workers(lab, new) == {new.holder}


async def test_a_worker_without_a_name_is_dead_when_it_has_been_silent_and_stands_up_if_it_was_not(lab: Lab) -> None:
    silent, other = Sessions(lab.client, lab.db, silent=60), Sessions(lab.client, lab.db, silent=60)
    await silent.open()
    await other.open()
    long_ago = datetime.now(UTC) - timedelta(minutes=2)
    await lab.db["workers"].update_one({"_id": silent.holder}, {"$set": {"beat": long_ago}})
    await other.bury()
    assert await workers(lab, silent, other) == {other.holder}
    await silent.beat()
    doc = await lab.db["workers"].find_one({"_id": silent.holder})
    assert doc is not None and len(doc["sessions"]) == silent.count, "so that its sessions can be ended another time"
    await other.bury()
    assert await workers(lab, silent, other) == {silent.holder, other.holder}


async def test_opening_can_be_repeated_while_the_database_is_away() -> None:
    client = connect("mongodb://127.0.0.1:1/", serverSelectionTimeoutMS=50)
    away = Sessions(client, client["nowhere"])
    for _ in range(2):
        with pytest.raises(PyMongoError) as failed:
            await away.open()
        assert heals(failed.value)
    client.close()

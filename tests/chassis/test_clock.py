"""Waiting that ends: only when nothing unread could deny it, each once, at the cost of what is due."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from services.chassis.apply import Applier
from services.chassis.batch import Position
from services.chassis.clock import Clock
from services.chassis.lease import Leases
from services.chassis.logtime import Place
from tests.chassis.lab import NOW, SLIPS, Card, Lab, lab_service, told, unique

pytestmark = pytest.mark.stack
TOPIC = "rapport.customers"


class Feeds:
    """What the broker would say of the feeds' partitions."""

    def __init__(self, *numbers: int) -> None:
        self.there: set[Place] = {(TOPIC, number) for number in numbers}

    async def __call__(self) -> set[Place]:
        return self.there


def clock_of(applier: Applier, feeds: Feeds, batch: int = 500) -> Clock:
    return Clock(applier, Leases(applier.db, unique("holder")), feeds, batch=batch)


async def read_to(applier: Applier, partition: int, at: datetime) -> None:
    """The partition is applied, and nothing is unread up to `at`."""
    await applier.move([Position(TOPIC, partition, 0, at)])


async def ticks(lab: Lab, subject: str) -> int:
    card = await lab.card(subject)
    assert card is not None
    return card.ticks


async def test_a_moment_comes_only_when_the_log_time_of_every_partition_has_passed_it(fresh: Lab) -> None:
    applier, feeds, subject = await fresh.applier(), Feeds(0, 1), unique()
    clock = clock_of(applier, feeds)
    await applier.apply(fresh.works([told("wait", 60_000, subject)]))
    due, past = NOW + timedelta(minutes=1), NOW + timedelta(hours=1)
    for steps, fired in (
        ({0: past}, 0),  # the other has never been read
        ({1: due - timedelta(seconds=1)}, 0),  # it holds unread records
        ({1: due}, 0),  # one of which may be of this very millisecond
        ({1: due + timedelta(milliseconds=1)}, 1),
        ({1: past}, 1),
    ):
        for partition, at in steps.items():
            await read_to(applier, partition, at)
        await clock.round()
        assert await ticks(fresh, subject) == fired, steps


async def test_a_partition_that_was_added_holds_the_clock_until_it_is_read(fresh: Lab) -> None:
    applier, feeds, subject = await fresh.applier(), Feeds(0), unique()
    clock = clock_of(applier, feeds)
    await applier.apply(fresh.works([told("wait", 1, subject)]))
    await read_to(applier, 0, NOW + timedelta(hours=1))
    feeds.there.add((TOPIC, 1))
    assert (await clock.round(), clock.now) == (0, None)
    await read_to(applier, 1, NOW + timedelta(hours=1))
    await clock.round()
    assert await ticks(fresh, subject) == 1


async def test_a_broker_that_cannot_say_what_there_is_holds_the_clock(fresh: Lab) -> None:
    applier, subject = await fresh.applier(), unique()
    await applier.apply(fresh.works([told("wait", 1, subject)]))
    await read_to(applier, 0, NOW + timedelta(hours=1))
    assert await clock_of(applier, Feeds()).round() == 0
    assert await ticks(fresh, subject) == 0


async def test_a_moment_another_process_set_is_not_hidden_by_what_is_cached(fresh: Lab) -> None:
    one, other, subject = await fresh.applier(), await fresh.applier(), unique()
    await one.apply(fresh.works([told("add", 1, subject)]))
    await other.apply(fresh.works([told("wait", 1, subject)]))
    await read_to(one, 0, NOW + timedelta(hours=1))
    clock = clock_of(one, Feeds(0))
    assert [await clock.round(), await clock.round()] == [1, 0]
    assert await ticks(fresh, subject) == 1


async def test_a_moment_that_moved_while_the_clock_held_it_comes_at_its_new_time(fresh: Lab) -> None:
    one, other, subject = await fresh.applier(), await fresh.applier(), unique()
    await one.apply(fresh.works([told("wait", 1, subject)]))
    await read_to(one, 0, NOW + timedelta(hours=1))
    clock = clock_of(one, Feeds(0))
    due = clock.due

    async def moved(kind: object, now: datetime) -> object:
        rows = await due(kind, now)  # type: ignore[arg-type]
        await other.apply(fresh.works([told("wait", 7_200_000, subject)]))
        return rows

    clock.due = moved  # type: ignore[assignment, method-assign]
    await clock.round()
    assert await ticks(fresh, subject) == 0
    clock.due = due  # type: ignore[method-assign]
    await read_to(one, 0, NOW + timedelta(hours=3))
    await clock.round()
    assert await ticks(fresh, subject) == 1


async def test_a_moment_with_microseconds_is_fired_once_and_the_clock_gets_past_it(fresh: Lab) -> None:
    applier, subject = await fresh.applier(), unique()
    await applier.apply(fresh.works([told("wait", "1.234", subject)]))
    await read_to(applier, 0, NOW + timedelta(milliseconds=1))
    clock = clock_of(applier, Feeds(0))
    assert await clock.round() == 0, "not before it"
    await read_to(applier, 0, NOW + timedelta(milliseconds=3))
    assert [await clock.round(), await clock.round()] == [1, 0]
    assert await ticks(fresh, subject) == 1


async def test_a_tick_that_fails_is_tried_once_and_those_beside_it_come(fresh: Lab) -> None:
    service = lab_service()
    good = service.ticks["cards"][1]

    def sometimes(desk: object, key: str, card: Card) -> None:
        if card.n == 13:
            raise RuntimeError("thirteen")
        good(desk, key, card)  # type: ignore[arg-type]

    service.due(service.kinds["cards"])(sometimes)
    applier, bad, well = await fresh.applier(), unique(), unique()
    applier.service = service
    await applier.apply(fresh.works([told("add", 13, bad), told("wait", 1, bad), told("wait", 1, well)]))
    await read_to(applier, 0, NOW + timedelta(hours=1))
    clock = clock_of(applier, Feeds(0))
    assert [await clock.round(), await clock.round()] == [2, 0]
    assert [await ticks(fresh, bad), await ticks(fresh, well)] == [0, 1]
    assert len(await fresh.dead(bad)) == 1


async def test_what_is_due_comes_in_the_order_of_its_moments_over_all_kinds(fresh: Lab) -> None:
    service, heard = lab_service(), []
    service.due(SLIPS)(lambda desk, key, slip: heard.append((key, desk.now)))
    service.due(service.kinds["cards"])(lambda desk, key, card: heard.append(("card", desk.now)))
    applier, subject = await fresh.applier(), unique()
    applier.service = service
    await applier.apply(
        fresh.works([told("wait", 2000, subject), told("slip", "a", subject), told("slip", "b", subject)])
    )
    for key, seconds in (("a", 3), ("b", 1)):
        due = NOW + timedelta(seconds=seconds)
        await fresh.db["slips"].update_one({"s": subject, "k": key}, {"$set": {"due": due}})
    applier.cache.clear()
    await read_to(applier, 0, NOW + timedelta(hours=1))
    await clock_of(applier, Feeds(0)).round()
    # A fold may run more than once before all it asks for is loaded; the order of each run is the same.
    assert [name for name, _ in heard[-3:]] == ["b", "card", "a"]


async def test_the_clocks_query_costs_what_is_due_and_not_what_waits(fresh: Lab) -> None:
    waiting = [
        {"_id": f"{n}\tk", "s": str(n), "k": "k", "state": {"n": n, "ticks": 0}, "due": NOW + timedelta(seconds=n)}
        for n in range(10_000)
    ]
    await fresh.db["slips"].insert_many(waiting)
    await fresh.db["slips"].insert_many([{"_id": f"x{n}", "s": "x", "k": "", "state": {}} for n in range(1000)])
    await fresh.db.command("profile", 2)
    clock = clock_of(await fresh.applier(), Feeds(0), batch=500)
    for passed, expected in ((0, 0), (7, 7), (5000, 500)):
        assert len(await clock.due(SLIPS, NOW + timedelta(seconds=passed))) == expected
    await fresh.db.command("profile", 0)
    ran = [doc async for doc in fresh.db["system.profile"].find({"command.find": "slips"}).sort("ts", 1)]
    assert [(doc["nreturned"], doc["keysExamined"] <= doc["nreturned"] + 1) for doc in ran] == [
        (0, True),
        (7, True),
        (500, True),
    ]

"""How many batches are under way at once, and which of them wait for which."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from services.chassis import hand
from services.chassis.batch import Outcome, Position
from services.chassis.hand import AHEAD, SIDE_BY_SIDE, SMALL, Hand
from services.chassis.reader import Read
from tests.chassis.lab import NOW


def read(*partitions: int, records: int = 1) -> Read:
    return Read([], [], [Position("t", n, 1, NOW) for n in partitions], records)


class Database:
    """Batches that end when told to, after those that they were told not to overtake."""

    def __init__(self) -> None:
        self.hand, self.ends = Hand(), list[asyncio.Future[None]]()

    def take(self, one: Read) -> int:
        """Returns how many it waits for."""
        end = asyncio.get_running_loop().create_future()
        self.ends.append(end)
        told: list[int] = []

        async def apply(after: list[asyncio.Task[Outcome]]) -> Outcome:
            if after:
                await asyncio.wait(after)
            await end
            return Outcome()

        def begun(after: list[asyncio.Task[Outcome]]) -> Coroutine[Any, Any, Outcome]:
            told.append(len(after))
            return apply(after)

        self.hand.take(one, begun)
        return told[0]

    async def over(self) -> list[int]:
        """The partitions of what has ended, in the order in which it was taken."""
        for _ in range(5):
            await asyncio.sleep(0)
        return [one.read.positions[0].partition for one in self.hand.over()]


async def test_of_one_partition_batches_end_in_order_and_those_of_others_need_not_wait() -> None:
    database = Database()
    assert [database.take(read(*places)) for places in ((0, 1), (2,), (1,))] == [0, 0, 1]
    for end in database.ends[1:]:
        end.set_result(None)
    assert await database.over() == [2], "the third is behind the first"
    database.ends[0].set_result(None)
    assert await database.over() == [0, 1]
    assert not database.hand


async def test_small_batches_go_side_by_side_and_of_large_ones_one_is_read_ahead() -> None:
    small, large = Database(), Database()
    for n in range(SIDE_BY_SIDE):
        assert not small.hand.full
        small.take(read(n, records=SMALL))
    assert (small.hand.full, small.hand.large) == (True, False)
    for n in range(AHEAD):
        assert not large.hand.full
        large.take(read(n, records=SMALL + 1))
    assert (large.hand.full, large.hand.large) == (True, True)
    for database in (small, large):
        for end in database.ends:
            end.set_result(None)
        assert len(await database.over()) == len(database.ends)


async def test_a_large_one_among_small_ones_waits_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hand, "SIDE_BY_SIDE", 9)
    database = Database()
    room = []
    for n, records in enumerate([1] * AHEAD + [SMALL + 1]):
        database.take(read(n, records=records))
        room.append(not database.hand.full)
    assert room == [True] * AHEAD + [False]
    for end in database.ends:
        end.set_result(None)
    await database.over()

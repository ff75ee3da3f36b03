"""What every worker does around its own work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pymongo.errors import AutoReconnect, CursorNotFound, OperationFailure, PyMongoError
from structlog.testing import capture_logs

from services.chassis.rounds import Rounds
from tests.waiting import until

NEVER = 3600.0


class Work:
    """Some rounds with something to do, or with an error; then rounds with nothing."""

    def __init__(self, *rounds: object) -> None:
        self.left = list(rounds)
        self.begun = 0

    async def __call__(self) -> object:
        self.begun += 1
        one = self.left.pop(0) if self.left else None
        if isinstance(one, Exception):
            raise one
        return one


@asynccontextmanager
async def running(rounds: Rounds, work: Work) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(rounds.run(work))
    try:
        yield task
    finally:
        rounds.stop()
        async with asyncio.timeout(10):
            await asyncio.gather(task, return_exceptions=True)


async def test_a_worker_goes_on_while_there_is_more_to_do_and_then_waits() -> None:
    rounds, work = Rounds("one", NEVER), Work(True, 3)
    async with running(rounds, work) as task:
        await until(lambda: work.begun == 3, "the rounds that find something, and the one that finds nothing")
        rounds.wake()
        await until(lambda: work.begun == 4, "a round that is woken")
        assert not task.done()


async def test_a_worker_looks_again_after_a_while() -> None:
    work = Work()
    async with running(Rounds("one", 0.01), work):
        await until(lambda: work.begun > 2, "rounds that nobody asked for")


async def test_what_wakes_a_worker_in_a_round_is_not_lost() -> None:
    rounds = Rounds("one", NEVER)

    class Waking(Work):
        async def __call__(self) -> object:
            if not self.begun:
                rounds.wake()
            return await super().__call__()

    work = Waking()
    async with running(rounds, work):
        await until(lambda: work.begun == 2, "the round after")


async def test_a_worker_that_is_stopped_begins_nothing_more() -> None:
    rounds, work = Rounds("one", NEVER), Work()
    async with running(rounds, work) as task:
        await until(lambda: work.begun == 1, "its round")
        rounds.stop()
        async with asyncio.timeout(10):
            await task
    assert (work.begun, rounds.stopping) == (1, True)


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("away"),
        CursorNotFound("it lay open for too long", 43),
        OperationFailure("not primary", 10107),
        OSError("the broker is away"),
    ],
)
async def test_what_time_mends_is_tried_again_and_told_once(error: Exception) -> None:
    work = Work(error, error, error)
    with capture_logs() as said:
        async with running(Rounds("one", 0.01, (OSError,)), work):
            await until(lambda: work.begun > 3, "rounds after the errors")
    assert [(line["worker"], line["error"]) for line in said] == [("one", type(error).__name__)]


@pytest.mark.parametrize("error", [OperationFailure("not authorized", 13), PyMongoError("a fault"), OSError("a disk")])
async def test_what_time_does_not_mend_ends_the_worker(error: Exception) -> None:
    async with running(Rounds("one", 0.01), Work(error)) as task:
        with pytest.raises(type(error)):
            async with asyncio.timeout(10):
                await task


def test_it_is_time_for_something_once_in_so_many_seconds() -> None:
    rounds = Rounds("one", NEVER)
    assert [rounds.time_for("clean", NEVER), rounds.time_for("clean", NEVER)] == [True, False]
    assert rounds.time_for("show", NEVER), "each for itself"
    assert rounds.time_for("clean", 0.0)

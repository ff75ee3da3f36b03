"""Who may do what only one does."""

from __future__ import annotations

import asyncio

import pytest

from services.chassis.lease import Leases
from tests.chassis.lab import Lab, unique
from tests.waiting import until

pytestmark = pytest.mark.stack


async def test_a_lease_has_one_holder_until_he_stops_renewing_it(lab: Lab) -> None:
    name = unique("lease")
    one, other = Leases(lab.db, "one", 400), Leases(lab.db, "other", 400)
    assert await one.take(name)
    assert await one.take(name), "again, to renew it"
    assert not await other.take(name)
    await until(lambda: other.take(name), "the lease to run out")
    assert not await one.take(name), "who comes back too late has lost it"


async def test_of_many_who_want_it_at_once_one_gets_it(lab: Lab) -> None:
    name = unique("lease")
    taken = await asyncio.gather(*(Leases(lab.db, f"p{n}").take(name) for n in range(12)))
    assert sum(taken) == 1


async def test_a_lease_given_up_is_free_at_once_and_only_its_holder_gives_it_up(lab: Lab) -> None:
    name = unique("lease")
    one, other = Leases(lab.db, "one"), Leases(lab.db, "other")
    assert await one.take(name)
    await other.release(name)
    assert not await other.take(name)
    await one.release(name)
    assert await other.take(name)


async def test_who_keeps_a_lease_takes_it_when_it_comes_free_and_then_has_it(lab: Lab) -> None:
    name = unique("lease")
    one, other = Leases(lab.db, "one", 400), Leases(lab.db, "other", 400)
    assert await one.take(name)
    keeping = asyncio.create_task(other.keep(name))
    try:
        await until(lambda: _holder(lab, name, "other"), "the lease to change hands")
        asked = asyncio.get_running_loop().time()
        await until(lambda: asyncio.get_running_loop().time() - asked > 1.0, "twice the life of a lease")
        assert not await one.take(name)
    finally:
        keeping.cancel()


async def test_work_that_one_does_alone_outlasts_a_lease_and_gives_it_up(lab: Lab) -> None:
    name = unique("lease")
    one, other = Leases(lab.db, "one", 400), Leases(lab.db, "other", 400)
    done: list[bool] = []

    async def work() -> None:
        begun = asyncio.get_running_loop().time()
        await until(lambda: asyncio.get_running_loop().time() - begun > 1.0, "twice the life of a lease")
        done.append(await other.alone(name, _nothing()))

    assert await one.alone(name, work())
    assert done == [False], "nobody else did any meanwhile"
    assert await other.alone(name, _nothing()), "it is free at once"


async def test_work_is_cut_off_where_its_lease_is_lost_and_its_errors_are_told(lab: Lab) -> None:
    name = unique("lease")
    one = Leases(lab.db, "one", 400)
    begun = asyncio.Event()

    async def endless() -> None:
        begun.set()
        await asyncio.Event().wait()

    async def lose() -> None:
        await begun.wait()
        await lab.db["leases"].update_one({"_id": name}, {"$set": {"holder": "other"}})

    async with asyncio.timeout(20):
        await asyncio.gather(one.alone(name, endless()), lose())
    assert await _holder(lab, name, "other"), "who lost it does not give it up"

    async def failing() -> None:
        raise ValueError("a fault")

    free = unique("lease")
    with pytest.raises(ValueError, match="a fault"):
        await one.alone(free, failing())
    assert await Leases(lab.db, "other").take(free)


async def _nothing() -> None: ...


async def _holder(lab: Lab, name: str, holder: str) -> bool:
    held = await lab.db["leases"].find_one({"_id": name})
    return held is not None and held["holder"] == holder

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

"""Whoever works on a subject has it to himself, in the order in which it was asked for."""

from __future__ import annotations

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.chassis.claims import Claim, Claims

wanted = st.lists(st.sets(st.sampled_from("abcdef"), min_size=1, max_size=4), min_size=1, max_size=20)


@settings(max_examples=60, deadline=None)
@given(wanted=wanted, seed=st.integers(0, 999))
def test_each_subject_is_with_one_at_a_time_and_goes_on_in_the_order_of_asking(
    wanted: list[set[str]], seed: int
) -> None:
    dice, claims = random.Random(seed), Claims()
    called_off = {n for n in range(len(wanted)) if dice.random() < 0.2}
    begun: dict[str, list[int]] = {}
    busy: set[str] = set()

    async def work(n: int, claim: Claim, subjects: set[str]) -> None:
        try:
            if n in called_off:
                return
            await claim.turn()
            assert not busy & subjects
            busy.update(subjects)
            for subject in subjects:
                begun.setdefault(subject, []).append(n)
            for _ in range(dice.randint(0, 3)):
                await asyncio.sleep(0)
            busy.difference_update(subjects)
        finally:
            claim.release()

    async def run() -> None:
        asked = [claims.ask(("cards", subject) for subject in subjects) for subjects in wanted]
        tasks = [asyncio.create_task(work(n, asked[n], subjects)) for n, subjects in enumerate(wanted)]
        dice.shuffle(tasks)
        async with asyncio.timeout(10):
            await asyncio.gather(*tasks)

    asyncio.run(run())
    assert all(order == sorted(order) for order in begun.values())
    assert len(claims) == 0, "nothing is held for ever"


async def test_who_asks_for_something_else_does_not_wait() -> None:
    claims = Claims()
    held, other = claims.ask([("cards", "a")]), claims.ask([("cards", "b"), ("slips", "a")])
    async with asyncio.timeout(1):
        await held.turn()
        await other.turn()
    assert len(claims) == 3


async def test_one_that_is_called_off_before_its_turn_neither_holds_up_the_next_nor_lets_it_in_too_early() -> None:
    claims = Claims()
    first, off, last = (claims.ask([("cards", "a")]) for _ in range(3))
    waiting = asyncio.create_task(last.turn())
    off.release()
    await asyncio.wait({waiting}, timeout=0.05)
    assert not waiting.done(), "the first is still at work"
    first.release()
    async with asyncio.timeout(1):
        await waiting
    last.release()
    assert len(claims) == 0

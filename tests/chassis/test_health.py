"""Readiness: every part is asked, none can hold the answer up, and the open address tells nothing that should stay
inside.
"""

from __future__ import annotations

import asyncio

from services.chassis.health import Check, Health, NotReadyError, Report
from services.chassis.metrics import Metrics


async def fine() -> None:
    """A part that works."""


async def hangs() -> None:
    await asyncio.sleep(60)


async def fails() -> None:
    raise ConnectionError("mongodb://user:hunter2@db refused")


async def reasoned() -> None:
    raise NotReadyError("the stored offset of rapport.trade is out of range")


async def asked(**checks: Check) -> Report:
    return await Health(checks, timeout_ms=30).ready()


async def test_all_parts_that_work_make_it_ready() -> None:
    assert await asked(database=fine, broker=fine) == Report(True, {"database": "ok", "broker": "ok"})


async def test_a_part_that_does_not_answer_is_named_and_does_not_hold_the_others_up() -> None:
    started = asyncio.get_running_loop().time()
    report = await asked(database=hangs, other=hangs, broker=fine)
    assert report.parts == {"database": "no answer within 0.03 s", "other": "no answer within 0.03 s", "broker": "ok"}
    assert not report.ready
    assert asyncio.get_running_loop().time() - started < 1


async def test_a_failure_is_told_by_its_kind_and_not_by_its_words() -> None:
    assert (await asked(database=fails)).parts == {"database": "failed: ConnectionError"}


async def test_a_check_may_say_in_its_own_words_what_is_wrong() -> None:
    report = await asked(intake=reasoned)
    assert report.parts == {"intake": "the stored offset of rapport.trade is out of range"}


async def test_a_part_that_comes_back_makes_it_ready_again() -> None:
    clock, away = [0.0], [True]

    async def database() -> None:
        if away[0]:
            raise ConnectionError

    metrics = Metrics()
    health = Health({"database": database}, metrics=metrics, now=lambda: clock[0])
    assert not (await health.ready()).ready
    assert metrics.registry.get_sample_value("rapport_ready", {"part": "database"}) == 0
    away[0], clock[0] = False, 1.0
    assert (await health.ready()).ready
    assert metrics.registry.get_sample_value("rapport_ready", {"part": "database"}) == 1


async def test_many_who_ask_at_once_cost_one_question() -> None:
    calls = []

    async def count() -> None:
        calls.append(1)
        await asyncio.sleep(0)

    health = Health({"database": count}, now=lambda: 1.0)
    await asyncio.gather(*(health.ready() for _ in range(50)))
    assert len(calls) == 1


async def test_a_process_that_stops_is_not_ready_whatever_its_parts_say() -> None:
    health = Health({})
    health.add("database", fine)
    assert (await health.ready()).ready
    health.stopping()
    assert await health.ready() == Report(False, {"process": "stopping"})


async def test_a_part_that_starts_while_the_others_are_asked_is_asked_next_time() -> None:
    health = Health({}, timeout_ms=1000)

    async def starts() -> None:
        health.add("intake", fine)

    health.add("database", starts)
    assert await health.ready() == Report(True, {"database": "ok"})

"""Processes come and go in mid-stream; each event is folded once, by one of them."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest

from contracts.envelope import Event
from services.chassis import intake
from services.chassis.apply import Applier
from tests.chassis.lab import told, unique
from tests.kafka.house import House
from tests.waiting import until

pytestmark = pytest.mark.stack


async def test_a_second_process_joins_in_mid_stream_and_leaves_again(house: House) -> None:
    names, dice, ended = [unique() for _ in range(20)], random.Random(2), asyncio.Event()
    sent: list[Event] = []

    async def stream() -> None:
        while not ended.is_set():
            more = [told("say", n, dice.choice(names), f"{house.run}-{len(sent) + n}") for n in range(20)]
            sent.extend(more)
            await house.send(more)
            await asyncio.sleep(0.05)

    one = await house.start(batch_size=40)
    streaming = asyncio.create_task(stream())
    two = await house.start(batch_size=40)
    await until(lambda: (one.partitions, two.partitions) == (4, 4), "the two to share", deadline_s=60)
    await until(lambda: two.counted("rapport_events_applied_total") > 50, "the second to work")
    await two.stop()
    await until(lambda: one.partitions == 8, "the first to have all again")
    ended.set()
    await streaming
    await house.applied(len(sent))
    assert await house.trails() == {name: [e.id for e in sent if e.subject == name] for name in names}
    await house.sent()


async def test_partitions_placed_between_their_loss_and_their_return_are_placed_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The consumer shows the assignment before until the new one is there, and a process that was frozen loses and gets
    the same partitions: placed there alone, they would have no position, and nothing would be read any more.
    """
    held = Held(monkeypatch)
    one = await house.start()
    told_to_go = one.intake.on_partitions_revoked
    placed: list[int] = []

    async def going(revoked: Any) -> None:
        await told_to_go(revoked)
        await until(lambda: one.partitions == 8, "the turn that had the batch to place what it has lost")
        placed.append(one.partitions)

    monkeypatch.setattr(one.intake, "on_partitions_revoked", going)
    await house.send([told("add", 1, unique())])
    await until(lambda: held.waiting, "a batch to be in hand")
    one.intake.consumer._coordinator.request_rejoin()
    held.go.set()
    await until(lambda: bool(placed), "the group to be joined again")
    await house.send([told("add", 1, unique()) for _ in range(20)])
    await house.applied(21)


async def test_a_batch_in_hand_is_finished_before_its_partitions_go(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that takes so long that the paused assignment is polled: in a rebalance a poll waits for its end."""
    monkeypatch.setattr(intake, "HOLD", 0.2)
    held, polled = Held(monkeypatch), asyncio.Event()
    one = await house.start()
    told_to_go, poll = one.intake.on_partitions_revoked, one.intake._poll_nothing
    going: list[bool] = []

    async def listening(revoked: Any) -> None:
        going.append(True)
        await told_to_go(revoked)

    async def polling() -> None:
        if going:
            polled.set()
        await poll()

    monkeypatch.setattr(one.intake, "on_partitions_revoked", listening)
    monkeypatch.setattr(one.intake, "_poll_nothing", polling)
    subject = unique()
    await house.send([told("add", 1, subject) for _ in range(10)])
    await until(lambda: held.waiting, "a batch to be in hand")
    two = asyncio.create_task(house.start())
    await asyncio.wait_for(polled.wait(), 20)
    began = time.monotonic()
    held.go.set()
    await two
    await until(lambda: one.partitions == 4, "both to have their share")
    assert time.monotonic() - began < intake.FINISH / 2, "nobody waited for the other to give up"
    await house.applied(10)
    assert sum(run.counted("rapport_events_repeated_total") for run in house.running) == 0


class Held:
    """Holds back the first batch with events until `go`, as a slow database would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waiting, self.go = False, asyncio.Event()
        attempt = Applier._attempt

        async def slow(applier: Applier, batch: Any) -> Any:
            if batch.works and not self.go.is_set():
                self.waiting = True
                await self.go.wait()
            return await attempt(applier, batch)

        monkeypatch.setattr(Applier, "_attempt", slow)


async def test_a_batch_that_cannot_be_finished_is_dropped_and_read_by_whoever_has_the_partition(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "FINISH", 0.5)
    held = Held(monkeypatch)
    subject = unique()
    one = await house.start()
    await house.send([told("add", 1, subject) for _ in range(10)])
    await until(lambda: held.waiting, "a batch to be in hand")
    two = await house.start(wait=False)
    await until(lambda: one.partitions == two.partitions == 4, "both to have their share")
    assert await house.lab.db["ledger"].count_documents({}) == 0
    held.go.set()
    await house.applied(10)
    card = await house.lab.card(subject)
    assert card is not None and (card.n, len(set(card.trail))) == (10, 10)

"""The one door, on the real database: repeats, poison, writers in each other's way, lanes."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.events.customers import RequirementStated
from contracts.events.lifecycle import OwnerChanged
from contracts.refusal import Refused
from services.chassis.apply import Applier
from services.chassis.batch import Position
from services.chassis.service import Service
from services.chassis.work import Dead, Work, dead_of_record, event_work
from tests.chassis.lab import NOW, Card, Lab, lab_service, said, told, unique, work_for

pytestmark = pytest.mark.stack


def conflicts(applier: Applier) -> float:
    value: float = applier.metrics.registry.get_sample_value("rapport_version_conflicts_total") or 0.0
    return value


async def test_a_repeat_is_skipped_in_one_batch_and_across_batches(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    first, second = told("add", 1, subject), told("say", "x", subject)
    outcome = await applier.apply(lab.works([first, second, first]))
    assert (outcome.applied, outcome.repeats) == (2, 1)
    later = await applier.apply(lab.works([second, told("add", 5, subject), first]))
    assert (later.applied, later.repeats) == (1, 2)
    card = await lab.card(subject)
    assert card is not None and card.n == 6
    assert len(await lab.outbox(subject)) == 1


async def test_a_repeat_that_would_now_be_refused_is_a_repeat_and_no_dead_letter(lab: Lab) -> None:
    """Applied the first time, refused by what it did itself the second time."""
    applier, subject = await lab.applier(), unique()
    only = told("first", 1, subject)
    await applier.apply(lab.works([only]))
    again = await applier.apply(lab.works([only, told("add", 1, subject)]))
    assert (again.applied, again.repeats, again.dead) == (1, 1, [])
    assert await lab.dead(subject) == []


async def test_poison_is_filed_once_and_blocks_nothing_beside_it(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    batch = [told("add", 1, subject), told("no", 0, subject), told("boom", 0, subject), told("add", 2, subject)]
    unread = [unreadable(lab, subject)]
    for expected in ((2, 0, 3), (0, 2, 0)):  # the second time as after a kill between transaction and offsets
        outcome = await applier.apply(lab.works(batch), unread=unread)
        assert (outcome.applied, outcome.repeats, len(outcome.dead)) == expected
    assert [letter["reason"] for letter in await lab.dead(subject)].count("not_wanted") == 1
    assert len(await lab.dead(subject)) == 3
    assert await lab.card(subject) == Card(3, tuple(event.id for event in (batch[0], batch[3])))
    sent = await lab.outbox(subject)
    assert [row["topic"] for row in sent] == ["rapport.dead.profiles"] * 3
    headers = {name: bytes(value).decode() for name, value in sent[0]["headers"]}
    assert headers["x-rapport-original-topic"] == "rapport.customers"


def unreadable(lab: Lab, subject: str) -> Dead:
    origin = work_for(lab.service, told("add", 1, subject)).origin
    assert origin is not None
    return dead_of_record(origin, Refused("malformed_json", "No JSON."), NOW)


async def test_an_event_that_makes_what_cannot_be_stored_or_sent_takes_only_itself_out(lab: Lab) -> None:
    applier, subject, other = await lab.applier(), unique(), unique()
    outcome = await applier.apply(
        lab.works([told("add", 1, subject), told("huge", 0, subject), told("add", 2, subject), told("add", 4, other)])
    )
    assert (outcome.applied, [letter.reason for letter in outcome.dead]) == (3, ["fold_failed"])
    assert "OverflowError" in outcome.dead[0].message
    stored = await lab.card(subject), await lab.card(other)
    assert [card and card.n for card in stored] == [3, 4]


async def test_two_writers_of_the_same_subjects_lose_nothing(lab: Lab) -> None:
    one, other = await lab.applier(), await lab.applier()
    subjects = [unique() for _ in range(5)]
    mine = [[told("add", 1, subject) for subject in subjects for _ in range(4)] for _ in range(16)]
    shared = [told("add", 100, subject) for subject in subjects]  # both read these, as around a rebalance

    async def write(applier: Applier, batches: list[list[object]]) -> None:
        for batch in batches:
            await applier.apply(lab.works(batch))  # type: ignore[arg-type]

    await asyncio.gather(write(one, [*mine[:8], shared]), write(other, [shared, *mine[8:]]))  # type: ignore[list-item]
    for subject in subjects:
        card = await lab.card(subject)
        assert card is not None
        assert (card.n, len(card.trail), len(set(card.trail))) == (16 * 4 + 100, 65, 65)
    assert conflicts(one) + conflicts(other) + retries(one) + retries(other) > 0, "they were in each other's way"


def retries(applier: Applier) -> float:
    value = applier.metrics.registry.get_sample_value("rapport_retries_total", {"stage": "transaction"})
    return value or 0.0


async def test_work_of_one_process_on_the_same_subjects_waits_instead_of_being_done_twice(lab: Lab) -> None:
    """A batch, due moments and what people do come side by side; the database would let one of two win."""
    applier, subjects = await lab.applier(small=20), [unique() for _ in range(12)]
    batches = [[told("add", 1, subject) for subject in subjects for _ in range(k)] for k in (1, 2, 1, 3, 1)]
    await asyncio.gather(*(applier.apply(lab.works(batch)) for batch in batches))
    cards = [await lab.card(subject) for subject in subjects]
    assert [card and card.n for card in cards] == [8] * 12
    assert (conflicts(applier), retries(applier)) == (0, 0)


async def test_nothing_is_looked_for_that_a_subject_born_here_cannot_have(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    applier, subject = await lab.applier(), unique()
    asked: list[str] = []
    among = applier._among

    async def watched(name: str, *rest: Any) -> Any:
        asked.append(name)
        return await among(name, *rest)

    monkeypatch.setattr(applier, "_among", watched)
    await applier.apply(lab.works([told("slip", "a", subject)]))
    await applier.apply(lab.works([told("slip", "b", subject), told("slip", "a", subject)]))
    await applier.apply(lab.works([told("drop", "b", subject), told("all", 0, subject)]))
    assert asked == ["cards"], "once, before it was born"
    card = await lab.card(subject)
    assert card is not None
    assert card.n == 2
    assert await lab.slips(subject) == {"a": 2}


@pytest.mark.parametrize("verb", ["all", "first", "nothing"])
async def test_what_is_cached_hides_no_other_writers_change(lab: Lab, verb: str) -> None:
    """Also where nothing is written: a refusal, or the finding that there is nothing to do, rests on a state too."""
    one, other = await lab.applier(), await lab.applier()
    subject = unique()
    await one.apply(lab.works([told("slip", "a", subject)]))
    await other.apply(lab.works([told("slip", "b", subject), told("add", 1, subject)]))
    before = conflicts(one)
    outcome = await one.apply(lab.works([told(verb, 0, subject)]))
    assert conflicts(one) == before + 1, "the version told"
    card = await lab.card(subject)
    assert card is not None
    if verb == "all":
        assert card.n == 2
    assert [letter.reason for letter in outcome.dead] == (["not_first"] if verb == "first" else [])


async def test_a_refusal_that_rests_on_an_old_state_is_taken_back(lab: Lab) -> None:
    one, other = await lab.applier(), await lab.applier()
    subject = unique()
    await one.apply(lab.works([told("add", 1, subject)]))
    await other.apply([command(lab, subject)])
    await lab.db["cards"].update_one({"_id": subject}, {"$set": {"state.trail": []}, "$inc": {"v": 1}})
    outcome = await one.apply(lab.works([told("first", 0, subject)]))
    assert (outcome.applied, outcome.dead) == (1, [])


def command(lab: Lab, subject: str) -> Work:
    event = said(OwnerChanged(owner_id="staff/1", valid_from=NOW.date()), subject)
    return event_work(event, lab.service.handlers[event.type], NOW, None, b"{}")


async def test_a_command_is_folded_here_and_goes_out_as_it_is(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    work = command(lab, subject)
    await applier.apply([work])
    await applier.apply([command(lab, subject), work])
    card = await lab.card(subject)
    assert card is not None and len(card.trail) == 2
    assert [row["_id"] for row in await lab.outbox(subject)] == list(card.trail)


async def test_a_snapshot_repeated_in_another_month_is_still_a_repeat(lab: Lab) -> None:
    """Its row lies in last month's inbox, where inserting this month's would not meet it."""
    applier, subject = await lab.applier(), unique()
    copy = said(RequirementStated(requirement_id="r", need="text"), subject)
    await applier.apply(lab.works([copy]))
    outcome = await applier.apply(lab.works([copy], NOW + timedelta(days=31)))
    assert (outcome.applied, outcome.repeats) == (0, 1)
    assert await lab.facts(subject) == [], "it leaves nothing in the ledger"


async def test_what_one_subject_says_is_in_order_also_when_clocks_of_processes_differ(lab: Lab) -> None:
    applier, subject = await lab.applier(cache=0), unique()
    await applier.apply(lab.works([told("say", "a", subject), told("say", "b", subject)]))
    ahead = 10**6 * 3600  # another process, an hour ahead
    await lab.db["cards"].update_one({"_id": subject}, {"$inc": {"spoke": ahead}})
    before = (await lab.outbox(subject))[-1]["at"]
    await applier.apply(lab.works([told("say", "c", subject)]))
    rows = await lab.outbox(subject)
    assert [b'"c"' in row["value"] for row in rows] == [False, False, True]
    assert rows[-1]["at"] > before + ahead - 1


orders = st.tuples(st.sampled_from(["add", "say", "slip", "drop", "all", "no", "nothing"]), st.integers(1, 3))


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(orders, min_size=20, max_size=40), seed=st.integers(0, 99))
async def test_lanes_and_batches_do_not_show_in_what_is_stored(
    lab: Lab, history: list[tuple[str, int]], seed: int
) -> None:
    dice = random.Random(seed)
    names = ("a", "b", "c")
    results = []
    for small, lanes, size in ((256, 1, 1000), (1, 3, dice.randint(1, 9))):
        applier, run = await lab.applier(small=small, lanes=lanes), unique()
        events = [told(verb, what, f"{run}{names[n % 3]}", f"{run}{n}") for n, (verb, what) in enumerate(history)]
        for start in range(0, len(events), size):
            await applier.apply(lab.works(events[start : start + size]))
        results.append([await picture(lab, f"{run}{name}", run) for name in names])
    assert results[0] == results[1]


async def picture(lab: Lab, subject: str, run: str) -> object:
    card = await lab.card(subject)
    trail = None if card is None else (card.n, [name.removeprefix(run) for name in card.trail])
    spoken = [row["_id"].replace(run, "") for row in await lab.outbox(subject) if not row["_id"].startswith("dead")]
    return (
        trail,
        await lab.slips(subject),
        spoken,
        [letter["_id"].replace(run, "") for letter in await lab.dead(subject)],
    )


@pytest.mark.parametrize("first", [3, 30])
async def test_a_batch_given_while_the_one_before_is_under_way_does_not_overtake_it(
    lab: Lab, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the first is small and goes in one piece, and the second is split."""
    applier, names = await lab.applier(small=10, lanes=2, cache=0), [unique() for _ in range(3)]
    fold, hold = applier._fold, asyncio.Event()

    async def slow(works: list[Work], *rest: Any) -> Any:
        if works and works[0].cause.endswith("-0"):
            await hold.wait()
        return await fold(works, *rest)

    monkeypatch.setattr(applier, "_fold", slow)
    batches = [
        [told("add", 1, names[n % 3], f"{names[0]}-{n}") for n in span] for span in (range(first), range(first, 60))
    ]
    one = asyncio.create_task(applier.apply(lab.works(batches[0]), [Position("t", 0, first, NOW)]))
    two = asyncio.create_task(applier.apply(lab.works(batches[1]), [Position("t", 0, 60, NOW)], after=one))
    await asyncio.wait({two}, timeout=0.2)  # it may go as far as it can
    assert ("t", 0) not in await applier.positions(), "how far was read is stored in order"
    hold.set()
    await two
    for n, name in enumerate(names):
        card = await lab.card(name)
        assert card is not None
        assert card.trail == tuple(f"{names[0]}-{k}" for k in range(60) if k % 3 == n)
    assert one.done()
    await lab.db["offsets"].delete_one({"_id": "t/0"})


async def test_a_fault_of_the_wiring_ends_the_process_instead_of_running_for_ever(lab: Lab) -> None:
    broken: Service = lab_service()
    del broken.kinds["cards"]
    applier = await lab.applier()
    applier.service = broken
    with pytest.raises(KeyError):
        await asyncio.wait_for(applier.apply(lab.works([told("add", 1, unique())])), 10)

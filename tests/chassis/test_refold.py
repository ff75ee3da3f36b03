"""Folding a customer again from his ledger: the same comes out, and what changes is said once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.envelope import Event
from contracts.events.customers import CustomerErased, CustomerLinked, RequirementStated
from contracts.events.lifecycle import OwnerChanged
from services.chassis.aggregate import Desk
from services.chassis.mongo import Doc
from services.chassis.refold import refold_subject
from services.chassis.service import Before, Service
from services.chassis.work import tick_work
from tests.chassis.lab import CARDS, NOW, SLIPS, Card, Lab, follow, lab_service, said, told, unique

pytestmark = pytest.mark.stack
LATER = NOW + timedelta(days=1)


async def documents(lab: Lab, subject: str) -> list[Doc]:
    """All that is stored of a subject but the version."""
    found: list[Doc] = []
    for name, where in (("cards", {"_id": subject}), ("slips", {"s": subject}), ("notes", {"s": subject})):
        found += [doc async for doc in lab.db[name].find(where, projection={"v": 0, "spoke": 0}).sort("_id", 1)]
    return found


orders = st.tuples(st.sampled_from(["add", "say", "slip", "drop", "all", "note", "wait", "nothing"]), st.integers(1, 3))


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(orders, min_size=3, max_size=15), size=st.integers(1, 5))
async def test_a_refold_changes_nothing(lab: Lab, history: list[tuple[str, int]], size: int) -> None:
    applier, subject = await lab.applier(), unique()
    events = [told(verb, what, subject, f"{subject}-{n}") for n, (verb, what) in enumerate(history)]
    for start in range(0, len(events), size):
        await applier.apply(lab.works(events[start : start + size]))
    head = await lab.db["cards"].find_one({"_id": subject})
    if head is not None and "due" in head:
        await applier.apply([tick_work(CARDS, CARDS, lab.service.ticks["cards"][1], subject, "", head["due"])])
    before, spoken = await documents(lab, subject), len(await lab.outbox(subject))
    assert await refold_subject(applier, CARDS, subject, LATER) is False
    assert await documents(lab, subject) == before
    assert len(await lab.outbox(subject)) == spoken


async def test_what_a_command_and_a_moment_did_is_told_again(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    acted = said(OwnerChanged(owner_id="x", valid_from=NOW.date()), subject)
    await applier.apply(lab.works([told("wait", 5, subject)]))
    await applier.apply(lab.works([acted], NOW + timedelta(seconds=1)))
    await refold_subject(applier, CARDS, subject, LATER)
    card = await lab.card(subject)
    assert card is not None and card.trail[-1] == acted.id


async def test_a_damaged_summary_is_made_whole_from_the_rows_and_the_rest_is_kept(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    await applier.apply(lab.works([told("add", 4, subject), told("slip", "a", subject), told("note", "n", subject)]))
    await applier.apply(lab.works([said(RequirementStated(requirement_id="r", need="snapshot"), subject)]))
    await lab.db["cards"].update_one({"_id": subject}, {"$set": {"state.n": -7}, "$inc": {"v": 1}})
    await lab.db["slips"].delete_many({"s": subject})
    assert await refold_subject(applier, CARDS, subject, LATER) is True
    card = await lab.card(subject)
    assert card is not None and (card.n, card.copy) == (4, "snapshot"), "what came from a copy is taken over"
    assert await lab.slips(subject) == {"a": 1}
    assert await lab.db["notes"].count_documents({"s": subject}) == 1, "what is not derived is left alone"
    assert await refold_subject(applier, CARDS, subject, LATER) is False


async def test_a_new_version_of_the_rules_says_what_it_changes_once(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    await applier.apply(lab.works([told("add", 4, subject)]))
    spoken = len(await lab.outbox(subject))
    applier = await lab.applier()  # the new version starts as another process
    applier.service = doubling()
    await applier.apply(lab.works([told("nothing", 0, subject)]))
    head = await lab.db["cards"].find_one({"_id": subject})
    assert head is not None and head["fv"] == 1, "the new rules touched it, but it still stands by the old ones"
    assert await refold_subject(applier, CARDS, subject, LATER) is True
    assert await refold_subject(applier, CARDS, subject, LATER) is False
    head = await lab.db["cards"].find_one({"_id": subject})
    assert head is not None and (head["fv"], head["state"]["n"]) == (2, 8)
    assert len(await lab.outbox(subject)) == spoken + 1


def doubling() -> Service:
    """The lab's service in its second version: it counts double, and says so."""
    service = lab_service(fold_version=2)

    def double(desk: Desk, event: Event) -> None:
        follow(desk, event)
        order = cast("CustomerLinked", event.data)
        if order.system == "add" and (card := desk.get(CARDS)) is not None:
            desk.put(CARDS, Card(card.n + int(order.local_id), card.trail))

    def compare(desk: Desk, before: Before) -> None:
        assert desk.get(SLIPS, "never there") is None
        desk.emit(OwnerChanged(owner_id="doubled", valid_from=NOW.date()))

    del service.handlers[CustomerLinked.TYPE]
    service.on(CustomerLinked, CARDS)(double)
    service.after_refold(CARDS)(compare)
    return service


async def test_a_refold_beside_the_running_service_loses_nothing_of_either(lab: Lab) -> None:
    live, other, subject = await lab.applier(), await lab.applier(), unique()
    await live.apply(lab.works([told("add", 1, subject)]))

    async def serve() -> None:
        for _ in range(20):
            await live.apply(lab.works([told("add", 1, subject)], datetime.now(UTC)))

    async def refold() -> None:
        for n in range(10):
            await lab.db["cards"].update_one({"_id": subject}, {"$set": {"state.copy": f"{n}"}, "$inc": {"v": 1}})
            await lab.db["slips"].insert_one(
                {"_id": f"{subject}\t{n}", "s": subject, "k": str(n), "state": {"n": 1, "ticks": 0}}
            )
            await refold_subject(other, CARDS, subject, datetime.now(UTC))

    await asyncio.gather(serve(), refold())
    card = await lab.card(subject)
    assert card is not None and (card.n, len(card.trail)) == (21, 21)
    await refold_subject(other, CARDS, subject, datetime.now(UTC))
    assert await lab.slips(subject) == {}


async def test_who_has_no_facts_or_is_erased_is_left_alone(lab: Lab) -> None:
    applier, nobody, gone = await lab.applier(), unique(), unique()
    await applier.apply(lab.works([told("add", 1, gone), said(CustomerErased(), gone)]))
    for subject in (nobody, gone):
        assert await refold_subject(applier, CARDS, subject, LATER) is False
    assert await lab.db["cards"].find_one({"_id": nobody}) is None, "no empty head is made"

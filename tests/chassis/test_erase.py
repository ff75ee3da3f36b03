"""Forgetting a customer: what goes, what stays without him, and that nothing comes back."""

from __future__ import annotations

import msgspec
import pytest

from contracts.events.customers import CustomerErased, CustomerLinked
from contracts.events.lifecycle import OwnerChanged
from services.chassis.aggregate import Head, Part
from services.chassis.erase import unregistered
from services.chassis.mongo import ensure
from services.chassis.service import Service
from tests.chassis.lab import NOW, Card, Lab, Slip, erased, lab_service, said, told, unique

pytestmark = pytest.mark.stack
OTHERS = Head("others", Card)
PAGES = Part("pages", Slip, OTHERS)


def keeper() -> Service:
    """The lab's service, with books that law keeps, snapshots, and a second head for the same customer."""
    service = lab_service()
    service.books = (CustomerLinked.TYPE,)
    service.snapshots = ("rapport.profiles",)
    service.stores(OTHERS, PAGES)
    return service


async def test_all_that_stands_about_an_erased_customer_goes(lab: Lab) -> None:
    applier, subject, other = await lab.applier(), unique(), unique()
    verbs = [("add", 1), ("slip", "a"), ("note", "b"), ("no", 0)]
    await applier.apply(lab.works([told(*verb, who) for who in (subject, other) for verb in verbs]))
    await applier.apply(lab.works([said(CustomerErased(), subject)]))
    head = await lab.db["cards"].find_one({"_id": subject})
    assert head is not None and (head["erased"], "state" in head, "due" in head) == (True, False, False)
    for name in ("slips", "notes"):
        assert await lab.db[name].count_documents({"s": subject}) == 0
        assert await lab.db[name].count_documents({"s": other}) == 1
    assert await lab.facts(subject) == []
    assert len(await lab.facts(other)) == 3
    (letter,) = await lab.dead(subject)
    assert {"_id", "reason", "event_id", "topic", "offset"} <= letter.keys()
    assert not {"key", "value", "headers", "message"} & letter.keys()
    for row in await lab.outbox(subject):
        assert row["value"] is None, "a letter on its way loses its content too"


async def test_rows_keep_their_ids_so_that_a_repeat_is_known_and_what_law_keeps_is_kept_without_him(lab: Lab) -> None:
    service = keeper()
    await ensure(lab.db, [OTHERS.collection(), PAGES.collection()])
    applier, subject = await lab.applier(), unique()
    applier.service = service
    booked, ending = told("add", 1, subject), said(CustomerErased(), subject)
    await applier.apply(lab.works([booked, ending]))
    rows = {
        row["_id"]: row
        async for row in lab.db["ledger"].find({"_id": {"$in": [f"crm:{e.id}" for e in (booked, ending)]}})
    }
    assert [row["s"] for row in rows.values()] == ["", ""]
    assert msgspec.json.decode(rows[f"crm:{booked.id}"]["d"]) == {"system": "add", "local_id": "1"}
    assert "d" not in rows[f"crm:{ending.id}"]
    outcome = await applier.apply(lab.works([booked, ending]))
    assert (outcome.repeats, outcome.dead) == (2, []), "the erasure itself too, when it is read again"


async def test_later_events_are_refused_with_ids_and_reason_only(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    late = told("add", 1, subject)
    await applier.apply(lab.works([said(CustomerErased(), subject), told("add", 5, subject)]))  # in the same batch
    await (await lab.applier()).apply(lab.works([late]))  # and by another process, later
    letters = {letter["_id"]: letter for letter in await lab.dead(subject)}
    assert len(letters) == 2
    letter = letters[f"crm:{late.id}"]
    assert (letter["reason"], letter["event_id"]) == ("erased", late.id)
    assert not {"key", "value", "headers"} & letter.keys()
    for row in await lab.outbox(subject):
        assert row["value"] is None
        assert {name.split("-")[1] for name, _ in row["headers"]} == {"rapport"}
    assert await lab.card(subject) is None


async def test_another_head_of_the_same_customer_is_closed_too(lab: Lab) -> None:
    service = keeper()
    service.command(OwnerChanged, OTHERS)(lambda desk, event: desk.put(OTHERS, Card(n=1)))
    await ensure(lab.db, [OTHERS.collection(), PAGES.collection()])
    applier, subject = await lab.applier(), unique()
    applier.service = service
    lab.service, kept = service, lab.service
    try:
        await applier.apply(lab.works([said(OwnerChanged(owner_id="x", valid_from=NOW.date()), subject)]))
        await lab.db["pages"].insert_one(
            {"_id": f"{subject}\tp", "s": subject, "k": "p", "state": {"n": 1, "ticks": 0}}
        )
        await applier.apply(lab.works([said(CustomerErased(), subject)]))
        head = await lab.db["others"].find_one({"_id": subject})
        assert head is not None and (head["erased"], head["v"], "state" in head) == (True, 2, False)
        assert await lab.db["pages"].count_documents({"s": subject}) == 0
        outcome = await applier.apply(lab.works([said(OwnerChanged(owner_id="y", valid_from=NOW.date()), subject)]))
        assert [letter.reason for letter in outcome.dead] == ["erased"]
    finally:
        lab.service = kept


async def test_a_snapshot_that_waits_is_not_sent_and_a_tombstone_is(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    applier.service = keeper()
    snapshot = {
        "_id": unique(),
        "shard": 0,
        "at": 1,
        "topic": "rapport.profiles",
        "key": subject.encode(),
        "value": b"{}",
        "headers": [],
    }
    await lab.db["outbox"].insert_one(snapshot)
    await applier.apply(lab.works([said(CustomerErased(), subject)]))
    rows = [row for row in await lab.outbox(subject) if row["topic"] == "rapport.profiles"]
    assert [row["value"] for row in rows] == [None]


def test_a_service_that_does_not_say_how_it_forgets_is_named() -> None:
    service = lab_service()
    assert unregistered([service]) == ["profiles"]
    service.eraser = erased
    assert unregistered([service]) == ["profiles"], "nor how it hands out"

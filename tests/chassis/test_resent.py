"""Events that were dead letters and are sent again: taken and said so, or filed anew; and nothing else about them."""

from __future__ import annotations

import pytest

from contracts.envelope import Event
from contracts.refusal import Refused
from services.chassis.outbox import TAKEN
from services.chassis.work import ATTEMPT, LETTER, Dead, Origin, Resent, Work, dead_of_record
from tests.chassis.lab import NOW, Lab, told, unique

pytestmark = pytest.mark.stack


def again(lab: Lab, event: Event, attempt: int, letter: str = "") -> Work:
    """The event as the clinic sends it."""
    (work,) = lab.works([event])
    work.resent = Resent(letter or work.cause, attempt)
    return work


async def said(lab: Lab, subject: str) -> list[tuple[str, bytes]]:
    """Of every row for the topic of dead letters: the reason or the attempt, whichever it has."""
    found = []
    for row in await lab.outbox(subject):
        given = dict(map(tuple, row["headers"]))
        if row["topic"].startswith("rapport.dead."):
            found.append(
                ("taken", bytes(given[TAKEN])) if TAKEN in given else ("reason", bytes(given["x-rapport-reason"]))
            )
    return found


async def test_a_letter_that_is_taken_now_is_closed_and_that_is_said_once(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    bad = told("no", 0, subject)
    await applier.apply(lab.works([bad]))
    good = told("add", 5, subject, bad.id)
    await applier.apply([again(lab, good, 1)])
    await applier.apply([again(lab, good, 1)])  # a copy of the same sending
    await applier.apply([again(lab, good, 2)])
    card = await lab.card(subject)
    assert card is not None and card.n == 5
    (letter,) = await lab.dead(subject)
    assert letter["status"] == "replayed"
    assert [what for what, _ in await said(lab, subject)].count("taken") == 1


async def test_what_is_refused_again_is_filed_anew_once_an_attempt(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    bad = told("no", 0, subject)
    await applier.apply(lab.works([bad, bad]))
    await applier.apply(lab.works([bad]))
    for attempt in (1, 1, 2, 1):
        await applier.apply([again(lab, told("boom", 0, subject, bad.id), attempt)])
    (letter,) = await lab.dead(subject)
    assert (letter["status"], letter["reason"], letter["attempt"]) == ("open", "fold_failed", 2)
    assert len(await said(lab, subject)) == 3


async def test_of_two_corrections_in_a_batch_the_later_counts(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    bad = told("no", 0, subject)
    await applier.apply(lab.works([bad]))
    wrong, right = told("boom", 0, subject, bad.id), told("add", 7, subject, bad.id)
    await applier.apply([again(lab, wrong, 1), again(lab, right, 2)])
    card = await lab.card(subject)
    assert card is not None and card.n == 7
    (letter,) = await lab.dead(subject)
    assert letter["status"] == "replayed"


async def test_a_header_mends_no_letter_of_another_event(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    await applier.apply(lab.works([bad := told("no", 0, subject)]))
    name = f"{bad.source}:{bad.id}"
    await applier.apply([again(lab, told("add", 1, subject), 1, name)])
    (letter,) = await lab.dead(subject)
    assert letter["status"] == "open"


async def test_a_letter_without_a_name_is_mended_by_what_names_it(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    origin = Origin("rapport.customers", 3, hash(subject) % 10**9, subject.encode(), b"?", ())
    dead: Dead = dead_of_record(origin, Refused("missing_attribute", "No id."), NOW)
    await applier.apply([], unread=[dead])
    await applier.apply([again(lab, told("add", 1, subject), 1, dead.id)])
    (letter,) = await lab.dead(subject)
    assert (letter["_id"], letter["status"]) == (dead.id, "replayed")


async def test_a_record_that_cannot_be_read_is_filed_anew_when_it_was_sent_again(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    for attempt in (None, None, b"1", b"1", b"x"):
        ours = [] if attempt is None else [(LETTER, b"crm:1"), (ATTEMPT, attempt)]
        headers = (("ce_source", b"crm"), ("ce_id", subject.encode()), *ours)
        origin = Origin("rapport.customers", 3, 7, subject.encode(), b"?", headers)
        await applier.apply([], unread=[dead_of_record(origin, Refused("malformed_json", "No JSON."), NOW)])
    assert len(await said(lab, subject)) == 2

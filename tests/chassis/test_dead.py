"""Dead letters: what is kept of them, and feeding them to the service again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import count

import pytest

from contracts.envelope import encode
from contracts.events.customers import CustomerErased
from contracts.refusal import Refused
from services.chassis import dead
from services.chassis.aggregate import Desk
from services.chassis.outbox import CUT, FEW
from services.chassis.work import Dead, Origin, dead_of_record, tick_work
from tests.chassis.lab import CARDS, NOW, Card, Lab, said, told, unique

pytestmark = pytest.mark.stack
offsets = count()


def unreadable(value: bytes, headers: Sequence[tuple[str, bytes]] = (), key: bytes = b"k") -> Dead:
    origin = Origin("rapport.customers", 3, next(offsets), key, value, tuple(headers))
    return dead_of_record(origin, Refused("malformed_json", "No JSON."), NOW)


async def test_a_letter_that_is_taken_now_is_taken_once(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    await applier.apply(lab.works([told("add", 1, subject), late := told("first", 0, subject)]))
    name = f"crm:{late.id}"
    with pytest.raises(dead.NotReplayed, match="not_first"):
        await dead.replay(applier, lab.service, name)
    await lab.db["cards"].update_one({"_id": subject}, {"$set": {"state.trail": []}, "$inc": {"v": 1}})
    await dead.replay(applier, lab.service, name)
    await applier.apply(lab.works([late]))
    card = await lab.card(subject)
    assert card is not None and card.trail == (late.id,)
    with pytest.raises(dead.NotReplayed, match="replayed before"):
        await dead.replay(applier, lab.service, name)


async def test_a_letter_is_replayed_with_its_content_corrected(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    event = told("add", 1, subject)
    record = encode(event)
    broken = unreadable(b'{"system": "add"', record.headers, record.key)
    await applier.apply([], unread=[broken])
    with pytest.raises(dead.NotReplayed, match="malformed_json"):
        await dead.replay(applier, lab.service, broken.id)
    await dead.replay(applier, lab.service, broken.id, b'{"system": "add", "local_id": "41"}')
    card = await lab.card(subject)
    assert card is not None and card.n == 41


async def test_a_letter_refused_again_stays_open_with_its_new_reason(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    late = told("no", 0, subject)
    await applier.apply(lab.works([late]))
    with pytest.raises(dead.NotReplayed, match="fold_failed"):
        await dead.replay(applier, lab.service, f"crm:{late.id}", b'{"system": "boom", "local_id": "0"}')
    (letter,) = await lab.dead(subject)
    assert (letter["status"], letter["reason"]) == ("open", "fold_failed")


async def test_a_letter_is_found_by_its_subject_even_where_only_the_key_tells_it(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    await applier.apply([], unread=[unreadable(subject.encode(), (), subject.encode())])
    assert len(await lab.dead(subject)) == 1


async def test_a_letter_larger_than_the_broker_takes_holds_nothing_up(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    headers = [(f"h{n}", b"x" * 60_000) for n in range(5)]
    await applier.apply([], unread=[unreadable(b"x" * 5_000_000, headers, subject.encode())])
    (letter,), (row,) = await lab.dead(subject), await lab.outbox(subject)
    assert len(row["value"]) == len(letter["value"]) == CUT
    size = len(row["value"]) + sum(len(name) + len(value) for name, value in row["headers"])
    assert size < CUT + FEW + 4000 < 1_048_588
    with pytest.raises(dead.NotReplayed, match="5,000,000"):
        await dead.replay(applier, lab.service, letter["_id"])


async def test_what_is_shown_pages_through_all_letters(fresh: Lab) -> None:
    applier, subject = await fresh.applier(), unique()
    await applier.apply(fresh.works([told("no", n, subject) for n in range(5)]))
    pages: list[str] = []
    while page := await dead.letters(fresh.db, after=pages[-1] if pages else "", limit=2):
        pages += [letter["_id"] for letter in page]
    assert len(set(pages)) == len(pages) == 5
    shown = await dead.letter(fresh.db, pages[0])
    assert shown is not None and '"system":"no"' in shown["value"]
    assert shown["headers"]["ce_source"] == "crm"


async def test_a_moment_whose_tick_fails_is_filed_under_its_customer_and_not_on_the_bus(lab: Lab) -> None:
    def fails(desk: Desk, key: str, card: Card) -> None:
        raise RuntimeError(desk.subject)

    applier, subject = await lab.applier(), unique()
    await applier.apply(lab.works([told("wait", 5, subject)]))
    await applier.apply([tick_work(CARDS, CARDS, fails, subject, "", NOW + timedelta(milliseconds=5))])
    (letter,) = await lab.dead(subject)
    assert (letter["reason"], subject in letter["message"]) == ("fold_failed", True)
    assert await lab.outbox(subject) == []
    await applier.apply(lab.works([said(CustomerErased(), subject)]))
    (letter,) = await lab.dead(subject)
    assert "message" not in letter, "what it says may be about him"

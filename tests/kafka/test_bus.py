"""From the bus through the service to the bus again: in order, once, and bad records block nothing."""

from __future__ import annotations

import random

import pytest

from contracts.envelope import encode, encode_json
from contracts.events.customers import ReferralMade
from tests.chassis.lab import said, told, unique
from tests.kafka.house import IN, House, heard
from tests.waiting import until

pytestmark = pytest.mark.stack


async def test_events_are_folded_in_order_and_what_they_say_goes_out_in_order_and_once(house: House) -> None:
    running = await house.start(batch_size=50)
    names, dice = [unique() for _ in range(10)], random.Random(1)
    sent = [told("say", f"x/{n}", dice.choice(names), f"{house.run}-{n}") for n in range(300)]
    await house.send(event for event in sent for _ in range(dice.choice((1, 1, 1, 3))))
    await house.applied(300)
    await house.sent()
    trails = await house.trails()
    assert trails == {name: [event.id for event in sent if event.subject == name] for name in names}
    out = await heard(house.kafka, "rapport.lifecycle", names)
    for name in names:
        ids = [dict(record.headers)["ce_id"].decode() for record in out[name]]
        assert ids == [f"crm:{event}/owner.changed.v1/0" for event in trails[name]]
    await until(lambda: running.counted("rapport_events_repeated_total") > 0, "repeats to be counted")
    assert running.counted("rapport_events_applied_total") == 300


async def test_bad_records_are_filed_once_each_and_those_beside_them_are_applied(house: House) -> None:
    subject = unique()
    good = [told("add", 1, subject) for _ in range(4)]
    record = encode(good[0])
    headers: dict[str, bytes | None] = dict(record.headers)
    bad: dict[str, tuple[bytes | None, dict[str, bytes | None]]] = {
        "malformed_json": (b"{bad", headers | {"ce_id": b"bad-1"}),
        "missing_attribute": (record.value, {"ce_type": headers["ce_type"], "ce_id": None}),
        "unknown_type": (record.value, headers | {"ce_type": b"rapport.nothing.known.v1", "ce_id": b"bad-3"}),
        "wrong_content_type": (record.value, headers | {"content-type": b"text/plain", "ce_id": b"bad-4"}),
        "bad_attribute": (record.value, headers | {"ce_subject": b"\xff\xfe", "ce_id": b"bad-5"}),
        "key_mismatch": (record.value, headers | {"ce_subject": b"somebody-else", "ce_id": b"bad-6"}),
        "too_large": (b'{"system": "' + b"x" * 900_000, headers | {"ce_id": b"bad-7"}),
    }
    for number, (value, given) in enumerate(bad.values()):
        await house.producer.send_and_wait(IN, value, subject.encode(), headers=list(given.items()))
        await house.send(good[number : number + 1])
    structured = told("add", 10, subject)
    content = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
    await house.producer.send_and_wait(IN, encode_json(structured), subject.encode(), headers=content)
    await house.start(max_event_bytes=100_000)
    await house.applied(5)
    reasons = [letter["reason"] async for letter in house.lab.db["dead"].find({})]
    assert sorted(reasons) == sorted(bad)
    card = await house.lab.card(subject)
    assert card is not None and (card.n, len(card.trail)) == (14, 5)
    await house.sent()
    letters = (await heard(house.kafka, "rapport.dead.profiles", [subject]))[subject]
    assert len(letters) == len(bad)
    facts = await house.lab.db["ledger"].find_one({"_id": f"crm:{structured.id}"})
    assert facts is not None and facts["d"] == '{"system":"add","local_id":"10"}', "a refold reads it like any other"


async def test_what_another_service_is_told_is_passed_over(house: House) -> None:
    subject = unique()
    await house.send([said(ReferralMade(referred_id="x"), subject), told("add", 1, subject)])
    running = await house.start()
    await house.applied(1)
    await until(lambda: running.counted("rapport_events_applied_total") >= 1, "it to be counted")
    assert running.counted("rapport_events_applied_total") == 1
    assert await house.lab.db["dead"].count_documents({}) == 0

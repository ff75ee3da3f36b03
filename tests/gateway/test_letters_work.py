"""What people do with dead letters: assign, close, two at once, many at once; and what is left of who is erased."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from contracts.envelope import Event, encode_data
from contracts.events.lifecycle import ProfileErased
from deploy.local.stack import Stack
from services.chassis import marks
from services.chassis.auth import Role
from services.chassis.tokens import LocalIssuer
from services.chassis.work import event_work
from services.gateway.letters import store
from tests.gateway.gatekit import house, invoice, unique
from tests.gateway.importkit import lives, own_settings, serving
from tests.gateway.letterkit import DEAD, Clinic, letter_of, publish
from tests.kafka.house import heard
from tests.waiting import until

pytestmark = pytest.mark.stack
MANY = 10_000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def clinic(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clinic]:
    home = tmp_path_factory.mktemp("home")
    async with house(stack.kafka, stack.mongo, home, clinic=True, gateway_sources_seconds=1) as opened:
        yield Clinic(opened)


async def test_a_letter_is_assigned_closed_with_a_reason_and_opened_again(clinic: Clinic) -> None:
    (event,), _ = await clinic.made()
    path, _, version = await clinic.case(event)
    assigned = await clinic.ask("POST", f"{path}/assign", version, json={"to": "staff/7"})
    assert (assigned.json()["state"], assigned.json()["assignee"]) == ("assigned", "staff/7")
    closed = await clinic.ask("POST", f"{path}/close", assigned.headers["etag"], json={"reason": "sent twice"})
    assert closed.json()["state"] == "closed" and closed.json()["can"] == ["reopen"]
    refused = await clinic.ask("POST", f"{path}/resend", closed.headers["etag"])
    assert (refused.status_code, refused.json()["code"]) == (409, "cannot_resend")
    shown = (await clinic.ask("GET", path)).json()
    assert (shown["closed_by"], shown["closed_because"]) == ("op", "sent twice")
    again = await clinic.ask("POST", f"{path}/reopen", closed.headers["etag"])
    assert again.json()["state"] == "assigned"
    assert [one["what"] for one in (await clinic.ask("GET", path)).json()["history"]] == [
        *("refused", "assigned", "closed", "reopened"),
    ]


async def test_of_two_people_at_once_the_second_is_told_and_nothing_of_his_goes_out(clinic: Clinic) -> None:
    (event,), _ = await clinic.made()
    path, _, version = await clinic.case(event)
    answers = await asyncio.gather(
        *(
            clinic.ask(
                "POST", f"{path}/correct", version, person=who, json={"data": event["data"] | more, "send": True}
            )
            for who, more in (("one", {"company": "SH01"}), ("two", {"company": "SH02"}))
        )
    )
    assert sorted(one.status_code for one in answers) == [200, 412]
    (sent,) = (await clinic.gateway.sent(event["subject"]))[event["subject"]]
    winner = "SH01" if answers[0].status_code == 200 else "SH02"
    assert winner.encode() in (sent.value or b"")
    assert (await clinic.ask("POST", f"{path}/assign", json={"to": None})).status_code == 428


async def test_a_correction_that_would_be_refused_is_told_why_and_not_sent(clinic: Clinic) -> None:
    (event,), _ = await clinic.made()
    path, _, version = await clinic.case(event)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"data": {"invoice_id": "1"}}, "bad_field"),
        ({"data": event["data"], "attributes": {"id": "another"}}, "identity_fixed"),
        ({"data": event["data"], "attributes": {"type": "rapport.alert.raised.v1"}}, "not_intake"),
        ({"data": event["data"] | {"order_id": 10**400}}, "bad_field"),
    ]
    for body, reason in wrong:
        answer = await clinic.ask("POST", f"{path}/correct", version, json=body | {"send": True})
        assert (answer.status_code, answer.json()["code"]) == (422, reason), answer.text
        assert answer.json()["expected"] and answer.json()["field"]
    assert await clinic.gateway.ids(event["subject"]) == []


async def erase(clinic: Clinic, customer: str) -> None:
    """Profiles has erased the customer."""
    runtime, now = clinic.gateway.runtime, datetime.now(UTC)
    said = ProfileErased(erased_at=now)
    event = Event(id=unique("e"), source="rapport/profiles", type=said.TYPE, subject=customer, time=now, data=said)
    outcome = await runtime.applier.apply(
        [event_work(event, runtime.service.handlers[event.type], now, None, encode_data(said))]
    )
    assert not outcome.dead, outcome.dead


async def test_of_an_erased_customer_ids_and_the_reason_stay_and_nothing_can_be_sent(clinic: Clinic) -> None:
    (event,), reason = await clinic.made()
    path, _, version = await clinic.case(event)
    version = (await clinic.ask("POST", f"{path}/assign", version, json={"to": "staff/7"})).headers["etag"]
    exported = await clinic.gateway.runtime.service.exporter(clinic.gateway.runtime.db, event["subject"])  # type: ignore[misc]
    assert "INV-0" in str(exported["letters"])
    await erase(clinic, event["subject"])
    stored = await clinic.gateway.runtime.db["letters"].find_one({"subject": event["subject"]})
    assert stored is not None and not {"record", "correction", "message"} & stored.keys()
    assert "INV-0" not in str(stored)
    _, shown, after = await clinic.at(path, lambda now: now["erased"], "the erasure")
    assert (shown["reason"], shown["event_id"], shown["can"]) == (reason, event["id"], ["assign", "close"])
    assert (await clinic.ask("POST", f"{path}/resend", version)).status_code == 412, "he has read what is gone"
    assert (await clinic.ask("POST", f"{path}/resend", after)).status_code == 409

    late = invoice(event["subject"], id=unique("e"))  # a letter that lay unread meanwhile
    await publish(clinic.kafka, DEAD, [letter_of(late, reason)])
    path, shown, _ = await clinic.case(late)
    await clinic.at(path, lambda now: now["erased"], "the erasure")
    kept = {"event_id": late["id"], "record": {"$exists": True}}
    assert await clinic.gateway.runtime.db["letters"].count_documents(kept) == 0


async def test_letters_are_listed_by_what_they_have_page_by_page_and_counted(clinic: Clinic) -> None:
    events, reason = await clinic.made(7)
    seen: list[str] = []
    query = f"/letters?reason={reason}&service=alerts&source=erp/shanghai&limit=3"
    path: str | None = query
    while path is not None:
        page = (await clinic.ask("GET", path)).json()
        seen += [one["event_id"] for one in page["items"]]
        path = f"{query}&cursor={page['next']}" if "next" in page else None
    assert sorted(seen) == [event["id"] for event in events]
    assert (await clinic.ask("GET", f"/letters?reason={reason}&state=closed")).json()["items"] == []
    (count,) = (await clinic.ask("GET", f"/letters/counts?reason={reason}")).json()
    assert count["states"] == {"open": 7} and count["words"]["zh-CN"]["what"]
    await clinic.gateway.carrier.show()
    figures = clinic.gateway.runtime.metrics.registry
    labels = {"service": "alerts", "reason": reason}
    assert figures.get_sample_value("rapport_gateway_letters_open", labels) == 7
    oldest = figures.get_sample_value("rapport_gateway_letters_oldest_seconds", {"service": "alerts"})
    assert oldest is not None and 0 <= oldest < 3600


async def test_cases_that_nobody_touches_go_in_the_end(clinic: Clinic) -> None:
    (old, new), _ = await clinic.made(2)
    path, _, _ = await clinic.case(old)
    long_ago = datetime.now(UTC) - timedelta(days=91)
    db = clinic.gateway.runtime.db
    await db["letters"].update_one({"event_id": old["id"]}, {"$set": {"touched": long_ago}})
    assert await store.forget(db, datetime.now(UTC) - timedelta(days=90)) == {"open": 1}
    assert (await clinic.ask("GET", path)).status_code == 404
    await clinic.case(new)


async def test_all_of_a_reason_are_closed_at_once_and_that_can_be_undone(clinic: Clinic) -> None:
    _, reason = await clinic.made(20)
    wish = {"action": "close", "filter": {"reason": reason}, "reason": "sent by mistake"}
    counted = await clinic.ask("POST", "/letters/bulk", json=wish | {"preview": True})
    assert (counted.status_code, counted.json()["fits"]) == (200, 20)
    assert (await clinic.ask("POST", "/letters/bulk", json=wish | {"expected": 19})).status_code == 409
    key = unique("k")
    begun = await clinic.ask("POST", "/letters/bulk", key=key, json=wish | {"expected": 20})
    again = await clinic.ask("POST", "/letters/bulk", key=key, json=wish | {"expected": 20})
    assert begun.status_code == again.status_code == 202 and begun.json()["id"] == again.json()["id"]
    other = await clinic.ask("POST", "/letters/bulk", key=key, json=wish)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    path = begun.headers["location"]
    assert (await clinic.ended(path))["done"] == 20
    assert (await clinic.ask("POST", f"{path}/undo")).status_code == 202
    assert (await clinic.ended(path))["state"] == "undone"
    (count,) = (await clinic.ask("GET", f"/letters/counts?reason={reason}")).json()
    assert count["states"] == {"open": 20}


async def test_everything_at_once_is_never_meant_by_saying_nothing(clinic: Clinic) -> None:
    answer = await clinic.ask("POST", "/letters/bulk", json={"action": "resend", "filter": {}})
    assert (answer.status_code, answer.json()["code"]) == (422, "filter_missing")


async def test_ten_thousand_letters_of_a_reason_are_sent_again_with_flat_memory(clinic: Clinic) -> None:
    events, reason = await clinic.made(MANY)
    bad = invoice(unique(), id=unique("e"), data={"invoice_id": "?"})
    await publish(clinic.kafka, DEAD, [letter_of(bad, reason)])
    bad_path, _, _ = await clinic.case(bad)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = await clinic.ask("POST", "/letters/bulk", json={"action": "resend", "filter": {"reason": reason}})
    ended = await clinic.ended(begun.headers["location"])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000, "kilobytes"
    assert (ended["done"], ended["kept"]) == (MANY, 1)
    assert (await clinic.ask("GET", bad_path)).json()["history"][-1]["what"] == "not_sent"
    sent = await clinic.gateway.sent(*(event["subject"] for event in events))
    ids = [dict(one.headers)["ce_id"].decode() for found in sent.values() for one in found]
    assert sorted(ids) == [event["id"] for event in events]
    (count,) = (await clinic.ask("GET", f"/letters/counts?reason={reason}")).json()
    assert count["states"] == {"sent": MANY, "open": 1}


async def test_a_bulk_killed_anywhere_goes_on_under_the_same_ids_and_loses_nothing(
    stack: Stack, tmp_path: Path
) -> None:
    async with own_settings(stack, tmp_path) as settings:
        tag, reason, number = unique("e"), unique("made").lower(), 900
        events = [invoice(unique(), n, id=f"{tag}/{n:05d}") for n in range(number)]
        await publish(stack.kafka, DEAD, [letter_of(event, reason, n) for n, event in enumerate(events)])
        token = LocalIssuer(settings).issue("op", [Role.OPERATOR])
        headers, log = {"Authorization": f"Bearer {token}"}, tmp_path / "kills"
        path = ""
        address = f"http://127.0.0.1:{settings.http_port}"
        async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60) as client:
            for stage in (*marks.LETTER_STAGES, ""):
                async with serving(settings, f"{stage}:2" if stage else "", log) as process:
                    if not path:
                        path = await _begun(client, reason, number)
                    if stage:
                        await until(lambda: process.returncode is not None, f"the kill {stage}", deadline_s=60)
                        continue
                    await until(lambda: lives(client), "the gateway to be ready", deadline_s=60, every_s=0.1)
                    await _done(client, path)
        assert len((await asyncio.to_thread(log.read_text)).splitlines()) == len(marks.LETTER_STAGES)
        sent = await heard(stack.kafka, "rapport.trade", [event["subject"] for event in events])
        found: dict[str, set[tuple[bytes, bytes]]] = {}
        records = 0
        for one in (record for each in sent.values() for record in each):
            given, records = dict(one.headers), records + 1
            found.setdefault(given["ce_id"].decode(), set()).add((one.value or b"", given["x-rapport-attempt"]))
        assert sorted(found) == [event["id"] for event in events]
        assert all(len(each) == 1 for each in found.values()), "a repeat is the same to the byte"
        assert records > number, "the kills landed where some had been sent already"


async def _done(client: httpx.AsyncClient, path: str) -> None:
    async def over() -> bool:
        return bool((await client.get(path)).json()["state"] == "done")

    await until(over, "the bulk to end", deadline_s=60, every_s=0.1)


async def _begun(client: httpx.AsyncClient, reason: str, number: int) -> str:
    """A bulk over all letters of a reason, once they are all there; returns where it is looked at."""
    await until(lambda: lives(client), "the gateway to be ready", deadline_s=60, every_s=0.1)
    wish = {"action": "resend", "filter": {"reason": reason}}

    async def read() -> bool:
        counted = await client.post("/letters/bulk", json=wish | {"preview": True})
        return bool(counted.json()["fits"] == number)

    await until(read, "all letters to be read", deadline_s=60, every_s=0.1)
    answer = await client.post("/letters/bulk", json=wish)
    assert answer.status_code == 202, answer.text
    return answer.headers["location"]

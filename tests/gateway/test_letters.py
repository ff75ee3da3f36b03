"""Dead letters of a running service: seen in words, corrected, sent again, and settled on that service's word."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from contracts.envelope import Record
from deploy.local.stack import Stack
from services.alerts.handlers import alerts_service
from services.chassis import dead
from services.chassis.mongo import find
from tests.alerts.buskit import Bus, bus_on
from tests.gateway.gatekit import Event, house, invoice, unique
from tests.gateway.letterkit import Clinic, due, publish, record_of
from tests.waiting import until

pytestmark = pytest.mark.stack
TRADE = "rapport.trade"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bus(stack: Stack) -> AsyncIterator[Bus]:
    async with bus_on(stack) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def clinic(bus: Bus, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clinic]:
    home = tmp_path_factory.mktemp("home")
    async with house(stack.kafka, stack.mongo, home, clinic=True, gateway_sources_seconds=1) as opened:
        yield Clinic(opened)


async def poisoned(clinic: Clinic, customer: str, days_late: int = 40) -> Event:
    """An overdue invoice whose amount is a number, sent past the gateway."""
    event = due(invoice(customer, id=unique("e")), days_late, 1250.5)
    await publish(clinic.kafka, TRADE, [record_of(event)])
    return event


async def test_a_bad_invoice_is_corrected_and_what_follows_is_as_if_it_had_come_right(clinic: Clinic, bus: Bus) -> None:
    bad, good = await bus.customer(), await bus.customer()
    event = await poisoned(clinic, bad)
    right = due(invoice(good, id=unique("e")), 40)
    await publish(clinic.kafka, TRADE, [record_of(right)])
    path, shown, version = await clinic.case(event)
    assert (shown["state"], shown["reason"], shown["subject"]) == ("open", "bad_money", bad)
    assert "amount" in shown["words"]["en"]["what"] and "金额" in shown["words"]["zh-CN"]["what"]
    assert shown["words"]["en"]["next"] and shown["words"]["zh-CN"]["next"]
    assert shown["field"] == "$.total" and shown["expected"] and shown["example"]["data"]["total"]
    assert shown["data"] == event["data"] and shown["attributes"]["id"] == event["id"]

    wanted = {"data": due(event, 40)["data"]}
    preview = await clinic.ask("POST", f"{path}/correct", version, json=wanted)
    assert preview.status_code == 200, preview.text
    assert preview.json()["sent"] is False
    changed = {"field": "$.total.amount", "kind": "changed", "before": 1250.5, "after": "1250.50"}
    assert preview.json()["changes"] == [changed]
    assert (await clinic.state(path, "open"))["attempts"] == 0, "looking sends nothing"
    sent = await clinic.ask("POST", f"{path}/correct", version, json=wanted | {"send": True})
    assert sent.status_code == 200, sent.text

    settled = await clinic.state(path, "settled")
    assert [one["what"] for one in settled["history"]] == ["refused", "corrected", "sent", "taken"]
    assert settled["history"][1]["who"] == "op" and settled["corrected"] == wanted["data"] and settled["can"] == []
    alerts = [await bus.the_alert(one, lambda _: True, "the alert") for one in (bad, good)]
    same = ("rule", "state", "severity", "stage", "opened_on", "total", "open", "due_on", "days_past_due", "because")
    told = [{name: alert[name] for name in same if name in alert} for alert in alerts]
    assert told[0] == told[1] and told[0]["rule"] == "receivable_overdue"
    books = [await bus.get(f"/customers/{one}/receivables") for one in (bad, good)]
    kept = [{name: value for name, value in one.items() if name != "customer"} for one in books]
    assert kept[0] == kept[1] and kept[0]["open_items"]
    (letter,) = await bus.letters([bad])
    assert letter["status"] == "replayed"


async def test_what_is_refused_again_is_the_same_case_with_its_new_reason(clinic: Clinic, bus: Bus) -> None:
    customer = await bus.customer()
    first = due(invoice(customer, id=unique("e")), 40)
    other = due(invoice(customer, id=unique("e")), 40, 99)  # the same document, and a bad amount
    await publish(clinic.kafka, TRADE, [record_of(first)])
    await until(lambda: bus.alerts(customer), "the first one's alert")
    await publish(clinic.kafka, TRADE, [record_of(other)])
    path, shown, version = await clinic.case(other)
    assert shown["reason"] == "bad_money"
    wanted = {"data": due(other, 40, "99.00")["data"], "send": True}
    assert (await clinic.ask("POST", f"{path}/correct", version, json=wanted)).status_code == 200
    _, again, version = await clinic.at(path, lambda now: now["reason"] == "conflict", "the conflict")
    assert (again["state"], again["attempts"]) == ("open", 1)
    assert [one["what"] for one in again["history"]] == ["refused", "corrected", "sent", "refused"]
    mended = {"data": wanted["data"] | {"invoice_id": "INV-2"}, "send": True}
    assert (await clinic.ask("POST", f"{path}/correct", version, json=mended)).status_code == 200
    await clinic.state(path, "settled")
    listed = (await clinic.ask("GET", f"/letters?subject={customer}")).json()["items"]
    assert len(listed) == 1


async def test_a_letter_whose_record_named_nothing_is_settled_by_what_is_sent_in_its_place(
    clinic: Clinic, bus: Bus
) -> None:
    customer = await bus.customer()
    await publish(clinic.kafka, TRADE, [Record(customer.encode(), b"INV-1;1250.50", [])])

    async def listed() -> Any:
        return (await clinic.ask("GET", f"/letters?subject={customer}")).json()["items"]

    (card,) = await until(listed, "the letter")
    path, shown, version = await clinic.at(f"/letters/{card['id']}", lambda _: True, "the case")
    assert (shown["reason"], shown["data"]) == ("missing_attribute", "INV-1;1250.50")
    whole = due(invoice(customer, id=unique("e")), 40)
    lacking = await clinic.ask("POST", f"{path}/correct", version, json={"data": whole["data"]})
    assert (lacking.status_code, lacking.json()["code"], lacking.json()["field"]) == (422, "missing_attribute", "id")
    given = {name: whole[name] for name in ("id", "source", "type", "subject", "time")}
    wanted = {"data": whole["data"], "attributes": given, "send": True}
    sent = await clinic.ask("POST", f"{path}/correct", version, json=wanted)
    assert sent.status_code == 200, sent.text
    await clinic.state(path, "settled")
    (letter,) = await bus.letters([customer])
    assert letter["status"] == "replayed"
    await bus.the_alert(customer, lambda _: True, "the invoice's alert")


async def test_a_bad_event_repeated_by_its_sender_and_on_the_wire_is_one_case(clinic: Clinic, bus: Bus) -> None:
    customer = await bus.customer()
    event = await poisoned(clinic, customer)
    path, before, _ = await clinic.case(event)
    heard = (await clinic.gateway.sent(customer, topic="rapport.dead.alerts"))[customer]
    copies = [Record(one.key, one.value or b"", list(one.headers)) for one in heard] * 3
    await publish(clinic.kafka, "rapport.dead.alerts", copies)
    await publish(clinic.kafka, TRADE, [record_of(event)] * 3)
    last = await poisoned(clinic, customer)
    await clinic.case(last)
    listed = (await clinic.ask("GET", f"/letters?subject={customer}")).json()["items"]
    assert len(listed) == 2
    assert (await clinic.at(path, lambda _: True, "the case"))[1] == before


async def test_what_the_suite_says_itself_is_replayed_by_operations_and_settled_by_that(
    clinic: Clinic, bus: Bus
) -> None:
    customer = await bus.customer()
    event = invoice(customer, id=unique("e"), source="rapport/profiles", type="rapport.owner.changed.v1")
    event["data"] = {"owner_id": "staff/1", "valid_from": "soon"}
    await publish(clinic.kafka, "rapport.lifecycle", [record_of(event)])
    path, shown, version = await clinic.case(event)
    assert "resend" not in shown["can"] and "correct" not in shown["can"]
    assert shown["replay"] == f"rapport dead replay --service alerts '{shown['letter']}'"
    for way, body in (("correct", {"data": {}}), ("resend", None)):
        answer = await clinic.ask("POST", f"{path}/{way}", version, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, f"cannot_{way}")
        assert "rapport dead replay" in answer.json()["detail"]
    service, right = alerts_service(bus.settings.rules), b'{"owner_id":"staff/1","valid_from":"2026-01-01"}'
    await dead.replay(bus.running.runtime.applier, service, shown["letter"], right)
    await clinic.state(path, "settled")


async def test_a_letter_of_the_gateways_own_is_a_case_like_others(clinic: Clinic) -> None:
    customer = unique()
    event = invoice(customer, id=unique("e"))
    key, value, headers = record_of(event)
    told = {"original-topic": TRADE, "reason": "conflict", "id": f"erp/shanghai:{event['id']}"}
    letter = Record(key, value, [*headers, *((f"x-rapport-{name}", text.encode()) for name, text in told.items())])
    await publish(clinic.kafka, "rapport.dead.gateway", [letter])
    _, shown, _ = await clinic.case(event, "gateway")
    assert (shown["service"], shown["state"]) == ("gateway", "open")


async def test_reading_a_letter_is_in_the_trail_and_its_content_is_nowhere_in_it(clinic: Clinic, bus: Bus) -> None:
    customer = await bus.customer()
    event = await poisoned(clinic, customer)
    path, _, version = await clinic.case(event)
    wanted = {"data": due(event, 40, "77.77")["data"], "send": True}
    await clinic.ask("POST", f"{path}/correct", version, json=wanted)
    rows = await find(clinic.gateway.runtime.db, "audit", {"subject": customer})
    assert {"GET /letters/{id}", "letter"} <= {row["what"] for row in rows}
    assert "77.77" not in str(rows)

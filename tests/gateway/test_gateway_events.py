"""POST /events: what is right is with the broker when the answer comes; what is wrong can be mended."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contracts.envelope import decode
from services.chassis.auth import EVERYONE, Access, Role
from services.gateway.api import ACCESS
from services.gateway.reading import BATCH, STRUCTURED
from tests.chassis.access import Case, cases, check
from tests.contracts.golden import Example, examples, name_of
from tests.gateway.gatekit import House, invoice, unique

pytestmark = pytest.mark.stack
SHARED: Access = {("GET", "/openapi.json"): EVERYONE, ("GET", "/asyncapi.json"): EVERYONE}


@pytest.mark.parametrize("case", cases({**ACCESS, **SHARED}), ids=str)
async def test_each_role_gets_exactly_what_the_table_grants(case: Case, gateway: House) -> None:
    await check(gateway.app, gateway.issuer, case)


async def test_a_structured_event_lies_in_its_topic_under_its_key_as_it_was_said(gateway: House) -> None:
    customer = unique()
    said = invoice(customer) | {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    said["data"]["unknown_field"] = "也留着"
    answer = await gateway.post(json.dumps(said, ensure_ascii=False).encode())
    assert answer.status_code == 200, answer.text
    verdict = {"index": 0, "verdict": "accepted", "id": said["id"], "source": "erp/shanghai"}
    assert answer.json() == {"accepted": 1, "refused": 0, "unknown": 0, "verdicts": [verdict]}
    (record,) = (await gateway.sent(customer))[customer]
    assert json.loads(record.value) == said["data"], "unknown fields too: what a later reader knows is not lost"
    event = decode(record.value, record.headers, record.key)
    assert (event.id, event.source, event.traceparent) == (said["id"], said["source"], said["traceparent"])


async def test_a_binary_event_has_its_attributes_in_headers(gateway: House) -> None:
    customer = "客户/" + unique()
    said = invoice(customer)
    data = said.pop("data")
    headers = {f"ce-{name}": text for name, text in said.items()}
    headers["ce-subject"] = headers["ce-subject"].replace("客户", "%E5%AE%A2%E6%88%B7")
    headers["ce-id"] = "x-1"
    answer = await gateway.post(data, "application/json; charset=utf-8", **headers)
    assert answer.status_code == 200, answer.text
    assert await gateway.ids(customer) == ["x-1"]


async def test_a_batch_gets_one_verdict_an_event_and_the_good_ones_are_taken(gateway: House) -> None:
    customer = unique()
    events = [invoice(customer, n) for n in range(5)]
    events[1]["data"]["total"]["amount"] = 12.5
    events[3]["subject"] = "13812345678"
    answer = await gateway.batch(events)
    assert answer.status_code == 207
    told = answer.json()
    assert (told["accepted"], told["refused"], told["unknown"]) == (3, 2, 0)
    assert [one["verdict"] for one in told["verdicts"]] == ["accepted", "refused", "accepted", "refused", "accepted"]
    assert [one["index"] for one in told["verdicts"]] == [0, 1, 2, 3, 4]
    money, phone = told["verdicts"][1], told["verdicts"][3]
    assert (money["reason"], money["field"]) == ("bad_money", "$.total")
    assert money["expected"] == 'an amount as a string such as "12.50"'
    assert (phone["reason"], phone["field"]) == ("personal_id", "subject")
    assert await gateway.ids(customer) == [f"{customer}-{n}" for n in (0, 2, 4)]


@pytest.mark.parametrize("example", list(examples("invalid")), ids=lambda one: name_of(one.path))
async def test_what_the_contracts_refuse_is_refused_with_field_expectation_and_a_right_example(
    example: Example, gateway: House
) -> None:
    answer = await gateway.post(example.text)
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
    (verdict,) = answer.json()["verdicts"]
    if verdict["reason"] == "not_intake":
        return
    assert verdict["reason"] == example.reason
    assert verdict["field"] == example.field or example.field is None
    assert verdict["expected"] and verdict["message"]
    assert verdict["example"]["type"] == example.path.parent.name
    assert not set(verdict["example"]) & {"made", "expectedreason"}


async def test_the_example_of_a_refusal_is_itself_taken(gateway: House) -> None:
    wrong = invoice(unique(), type="rapport.invoice.isued.v1")
    (verdict,) = (await gateway.post(wrong)).json()["verdicts"]
    assert (verdict["reason"], verdict["field"]) == ("unknown_type", "type")
    assert verdict["example"]["type"] == "rapport.invoice.issued.v1", "the closest there is"
    assert (await gateway.post(verdict["example"])).status_code == 200


async def test_what_the_suite_says_itself_has_no_door_here(gateway: House) -> None:
    said = next(one for one in examples("valid") if one.path.parent.name == "rapport.alert.raised.v1")
    answer = await gateway.post(said.text)
    assert answer.status_code == 422
    assert answer.json()["verdicts"][0]["reason"] == "not_intake"


@pytest.mark.parametrize(
    ("body", "kind", "headers", "status", "code"),
    [
        (b"{", STRUCTURED, {}, 400, "malformed_json"),
        (b"[]", STRUCTURED, {}, 422, "bad_field"),
        (b"{}", STRUCTURED, {}, 400, "missing_attribute"),
        (b"{}", BATCH, {}, 400, "malformed_batch"),
        (b"[", BATCH, {}, 400, "malformed_batch"),
        (b"{}", "application/json", {}, 415, "unsupported_media_type"),
        (b"{}", "text/plain", {}, 415, "unsupported_media_type"),
        (b"{}", STRUCTURED + "; charset=gbk", {}, 415, "unsupported_media_type"),
        (b"{}", STRUCTURED, {"Content-Encoding": "gzip"}, 415, "unsupported_media_type"),
        (b"{}", "application/json", {"ce-id": "1"}, 400, "missing_attribute"),
        (b"{}", "application/xml", {"ce-id": "1"}, 415, "wrong_content_type"),
        (b"[" + b"{}," * 5000 + b"{}]", BATCH, {}, 413, "too_many_events"),
        (b" " * 4_000_001, BATCH, {}, 413, "too_large"),
    ],
)
async def test_what_cannot_be_read_is_a_problem_that_says_what_to_do(
    body: bytes, kind: str, headers: dict[str, str], status: int, code: str, gateway: House
) -> None:
    answer = await gateway.post(body, kind, **headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "ce_" not in answer.json()["detail"], "headers of HTTP are written with a hyphen"


async def test_an_event_too_large_for_the_broker_harms_only_itself(gateway: House) -> None:
    customer = unique()
    large = invoice(customer, 2)
    large["data"]["comment"] = "x" * 1_000_001
    told = (await gateway.batch([invoice(customer, 1), large, invoice(customer, 3)])).json()
    assert [one["verdict"] for one in told["verdicts"]] == ["accepted", "refused", "accepted"]
    assert told["verdicts"][1]["reason"] == "too_large"
    assert await gateway.ids(customer) == [f"{customer}-1", f"{customer}-3"]
    assert (await gateway.post(large)).status_code == 413
    largest = invoice(customer, 4)
    largest["data"]["comment"] = "x" * 999_500
    assert (await gateway.post(largest)).status_code == 200, "what the contracts take, the broker takes too"


async def test_an_empty_batch_is_taken(gateway: House) -> None:
    answer = await gateway.batch([])
    assert (answer.status_code, answer.json()["verdicts"]) == (200, [])


async def test_a_repeat_is_accepted_again_and_another_event_under_its_id_is_not(gateway: House) -> None:
    """Readers drop a known source and id, so that a repeat is harmless and another event under it would be lost."""
    customer = unique()
    one = invoice(customer)
    other: dict[str, Any] = json.loads(json.dumps(one))
    other["data"]["total"]["amount"] = "1.00"
    told = (await gateway.batch([one, one, other])).json()["verdicts"]
    assert [verdict["verdict"] for verdict in told] == ["accepted", "accepted", "refused"]
    assert (told[2]["reason"], told[2]["field"]) == ("id_used_twice", "id")
    assert set(await gateway.ids(customer)) == {one["id"]}


async def test_many_requests_side_by_side_keep_the_order_of_each_customer(gateway: House) -> None:
    customers = [unique() for _ in range(4)]
    for turn in range(3):
        answer = await gateway.batch(invoice(one, turn * 10 + n) for n in range(10) for one in customers)
        assert answer.status_code == 200
    for one in customers:
        assert await gateway.ids(one) == [f"{one}-{n}" for n in range(30)]


async def test_events_leave_no_row_in_the_trail_and_their_words_are_nowhere_here(gateway: House) -> None:
    customer = unique()
    await gateway.post(invoice(customer))
    db = gateway.runtime.db
    assert await db["audit"].count_documents({"what": "POST /events"}) == 0
    for name in await db.list_collection_names():
        async for document in db[name].find({}):
            assert customer not in str(document)


async def test_only_systems_send_events(gateway: House) -> None:
    async with gateway.client(Role.ADMIN, Role.OPERATOR) as client:
        answer = await client.post("/events", json=invoice(unique()), headers={"Content-Type": STRUCTURED})
    assert answer.status_code == 403

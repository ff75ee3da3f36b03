"""Sources: who may send what and how much, and who has fallen silent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from services.chassis.auth import Role
from services.gateway import store
from services.gateway.model.silence import Heard, hear
from services.gateway.registry import PREFIX, Registry, new_token
from tests.gateway.gatekit import House, invoice, unique
from tests.waiting import until

pytestmark = pytest.mark.stack
GRANT: dict[str, Any] = {"sources": ["erp/shanghai"], "takes": ["rapport.trade"]}


async def ask(gateway: House, method: str, path: str, **more: Any) -> httpx.Response:
    async with gateway.client(Role.ADMIN, person="boss") as client:
        return await client.request(method, path, **more)


async def test_a_token_is_shown_once_and_only_its_digest_is_kept(gateway: House) -> None:
    name, token = await gateway.source()
    assert token.startswith(PREFIX) and len(token) > 50
    secret = token.removeprefix(PREFIX).partition("_")[2]
    kept = str(await gateway.runtime.db["sources"].find_one({"_id": name}))
    assert len(secret) > 40 and secret not in kept
    shown = await ask(gateway, "GET", f"/sources/{name}")
    assert secret not in shown.text and shown.json()["tokens"][0]["made_by"] == "boss"
    assert (await gateway.post(invoice(unique()), token=token)).status_code == 200


async def test_a_token_made_by_another_process_is_good_at_once(gateway: House) -> None:
    name, _ = await gateway.source()
    await gateway.gate.registry.read()  # a moment ago, as another caller's look may have been
    before = await store.source(gateway.runtime.db, name)
    assert before is not None
    kept, token = new_token("boss", datetime.now(UTC))
    assert await store.replace(gateway.runtime.db, before, msgspec.structs.replace(before, tokens=(kept,)))
    assert (await gateway.post(invoice(unique()), token=token)).status_code == 200


async def test_a_source_sends_only_what_it_was_granted(gateway: House) -> None:
    _, token = await gateway.source(takes=["rapport.trade", "rapport.staff.left.v1"])
    customer = unique()
    other = invoice(customer, 2, source="erp/beijing")
    staff = invoice(customer, 3, type="rapport.customer.registered.v1")
    told = (await gateway.batch([invoice(customer, 1, source="erp/shanghai/2"), other, staff], token=token)).json()
    assert [one.get("reason") for one in told["verdicts"]] == [None, "source_not_granted", "type_not_granted"]
    assert [one.get("field") for one in told["verdicts"]] == [None, "source", "type"]
    assert "erp/shanghai" in told["verdicts"][1]["expected"]
    assert await gateway.ids(customer) == [f"{customer}-1"]
    assert (await gateway.post(other, token=token)).status_code == 403


@pytest.mark.parametrize("change", ["secret", "id", "short", "none"])
async def test_a_token_that_is_not_the_sources_own_is_refused(change: str, gateway: House) -> None:
    _, token = await gateway.source()
    wrong = {
        "secret": token[:-1] + ("a" if token[-1] != "a" else "b"),
        "id": PREFIX + "000000000000" + token[len(PREFIX) + 12 :],
        "short": token[: len(PREFIX) + 12],
        "none": PREFIX,
    }[change]
    answer = await gateway.post(invoice(unique()), token=wrong)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert "www-authenticate" in answer.headers


async def test_a_source_reads_and_changes_nothing(gateway: House) -> None:
    name, token = await gateway.source()
    async with gateway.client(token=token) as client:
        for method, path in (("GET", "/sources"), ("POST", f"/sources/{name}/tokens"), ("PUT", f"/sources/{name}")):
            assert (await client.request(method, path)).status_code == 403


async def test_a_revoked_token_and_a_source_that_is_put_out_are_refused_and_a_second_token_is_not(
    gateway: House,
) -> None:
    name, first = await gateway.source()
    second = (await ask(gateway, "POST", f"/sources/{name}/tokens")).json()
    first_id = first.removeprefix(PREFIX).partition("_")[0]
    assert (await ask(gateway, "DELETE", f"/sources/{name}/tokens/{first_id}")).status_code == 204
    assert (await gateway.post(invoice(unique()), token=first)).status_code == 401
    assert (await gateway.post(invoice(unique()), token=second["token"])).status_code == 200
    shown = await ask(gateway, "GET", f"/sources/{name}")
    assert [one["revoked_at"] is None for one in shown.json()["tokens"]] == [False, True]
    put = await ask(
        gateway, "PUT", f"/sources/{name}", json=GRANT | {"active": False}, headers={"If-Match": shown.headers["etag"]}
    )
    assert put.status_code == 200
    assert (await gateway.post(invoice(unique()), token=second["token"])).status_code == 401


async def test_a_change_needs_the_version_that_was_read(gateway: House) -> None:
    name, token = await gateway.source()
    etag = (await ask(gateway, "GET", f"/sources/{name}")).headers["etag"]
    change = GRANT | {"sources": ["erp/beijing"]}
    assert (await ask(gateway, "PUT", f"/sources/{name}", json=change)).status_code == 428
    done = await ask(gateway, "PUT", f"/sources/{name}", json=change, headers={"If-Match": etag})
    assert done.status_code == 200
    assert (await gateway.post(invoice(unique(), source="erp/beijing"), token=token)).status_code == 200
    late = await ask(gateway, "PUT", f"/sources/{name}", json=GRANT, headers={"If-Match": etag})
    assert (late.status_code, late.headers["etag"]) == (412, done.headers["etag"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"takes": ["rapport.alerts"]},
        {"takes": []},
        {"sources": ["erp/"]},
        {"sources": []},
        {"per_minute": 0},
        {"name": "Bad Name"},
    ],
)
async def test_a_grant_that_cannot_be_is_refused(wrong: dict[str, Any], gateway: House) -> None:
    answer = await ask(gateway, "POST", "/sources", json={"name": unique("s").lower()} | GRANT | wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_a_name_is_given_once(gateway: House) -> None:
    name, _ = await gateway.source()
    assert (await ask(gateway, "POST", "/sources", json={"name": name} | GRANT)).status_code == 409


async def test_every_change_of_a_source_is_in_the_trail_and_never_a_secret(gateway: House) -> None:
    name, token = await gateway.source()
    rows = [row async for row in gateway.runtime.db["audit"].find({"ids.name": name})]
    assert [row["what"] for row in rows] == ["POST /sources/{name}/tokens"]
    assert token not in str(rows)
    assert await gateway.runtime.db["audit"].count_documents({"what": "source", "subject": name}) == 1


async def test_above_its_quota_a_source_is_told_when_to_come_again(gateway: House) -> None:
    _, token = await gateway.source(per_minute=10)
    assert (await gateway.batch([invoice(unique()) for _ in range(30)], token=token)).status_code == 200
    answer = await gateway.post(invoice(unique()), token=token)
    assert (answer.status_code, answer.json()["code"]) == (429, "quota")
    assert 115 <= int(answer.headers["retry-after"]) <= 121
    _, other = await gateway.source()
    assert (await gateway.post(invoice(unique()), token=other)).status_code == 200, "others are not held up"


async def test_a_token_of_the_companys_issuer_can_stand_for_a_source(gateway: House) -> None:
    name, _ = await gateway.source(subject="client-7")
    async with gateway.client(Role.SYSTEM, person="client-7") as client:
        answer = await client.post(
            "/events", json=invoice(unique(), source="pos"), headers={"Content-Type": "application/cloudevents+json"}
        )
    assert answer.json()["code"] == "source_not_granted", f"it is {name}, with its scope"


async def test_when_a_source_was_heard_is_stored_in_rounds_and_not_with_every_request(gateway: House) -> None:
    name, token = await gateway.source()
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    for _ in range(5):
        await gateway.post(invoice(unique()), token=token)
    shown = (await ask(gateway, "GET", f"/sources/{name}")).json()
    assert datetime.fromisoformat(shown["last_seen"]) >= before

    async def stored() -> bool:
        return name in await store.heard(gateway.runtime.db)

    await until(stored, "the round that stores it")
    listed = await ask(gateway, "GET", "/sources?limit=500")
    assert name in [one["name"] for one in listed.json()["items"]]


async def test_a_source_silent_beyond_its_usual_gap_is_shown_until_it_speaks_again(gateway: House) -> None:
    name, token = await gateway.source()
    heard, start = Heard(), datetime.now(UTC) - timedelta(days=5)
    for day in range(4):
        heard = hear(heard, start + timedelta(days=day), start + timedelta(days=day))
    await store.keep_heard(gateway.runtime.db, name, None, heard)

    def silent() -> float | None:
        return gateway.runtime.metrics.registry.get_sample_value("rapport_gateway_source_silent", {"source": name})

    await until(lambda: silent() == 1, "the silence to be noticed")
    shown = (await ask(gateway, "GET", f"/sources/{name}")).json()
    assert shown["usual_gap_seconds"] == 86_400
    since = datetime.fromisoformat(shown["silent_since"])
    assert abs(since - (start + timedelta(days=4, hours=12))) < timedelta(seconds=1)
    await gateway.post(invoice(unique()), token=token)
    await until(lambda: silent() == 0, "it to be heard")
    assert (await ask(gateway, "GET", f"/sources/{name}")).json()["silent_since"] is None


async def test_what_another_process_has_heard_is_added_to_and_not_overwritten(gateway: House) -> None:
    name, token = await gateway.source()
    other = Registry(gateway.runtime.db, gateway.gate.metrics, 1, 900)
    await other.read()
    start = datetime.now(UTC) - timedelta(hours=2)
    other.known[name].spoke(start)
    await other.round()
    await gateway.post(invoice(unique()), token=token)

    async def both() -> bool:
        held = (await store.heard(gateway.runtime.db)).get(name)
        return held is not None and bool(held.days)

    await until(both, "the gap between what the two have heard")
    held = (await store.heard(gateway.runtime.db))[name]
    assert 7190 <= held.days[0].gaps[0] <= 7260
    assert not await store.keep_heard(gateway.runtime.db, name, None, Heard()), "who was the first to hear it is past"
    assert (await store.heard(gateway.runtime.db))[name] == held

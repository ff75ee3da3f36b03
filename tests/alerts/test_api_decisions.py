"""What people do to alerts over HTTP: it counts once, nobody overwrites another, and words stay in the house."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack
from services.alerts.store import ACCOUNTS
from services.chassis.auth import Role
from services.chassis.mongo import find
from services.chassis.refold import refold_subject
from tests.alerts.apikit import House, house

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
async def one(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(stack.mongo, tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(scope="module")
async def standing(one: House) -> tuple[str, str]:
    """A customer and his alert, for tests that change nothing."""
    return await one.overdue()


async def tag(client: httpx.AsyncClient, alert_id: str) -> str:
    return (await client.get(f"/alerts/{alert_id}")).headers["etag"]


async def act(client: httpx.AsyncClient, alert_id: str, what: str, body: Any = None, **headers: str) -> httpx.Response:
    if "if-match" not in headers:
        headers["if-match"] = await tag(client, alert_id)
    return await client.post(f"/alerts/{alert_id}/{what}", json=body, headers=headers)


async def outbox(one: House, customer: str) -> list[dict[str, Any]]:
    return await find(one.runtime.db, "outbox", {"key": customer.encode()}, sort=[("at", 1)])


async def ledger(one: House, customer: str, kind: str) -> list[dict[str, Any]]:
    return await find(one.runtime.db, "ledger", {"s": customer, "t": f"rapport.alert.{kind}.v1"})


DECISIONS: dict[str, tuple[dict[str, Any] | None, dict[str, Any]]] = {
    "acknowledge": (None, {"state": "acknowledged", "acknowledged_by": "staff/wang"}),
    "assign": ({"to": "staff/li", "note": "please"}, {"owner_id": "staff/li", "assigned_to": "staff/li"}),
    "comment": ({"text": "he pays on Friday"}, {"state": "raised"}),
    "work": (
        {
            "cause": "cash_flow",
            "measure": "visit",
            "promise": {"amount": {"amount": "1200.00", "currency": "CNY"}, "by": "2099-01-01"},
            "recovered": {"amount": "100.00", "currency": "CNY"},
        },
        {"state": "raised"},
    ),
    "snooze": ({"until": (datetime.now(UTC) + timedelta(days=3)).isoformat()}, {"state": "snoozed"}),
    "resolve": ({"outcome": "paid_in_cash"}, {"state": "resolved", "outcome": "paid_in_cash"}),
}


@pytest.mark.parametrize("what", DECISIONS)
async def test_a_decision_is_shown_kept_and_said(one: House, what: str) -> None:
    body, expected = DECISIONS[what]
    if what == "work" and body is not None:
        body = body | {"promise": body["promise"] | {"by": one.ago(-30).isoformat()}}
    customer, alert_id = await one.overdue()
    await one.colleague("staff/li")
    async with one.client(Role.MANAGER) as client:
        before = await tag(client, alert_id)
        answer = await act(client, alert_id, what, body)
        assert answer.status_code == 200, answer.text
        assert answer.json().items() >= expected.items()
        assert answer.headers["etag"] not in (before, None)
    kind = {"acknowledge": "acknowledged", "assign": "assigned", "comment": "commented", "work": "worked"}.get(
        what, what + "d"
    )
    (row,) = await ledger(one, customer, kind)
    assert '"by":"staff/wang"' in row["d"]
    (record,) = [doc for doc in await outbox(one, customer) if ["ce_type", row["t"].encode()] in doc["headers"]]
    assert record["value"] == row["d"].encode()


async def test_the_page_shows_what_was_done_with_peoples_words_which_never_go_out(one: House) -> None:
    customer, alert_id = await one.overdue()
    async with one.client(Role.MANAGER) as client:
        await act(client, alert_id, "comment", {"text": "his brother Chen pays on Friday"})
        await act(client, alert_id, "work", DECISIONS["work"][0] | {"promise": None, "note": "met Chen"})  # type: ignore[operator]
        await act(client, alert_id, "acknowledge", {"note": "Chen again"})
        shown = (await client.get(f"/alerts/{alert_id}")).json()
    told = [(entry["what"], entry.get("by"), entry.get("text")) for entry in shown["timeline"]]
    assert told == [
        ("raised", None, None),
        ("commented", "staff/wang", "his brother Chen pays on Friday"),
        ("worked", "staff/wang", "met Chen"),
        ("acknowledged", "staff/wang", "Chen again"),
    ]
    assert shown["worked"] == {
        "cause": "cash_flow",
        "measure": "visit",
        "recovered": {"amount": "100.00", "currency": "CNY"},
    }
    assert b"Chen" not in b"".join(doc["value"] for doc in await outbox(one, customer))


async def test_a_refold_keeps_decisions_and_words(one: House) -> None:
    customer, alert_id = await one.overdue()
    async with one.client(Role.MANAGER) as client:
        await act(client, alert_id, "comment", {"text": "he pays on Friday"})
        await act(client, alert_id, "acknowledge")
        before = await client.get(f"/alerts/{alert_id}")
        said = len(await outbox(one, customer))
        await refold_subject(one.runtime.applier, ACCOUNTS, customer, one.runtime.now())
        after = await client.get(f"/alerts/{alert_id}")
    assert after.json() == before.json()
    assert after.headers["etag"] == before.headers["etag"]
    assert len(await outbox(one, customer)) == said


async def test_without_the_version_that_was_read_nothing_is_written(one: House, standing: tuple[str, str]) -> None:
    _, alert_id = standing
    async with one.client(Role.MANAGER) as client:
        present = await tag(client, alert_id)
        none = await client.post(f"/alerts/{alert_id}/acknowledge")
        odd = await act(client, alert_id, "acknowledge", **{"if-match": "*"})
        damaged = await act(client, alert_id, "acknowledge", **{"if-match": "yesterday"})
        old = await act(client, alert_id, "acknowledge", **{"if-match": '"v1"'})
        assert [answer.status_code for answer in (none, odd, damaged, old)] == [428, 428, 400, 412]
        assert old.headers["etag"] == present == await tag(client, alert_id)
        assert old.json()["code"] == "version_stale"


async def test_of_many_who_write_at_once_exactly_one_wins(one: House) -> None:
    customer, alert_id = await one.overdue()
    async with one.client(Role.MANAGER) as client:
        read = await tag(client, alert_id)
        bodies = ({"text": f"comment {n}"} for n in range(8))
        answers = await asyncio.gather(
            *(act(client, alert_id, "comment", body, **{"if-match": read}) for body in bodies)
        )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    assert len(await ledger(one, customer, "commented")) == 1


async def test_what_this_process_remembers_of_before_anothers_write_neither_wins_nor_refuses(one: House) -> None:
    customer, alert_id = await one.overdue()
    async with one.client(Role.MANAGER) as client:
        before = await tag(client, alert_id)
        remembered = one.runtime.applier.cache.take(ACCOUNTS.name, customer)
        assert remembered is not None
        await act(client, alert_id, "acknowledge")  # as another process would: past what is remembered here
        one.runtime.applier.cache.give(remembered)
        assert (await act(client, alert_id, "comment", {"text": "seen"})).status_code == 200
        assert (await act(client, alert_id, "resolve", **{"if-match": before})).status_code == 412


async def test_a_repeat_under_its_key_counts_once_and_answers_as_before(one: House) -> None:
    customer, alert_id = await one.overdue()
    async with one.client(Role.MANAGER) as client:
        headers = {"if-match": await tag(client, alert_id), "idempotency-key": f"k-{customer}"}
        answers = [await act(client, alert_id, "comment", {"text": "once"}, **headers) for _ in range(3)]
        at_once = {"if-match": await tag(client, alert_id), "idempotency-key": f"l-{customer}"}
        answers += await asyncio.gather(*(act(client, alert_id, "acknowledge", **at_once) for _ in range(4)))
        other_words = await act(client, alert_id, "comment", {"text": "twice"}, **headers)
        other_call = await act(client, alert_id, "acknowledge", **headers)
    assert [answer.status_code for answer in answers] == [200] * 7
    assert (other_words.status_code, other_call.status_code) == (422, 422)
    assert other_words.json()["code"] == other_call.json()["code"] == "idempotency_key_reused"
    assert len(await ledger(one, customer, "commented")) == len(await ledger(one, customer, "acknowledged")) == 1


async def test_who_has_given_an_alert_away_may_repeat_that_and_nothing_more(one: House) -> None:
    customer, alert_id = await one.overdue(owner="staff/sun")
    await one.colleague("staff/li")
    async with one.client(Role.ADMIN) as client:
        assert (await act(client, alert_id, "assign", {"to": "staff/li"})).status_code == 200
    async with one.client(Role.MANAGER, "staff/li") as client:
        await one.colleague("staff/zhou")
        headers = {"if-match": await tag(client, alert_id), "idempotency-key": f"g-{customer}"}
        given, again = [await act(client, alert_id, "assign", {"to": "staff/zhou"}, **headers) for _ in range(2)]
        gone = await client.post(
            f"/alerts/{alert_id}/comment", json={"text": "x"}, headers=headers | {"idempotency-key": "n"}
        )
        assert (given.status_code, again.status_code, gone.status_code) == (200, 200, 404)
        assert (await client.get(f"/alerts/{alert_id}")).status_code == 404
    async with one.client(Role.MANAGER, "staff/sun") as client:
        assert (await client.get(f"/alerts/{alert_id}")).json()["owner_id"] == "staff/zhou"


async def test_what_the_state_does_not_admit_is_a_409_that_says_what_would_be_possible(one: House) -> None:
    _, alert_id = await one.overdue()
    async with one.client(Role.MANAGER) as client:
        await act(client, alert_id, "resolve")
        answer = await act(client, alert_id, "snooze", DECISIONS["snooze"][0])
    assert answer.status_code == 409
    assert answer.json()["code"] == "not_allowed"
    assert "comment or note work" in answer.json()["detail"]


async def test_what_is_not_there_and_what_is_anothers_look_alike(one: House, standing: tuple[str, str]) -> None:
    _, alert_id = standing
    async with one.client(Role.MANAGER, "staff/stranger") as client:
        for name in (alert_id, "no-such-alert"):
            answer = await client.post(f"/alerts/{name}/acknowledge", headers={"if-match": '"v1"'})
            assert answer.status_code == 404
            assert (
                answer.json()["detail"].replace(name, "") == "There is no alert  among those you may see; check the id."
            )


async def test_a_deputy_may_act_and_an_administrator_on_every_alert(one: House) -> None:
    _, alert_id = await one.overdue(owner="staff/sun", deputy="staff/deng")
    for role, person in ((Role.MANAGER, "staff/deng"), (Role.ADMIN, "staff/root")):
        async with one.client(role, person) as client:
            assert (await act(client, alert_id, "comment", {"text": "seen"})).status_code == 200


@pytest.mark.parametrize(
    ("what", "body", "field"),
    [
        ("comment", {"text": ""}, "text"),
        ("comment", {"text": "x" * 1001}, "text"),
        ("comment", {"text": "x", "visible": True}, "visible"),
        ("comment", None, ""),
        ("assign", {"to": "staff/nobody"}, None),
        ("assign", {}, "to"),
        ("assign", {"to": "13800138000"}, None),
        ("snooze", {"until": "2026-12-01T08:00:00"}, "until"),
        ("snooze", {"until": "2199-01-01T00:00:00Z"}, "until"),
        ("work", {"recovered": {"amount": 12.5, "currency": "CNY"}}, "recovered.amount"),
        ("work", {"recovered": {"amount": "12.505", "currency": "CNY"}}, "recovered"),
        ("work", {"recovered": {"amount": "12.50", "currency": "XXX"}}, "recovered"),
        ("work", {"promise": {"amount": {"amount": "0.00", "currency": "CNY"}, "by": "2027-01-01"}}, "promised"),
        ("work", {"cause": "no blanks"}, "cause"),
        ("resolve", {"outcome": "好"}, "outcome"),
    ],
)
async def test_what_does_not_fit_is_a_422_that_names_the_field_and_changes_nothing(
    one: House, standing: tuple[str, str], what: str, body: dict[str, Any] | None, field: str | None
) -> None:
    customer, alert_id = standing
    async with one.client(Role.MANAGER) as client:
        answer = await act(client, alert_id, what, body)
        assert answer.status_code == 422, answer.text
        faults = [fault["field"] for fault in answer.json().get("errors", [])]
        assert field is None or any(fault.startswith(field) for fault in faults), answer.text
        assert "13800138000" not in answer.text
    assert not [
        row for row in await find(one.runtime.db, "ledger", {"s": customer}) if row["t"].startswith("rapport.alert")
    ]


async def test_every_decision_is_in_the_audit_trail_without_its_words(one: House) -> None:
    customer, alert_id = await one.overdue()
    async with one.client(Role.MANAGER) as client:
        await act(client, alert_id, "comment", {"text": "his brother Chen pays"})
    rows = await find(one.runtime.db, "audit", {"subject": customer})
    assert [row["what"] for row in rows][-1] == "rapport.alert.commented.v1"
    assert rows[-1]["ids"]["alert"] == alert_id
    assert rows[-1]["values"]["text"]
    assert "Chen" not in repr(rows)

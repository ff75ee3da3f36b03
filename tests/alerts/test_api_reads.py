"""What managers and others read: their own alerts, why each was raised in two languages, and what a customer owes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

from contracts.events.lifecycle import ProfileErased
from contracts.events.trade import InvoiceDisputed
from deploy.local.stack import Stack
from services.alerts.api_parts import best_language
from services.alerts.model.account import Account, Owned
from services.alerts.model.facts import FactKey
from services.alerts.reads import answering
from services.chassis.auth import Role
from services.chassis.mongo import find
from tests.alerts.apikit import House, house, money

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
async def one(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(stack.mongo, tmp_path_factory.mktemp("home")) as made:
        yield made


async def listed(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    """All pages, one after another."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.get("/alerts", params={**query, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["items"]
        if "next" not in page:
            return found
        cursor = {"cursor": page["next"]}


async def test_managers_see_their_own_and_their_deputies_do_too(one: House) -> None:
    owner, deputy = "staff/m1", "staff/m2"
    customer, alert_id = await one.overdue(owner=owner, deputy=deputy)
    for person, sees in ((owner, True), (deputy, True), ("staff/m3", False)):
        async with one.client(Role.MANAGER, person) as client:
            assert ([item["id"] for item in await listed(client)] == [alert_id]) is sees
            for path in (f"/alerts/{alert_id}", f"/customers/{customer}/receivables"):
                assert (await client.get(path)).status_code == (200 if sees else 404)
    for role in (Role.ANALYST, Role.QUALITY, Role.ADMIN, Role.SYSTEM):
        async with one.client(role, "somebody") as client:
            assert alert_id in [item["id"] for item in await listed(client, owner=owner)]


async def test_a_list_shows_what_a_manager_needs_at_one_look(one: House) -> None:
    customer = await one.customer(owner="staff/n1", name="北方示例厂")
    await one.invoice(customer, "INV/7%", late=40, total="99.50", company="广州公司")
    async with one.client(Role.MANAGER, "staff/n1") as client:
        (item,) = await listed(client)
    assert (
        item.items()
        >= {
            "rule": "receivable_overdue",
            "state": "raised",
            "severity": "warning",
            "customer": customer,
            "customer_name": "北方示例厂",
            "company": "广州公司",
            "invoice": "INV/7%",
            "owner_id": "staff/n1",
            "open": money("99.50"),
            "total": money("99.50"),
            "due_on": one.ago(40).isoformat(),
            "days_past_due": 40,
            "opened_on": one.ago(39).isoformat(),
        }.items()
    )
    assert None not in item.values()


async def test_filters_narrow_the_list(one: House) -> None:
    manager = "staff/f1"
    first = await one.customer(owner=manager)
    second = await one.customer(owner=manager)
    await one.invoice(first, "INV-1", late=3)
    await one.invoice(first, "INV-2", late=95)
    await one.invoice(second, "INV-3", late=3)
    await one.payment(second, "P-1", "1200.00", ("INV-3", "1200.00"))
    async with one.client(Role.MANAGER, manager) as client:

        async def numbers(**query: str) -> set[str]:
            return {item["invoice"] for item in await listed(client, **query)}

        assert await numbers() == {"INV-1", "INV-2"}
        assert await numbers(state="resolved") == {"INV-3"}
        assert await numbers(state="all") == {"INV-1", "INV-2", "INV-3"}
        assert await numbers(state="all", customer=second) == {"INV-3"}
        assert await numbers(severity="critical") == {"INV-2"}
        assert await numbers(rule="receivable_overdue", owner=manager) == {"INV-1", "INV-2"}
        assert await numbers(rule="care_date") == await numbers(owner="staff/f2") == set()
        for query in ({"state": "open"}, {"severity": "loud"}, {"customer": ""}, {"limit": "0"}):
            assert (await client.get("/alerts", params=query)).status_code == 422


async def test_pages_show_every_alert_once_the_newest_first(one: House) -> None:
    manager = "staff/p1"
    customer = await one.customer(owner=manager)
    for n in range(7):
        await one.invoice(customer, f"INV-{n}", late=2)
    async with one.client(Role.MANAGER, manager) as client:
        items = await listed(client, limit=3)
        whole = await listed(client)
        cursor = (await client.get("/alerts", params={"limit": 3})).json()["next"]
        elsewhere = await client.get("/alerts", params={"limit": 3, "cursor": cursor, "state": "all"})
        damaged = await client.get("/alerts", params={"cursor": "x"})
    assert [item["invoice"] for item in items] == [f"INV-{n}" for n in reversed(range(7))]
    assert items == whole
    assert (elsewhere.status_code, damaged.status_code) == (400, 400)


async def test_the_list_of_everybodys_standing_alerts_needs_no_sorting_in_memory(one: House) -> None:
    alerts = one.runtime.db["alerts"]
    states = {"state.alert.state": {"$in": ["raised", "notified", "acknowledged", "snoozed"]}}
    for where in ({"$and": [states]}, {"$and": [states, {"state.owner_id": "staff/p1"}]}):
        plan = await alerts.find(where).sort([("state.alert.raised_at", -1), ("k", 1)]).limit(51).explain()
        assert "SORT_MERGE" in str(plan["queryPlanner"]["winningPlan"])


async def test_an_alert_shows_the_numbers_the_rule_the_events_and_what_was_paid(one: House) -> None:
    customer = await one.customer(owner="staff/w1", name="西部示例公司")
    await one.grace(customer, 5)
    issued = await one.invoice(customer, "INV-1", late=10)
    paid = await one.payment(customer, "P-1", "500.00", ("INV-1", "200.00"))
    alert_id = await one.alert_of(customer, "INV-1")
    async with one.client(Role.MANAGER, "staff/w1", **{"accept-language": "en"}) as client:
        answer = await client.get(f"/alerts/{alert_id}")
    shown, why = answer.json(), answer.json()["why"]
    assert answer.headers["content-language"] == "en"
    assert why["figures"] == {
        "as_of": one.today.isoformat(),
        "total": money("1200.00"),
        "paid": money("200.00"),
        "open": money("1000.00"),
        "due_on": one.ago(10).isoformat(),
        "days_past_due": 10,
        "bucket": "1-30",
    }
    assert why["rule"] == {
        "name": "receivable_overdue",
        "grace_days": 5,
        "stages": [1, 31, 61, 91],
        "level": "customer",
    }
    assert [(event["id"], event["source"], event["type"], event["role"]) for event in why["events"]] == [
        (issued.id, "erp", "rapport.invoice.issued.v1", "opened"),
        (paid.id, "bank", "rapport.payment.received.v1", "figures"),
    ]
    assert all(event["time"] for event in why["events"])
    assert why["invoice"]["settled"] == [
        {
            "document": "P-1",
            "kind": "payment",
            "on": one.today.isoformat(),
            "amount": money("200.00"),
            "usable": True,
            "event": f"bank:{paid.id}",
        }
    ]
    assert [entry["what"] for entry in shown["timeline"]] == ["raised", "updated"]
    assert shown["timeline"][1]["facts"] == [f"bank:{paid.id}"]


async def test_why_is_said_in_the_readers_language(one: House) -> None:
    customer = await one.customer(owner="staff/l1", name="南方示例公司")
    await one.invoice(customer, "INV-1", late=40)
    path = f"/alerts/{await one.alert_of(customer, 'INV-1')}"
    async with one.client(Role.MANAGER, "staff/l1", **{"accept-language": "fr, zh;q=0.9, en;q=0.5"}) as client:
        chinese = (await client.get(path)).json()["why"]["sentences"]
        english = (await client.get(path, params={"lang": "en"})).json()["why"]["sentences"]
        other = await client.get(path, params={"lang": "fr"})
    assert chinese["why"] == [
        "客户 南方示例公司：发票 INV-1 已逾期 40 天，尚有 ¥1,200.00 未收。",
        "至今没有收到任何款项。",
        "触发规则：发票在到期日之后仍未付清（无宽限期）（参数来源：全部客户（默认值））。",
    ]
    assert english["why"] == [
        "南方示例公司 has not fully paid invoice INV-1: it is 40 days past due and CN¥1,200.00 is open.",
        "Nothing has been paid so far.",
        "The rule: an invoice is unpaid after its due date (no days of grace) (parameters set for all customers "
        "(default)).",
    ]
    assert english["todo"][0].startswith("It is more than a month late")
    assert len(english["todo"]) == len(chinese["todo"]) == 4
    assert (chinese["language"], english["language"]) == ("zh-CN", "en")
    assert other.status_code == 422


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh", "zh-CN"),
        ("zh-TW, en;q=0.1", "zh-CN"),
        ("en-GB;q=0.8, zh-Hans;q=0.9", "zh-CN"),
        ("en, zh", "en"),
        ("zh;q=0, en;q=0.2", "en"),
        ("de, *;q=0.5", "en"),
        ("zh;q=much", "en"),
    ],
)
def test_the_language_is_the_readers_best_that_we_speak(header: str, language: str) -> None:
    assert best_language(header) == language


async def test_how_an_alert_ended_is_said_with_the_fact_that_ended_it(one: House) -> None:
    customer = await one.customer(owner="staff/e1")
    await one.invoice(customer, "PAID", late=5)
    paid = await one.payment(customer, "P-1", "1200.00", ("PAID", "1200.00"), on=one.ago(1))
    await one.invoice(customer, "DISPUTED", late=5)
    await one.tell(InvoiceDisputed(invoice_id="DISPUTED", disputed=True), customer)
    await one.invoice(customer, "EARLY", late=5)
    await one.payment(customer, "P-2", "1200.00", ("EARLY", "1200.00"), on=one.ago(20))
    async with one.client(Role.MANAGER, "staff/e1", **{"accept-language": "en"}) as client:

        async def shown(number: str) -> dict[str, Any]:
            answer = await client.get(f"/alerts/{await one.alert_of(customer, number)}")
            found: dict[str, Any] = answer.json()
            return found

        ended, rests, gone = [await shown(number) for number in ("PAID", "DISPUTED", "EARLY")]
    assert ended["why"]["sentences"]["why"][0].startswith("Invoice PAID was paid on ")
    assert ended["why"]["sentences"]["todo"] == ["Nothing is left to do."]
    assert ended["why"]["figures"]["as_of"] == ended["closed_on"] == one.ago(1).isoformat()
    assert [event["id"] for event in ended["why"]["events"] if event["role"] == "ended"] == [paid.id]
    assert rests["why"]["sentences"]["why"][0].startswith("The customer has disputed invoice DISPUTED")
    assert rests["why"]["sentences"]["todo"][0].startswith("Find out what the customer objects to")
    assert (gone["state"], gone["outcome"]) == ("resolved", "withdrawn")
    assert "was not overdue then" in gone["why"]["sentences"]["why"][0]


async def test_an_alert_is_notified_once_its_owners_mail_was_accepted_and_doubt_is_shown(one: House) -> None:
    customer, alert_id = await one.overdue(owner="staff/d1")
    async with one.client(Role.MANAGER, "staff/d1") as client:
        before = (await client.get(f"/alerts/{alert_id}")).json()
        await one.mailed(customer, alert_id, doubted=True)
        after = (await client.get(f"/alerts/{alert_id}")).json()
        (item,) = await listed(client)
    assert (before["state"], after["state"], item["state"]) == ("raised", "notified", "notified")
    assert before["notifications"][0].items() >= {"state": "queued", "attempts": [], "in_doubt": 0}.items()
    (message,) = after["notifications"]
    assert message.items() >= {"state": "accepted", "recipient": "staff/d1", "channel": "mail", "in_doubt": 1}.items()
    assert [(attempt["in_doubt"], attempt["open"]) for attempt in message["attempts"]] == [
        (True, False),
        (False, False),
    ]


async def test_an_unknown_customer_and_an_unknown_alert_are_404(one: House) -> None:
    async with one.client(Role.ADMIN) as client:
        for path in ("/alerts/nobody", "/customers/nobody/receivables", "/customers/nobody/export"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_nothing_is_shown_of_an_erased_customer(one: House) -> None:
    customer, alert_id = await one.overdue(owner="staff/g1")
    await one.tell(ProfileErased(erased_at=one.runtime.now()), customer, "rapport/profiles")
    async with one.client(Role.ADMIN) as client:
        for path in (f"/alerts/{alert_id}", f"/customers/{customer}/receivables", f"/customers/{customer}/export"):
            assert (await client.get(path)).status_code == 404
        assert alert_id not in [item["id"] for item in await listed(client, state="all")]


async def test_every_look_at_a_customer_is_in_the_audit_trail(one: House) -> None:
    customer, alert_id = await one.overdue(owner="staff/t1")
    async with one.client(Role.MANAGER, "staff/t1") as client:
        await listed(client)
        await client.get(f"/alerts/{alert_id}")
        await client.get(f"/customers/{customer}/receivables")
    rows = await find(one.runtime.db, "audit", {"subject": customer}, sort=[("at", 1), ("n", 1)])
    assert [(row["who"], row["what"]) for row in rows] == [
        ("staff/t1", "GET /alerts"),
        ("staff/t1", "GET /alerts/{id}"),
        ("staff/t1", "GET /customers/{id}/receivables"),
    ]


def test_who_answers_for_a_customer_changes_with_the_days() -> None:
    one_day = datetime(2026, 1, 1, tzinfo=UTC)

    def owned(day: int, owner: str | None, deputy: str | None = None) -> Owned:
        at = FactKey(time=one_day, source="crm", id=str(day))
        return Owned(valid_from=date(2026, 1, day), key=at, owner_id=owner, deputy_id=deputy)

    account = Account(owners=(owned(5, "a", "b"), owned(9, "c"), owned(12, None)))
    days = {day: answering(account, date(2026, 1, day)) for day in (1, 5, 9, 12)}
    assert days == {1: {"a", "b"}, 5: {"a", "b"}, 9: {"c"}, 12: frozenset()}
    assert answering(Account(), date(2026, 1, 1)) == frozenset()

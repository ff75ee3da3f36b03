"""Accounts that turn out to be one customer: one account of what he owes, one rhythm, one limit; nobody is told twice,
and when they are parted again each is as it was.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from contracts.events.lifecycle import LimitChanged, OwnerChanged, ProfileErased, ProfileMerged, ProfileUnmerged
from contracts.events.profiles import ProfileChanged
from contracts.events.sales import PurchaseMade
from contracts.events.trade import InvoiceIssued
from contracts.money import Money
from deploy.local.stack import Stack
from services.alerts.store import ACCOUNTS, NOTIFICATIONS, RHYTHMS
from services.chassis.auth import Role
from services.chassis.mongo import Doc, find
from services.chassis.refold import refold_subject
from services.chassis.work import tick_work
from services.gateway.letters.wire import Heard, heard
from services.gateway.model.reasons import OTHER, words
from tests.alerts.apikit import House, house, money
from tests.alerts.test_alerts_withdrawn import stored
from tests.settling import settle

pytestmark = pytest.mark.stack
PROFILES = "rapport/profiles"
REVISIONS = count(1)
WANG, ZHAO = "staff/wang", "staff/zhao"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def one(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    home: Path = tmp_path_factory.mktemp("merged")
    async with house(stack.mongo, home) as one:
        yield one


async def merges(one: House, root: str, account: str) -> None:
    await one.tell(ProfileMerged(merged_id=account, revision=next(REVISIONS)), root, PROFILES)
    await settle(one.runtime)


async def parts(one: House, root: str, account: str) -> None:
    await one.tell(ProfileUnmerged(merged_id=account, revision=next(REVISIONS)), root, PROFILES)
    await settle(one.runtime)


async def messages(one: House, *customers: str) -> list[Doc]:
    """What was sent about these customers: alert, receiver and state."""
    rows = await find(one.runtime.db, NOTIFICATIONS.name, {"s": {"$in": list(customers)}}, sort=[("k", 1)])
    return [{"k": row["k"], **row["state"]} for row in rows]


async def get(one: House, path: str, role: Role = Role.ADMIN, person: str = "staff/admin", language: str = "en") -> Any:
    async with one.client(role, person, **{"Accept-Language": language}) as client:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_what_both_owe_is_owed_by_one_and_the_alerts_stay_the_same_ones(one: House) -> None:
    root, _ = await one.overdue(owner=WANG)
    account = await one.customer(owner=ZHAO)
    await one.invoice(account, "INV-2", late=5, total="300.00")
    alert = await one.alert_of(account, "INV-2")
    await one.mailed(account, alert)
    told = await messages(one, root, account)
    await merges(one, root, account)
    async with one.client(Role.MANAGER, WANG) as client:
        answer = await client.get(f"/customers/{account}/receivables")
        listed = (await client.get("/alerts", params={"customer": account})).json()["items"]
    assert answer.headers["content-location"] == f"/customers/{root}/receivables"
    shown = answer.json()
    assert (shown["customer"], {item["invoice"] for item in shown["open_items"]}) == (root, {"INV-1", "INV-2"})
    assert await one.alert_of(root, "INV-2") == alert
    assert {item["owner_id"] for item in listed} == {WANG} and {item["customer"] for item in listed} == {root}
    after = await messages(one, root, account)
    assert [(each["k"], each["state"]) for each in after] == [(each["k"], each["state"]) for each in told]
    assert await refold_subject(one.runtime.applier, ACCOUNTS, root, one.runtime.now()) is False


async def test_a_payment_of_the_one_pays_the_invoice_of_the_other(one: House) -> None:
    root, account = await one.customer(), await one.customer()
    await one.invoice(account, "INV-7", late=4, total="80.00")
    await merges(one, root, account)
    await one.payment(root, "P-7", "80.00", ("INV-7", "80.00"))
    shown = await get(one, f"/customers/{root}/receivables")
    assert shown["open_items"] == []
    assert (await get(one, f"/alerts/{await one.alert_of(root, 'INV-7')}"))["outcome"] == "paid"


async def test_parted_again_both_are_as_they_were(one: House) -> None:
    root, first = await one.overdue(owner=WANG)
    account = await one.customer(owner=ZHAO, name="华南示例公司")
    await one.grace(account, 2)
    await one.invoice(account, "INV-2", late=5, total="300.00")
    alert = await one.alert_of(account, "INV-2")
    async with one.client(Role.MANAGER, ZHAO) as client:
        tag = (await client.get(f"/alerts/{alert}")).headers["etag"]
        note = {"note": "已电话联系"}
        assert (await client.post(f"/alerts/{alert}/acknowledge", json=note, headers={"If-Match": tag})).is_success
    before = [await stored(one, customer) for customer in (root, account)]
    told = await messages(one, root, account)
    await merges(one, root, account)
    assert (await get(one, f"/alerts/{alert}"))["acknowledged_by"] == ZHAO, "what people decided comes along"
    await parts(one, root, account)
    assert [await stored(one, customer) for customer in (root, account)] == before
    after = await messages(one, root, account)
    names = ("k", "recipient", "state", "account")
    assert [[each[name] for name in names] for each in after] == [[each[name] for name in names] for each in told]
    timeline = (await get(one, f"/alerts/{alert}", Role.MANAGER, ZHAO))["timeline"]
    assert [entry["text"] for entry in timeline if entry.get("by")] == ["已电话联系"]
    assert first == await one.alert_of(root, "INV-1")


async def test_what_is_decided_while_they_are_one_stays_with_the_alert(one: House) -> None:
    root, account = await one.customer(owner=WANG), await one.customer(owner=ZHAO)
    await one.invoice(account, "INV-2", late=5)
    alert = await one.alert_of(account, "INV-2")
    await merges(one, root, account)
    async with one.client(Role.MANAGER, WANG) as client:
        tag = (await client.get(f"/alerts/{alert}")).headers["etag"]
        done = await client.post(f"/alerts/{alert}/comment", json={"text": "合并后"}, headers={"If-Match": tag})
        assert done.is_success, done.text
    await parts(one, root, account)
    timeline = (await get(one, f"/alerts/{alert}", Role.MANAGER, ZHAO))["timeline"]
    assert [entry["text"] for entry in timeline if entry.get("by")] == ["合并后"]


async def test_one_limit_holds_and_is_told_once_and_falls_away_when_they_part(one: House) -> None:
    root, account = await one.customer(owner=WANG), await one.customer(owner=ZHAO)
    for customer, limit in ((root, "1000.00"), (account, "5000.00")):
        granted = LimitChanged(limit=Money(Decimal(limit), "CNY"), valid_from=one.ago(400))
        await one.tell(granted, customer, PROFILES)
        await one.invoice(customer, f"I-{limit}", late=-20, total="600.00")
    await merges(one, root, account)
    await one.tick()
    (limit,) = (await get(one, f"/customers/{account}/credit"))["limits"]
    assert (limit["in_force"]["limit"], limit["exposure"]) == (money("1000.00"), money("1200.00"))
    (alert,) = (await get(one, f"/alerts?customer={root}&rule=receivable_over_limit"))["items"]
    mine = [each for each in await messages(one, root) if each["alert_id"] == alert["id"]]
    assert [(each["recipient"], each["state"]) for each in mine] == [(WANG, "queued")]
    await parts(one, root, account)
    assert (await get(one, f"/alerts?customer={root}&rule=receivable_over_limit"))["items"] == []
    for language, said in (("zh-CN", "客户账户合并或拆分"), ("en", "accounts were merged or parted")):
        gone = await get(one, f"/alerts/{alert['id']}", language=language)
        assert (gone["state"], gone["outcome"]) == ("resolved", "regrouped")
        assert said in " ".join(gone["why"]["sentences"]["why"])
    (own,) = (await get(one, f"/customers/{account}/credit"))["limits"]
    assert (own["in_force"]["limit"], own["exposure"]) == (money("5000.00"), money("600.00"))


async def purchases(one: House, account: str, *ago: int) -> None:
    for days in ago:
        bought = PurchaseMade(purchase_id=f"B-{days}", purchased_on=one.ago(days), total=Money(Decimal("10.00"), "CNY"))
        await one.tell(bought, account, "shop")
    now = one.runtime.now()
    tick = one.runtime.service.ticks[RHYTHMS.name][1]
    for row in await find(one.runtime.db, RHYTHMS.name, {"s": account, "due": {"$lte": now}}):
        await one.runtime.applier.apply([tick_work(RHYTHMS, ACCOUNTS, tick, row["s"], row["k"], row["due"])])


async def test_the_rhythm_known_under_another_systems_id_is_the_customers_and_his_owner_is_told(one: House) -> None:
    root, account = await one.customer(owner=WANG), "shop:" + (await one.customer()).removeprefix("C-")
    await purchases(one, account, *range(200, 90, -10))
    (alert,) = (await get(one, f"/alerts?customer={account}"))["items"]
    assert [(each["state"], each["why"]) for each in await messages(one, account)] == [("suppressed", "no_owner")]
    await merges(one, root, account)
    (same,) = (await get(one, f"/alerts?customer={root}"))["items"]
    assert (same["id"], same["owner_id"]) == (alert["id"], WANG)
    assert [(each["state"], each["recipient"]) for each in await messages(one, root)] == [("queued", WANG)]
    shown = await get(one, f"/customers/{root}/cadence")
    assert (shown["customer"], shown["last_days"][-1]) == (root, one.ago(100).isoformat())


async def test_purchases_of_both_make_one_rhythm(one: House) -> None:
    root, account = await one.customer(owner=WANG), await one.customer(owner=ZHAO)
    await purchases(one, root, *range(200, 0, -20))
    await purchases(one, account, *range(210, 0, -20))
    before = [await stored(one, customer) for customer in (root, account)]
    apart = await get(one, f"/customers/{root}/cadence")
    await merges(one, root, account)
    together = await get(one, f"/customers/{root}/cadence")
    assert float(together["usual_gap"]) < float(apart["usual_gap"])
    await parts(one, root, account)
    assert [await stored(one, customer) for customer in (root, account)] == before


async def test_the_same_invoice_under_both_accounts_is_one(one: House) -> None:
    root, account = await one.customer(), await one.customer()
    for customer in (root, account):
        await one.invoice(customer, "INV-1", late=3)
    await merges(one, root, account)
    shown = await get(one, f"/customers/{root}/receivables")
    assert [item["invoice"] for item in shown["open_items"]] == ["INV-1"]
    assert len((await get(one, f"/alerts?customer={root}"))["items"]) == 1


async def test_accounts_that_nobody_has_registered_are_listed_until_it_is_known_whose_they_are(one: House) -> None:
    root, stranger = await one.customer(), "shop:stranger-1"
    issued = InvoiceIssued(
        invoice_id="X-1", issued_on=one.ago(9), due_on=one.ago(-9), total=Money(Decimal("5.00"), "CNY")
    )
    await one.tell(issued, stranger)
    listed = {each["id"]: each for each in (await get(one, "/customers?known=false"))["items"]}
    assert listed[stranger]["facts"] == 1 and listed[stranger]["first_seen"] and root not in listed
    await merges(one, root, stranger)
    assert stranger not in {each["id"] for each in (await get(one, "/customers?known=false"))["items"]}
    await one.tell(ProfileChanged(revision=1, kind="organisation", name="X"), "shop:stranger-2", PROFILES)
    await one.tell(issued, "shop:stranger-2")
    assert "shop:stranger-2" not in {each["id"] for each in (await get(one, "/customers?known=false"))["items"]}


async def test_what_is_said_of_a_merged_account_waits_and_holds_again_when_it_parts(one: House) -> None:
    root, account = await one.customer(owner=WANG, name="根"), await one.customer(owner=ZHAO, name="枝")
    await merges(one, root, account)
    await one.tell(OwnerChanged(owner_id="staff/li", valid_from=date(2026, 1, 1)), account, PROFILES)
    await one.tell(ProfileChanged(revision=5, kind="organisation", name="枝新", root_id=root), account, PROFILES)
    await one.invoice(account, "INV-1", late=2)
    (alert,) = (await get(one, f"/alerts?customer={account}"))["items"]
    assert (alert["owner_id"], alert["customer_name"]) == (WANG, "根")
    await parts(one, root, account)
    (alert,) = (await get(one, f"/alerts?customer={account}"))["items"]
    assert (alert["owner_id"], alert["customer_name"]) == ("staff/li", "枝")


async def test_an_erased_customer_is_erased_with_all_accounts(one: House) -> None:
    root, account = await one.customer(), await one.customer()
    await one.invoice(account, "INV-1", late=2)
    await merges(one, root, account)
    async with one.client(Role.ADMIN) as client:
        held = (await client.get(f"/customers/{account}/export")).json()
        assert {doc["_id"] for doc in held["accounts"]} == {root, account}
        await one.tell(ProfileErased(erased_at=one.runtime.now()), root, PROFILES)
        await one.tell(ProfileErased(erased_at=one.runtime.now()), account, PROFILES)
        for customer in (root, account):
            assert (await client.get(f"/customers/{customer}/receivables")).status_code == 404
    for name in ("items", "alerts", "notifications"):
        assert await find(one.runtime.db, name, {"s": {"$in": [root, account]}}) == []


async def test_one_number_under_both_accounts_with_other_content_is_shown_to_a_person(one: House) -> None:
    root, account = await one.customer(), await one.customer()
    for customer, amount in ((root, "10.00"), (account, "99.00")):
        total = Money(Decimal(amount), "CNY")
        issued = InvoiceIssued(invoice_id="SAME", issued_on=one.ago(9), due_on=one.ago(-9), total=total)
        await one.tell(issued, customer)
    await merges(one, root, account)
    (letter,) = await find(one.runtime.db, "dead", {"reason": "tie_conflict", "subject": account})
    assert (letter["status"], letter["type"]) == ("open", "rapport.invoice.issued.v1")
    (row,) = await find(one.runtime.db, "outbox", {"topic": "rapport.dead.alerts", "key": account.encode()})
    headers = [(name, bytes(value)) for name, value in row["headers"]]
    said = heard(row["topic"], letter["at"], row["key"], row["value"], headers)
    assert isinstance(said, Heard) and (said.case.reason, said.case.subject) == ("tie_conflict", account)
    shown = await get(one, f"/customers/{root}/receivables")
    assert [item["total"]["amount"] for item in shown["open_items"]] == ["10.00"], "the earlier holds"
    assert set(words("tie_conflict")).isdisjoint(OTHER), "in both languages, what it is and what to do"
    await parts(one, root, account)
    apart = await get(one, f"/customers/{account}/receivables")
    assert [item["total"]["amount"] for item in apart["open_items"]] == ["99.00"]

"""Accounts that are one customer, as profiles says it: by a merge or by another system's id, in whatever order."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from contracts.envelope import Event, decode, encode_data
from contracts.events.customers import (
    CustomerChanged,
    CustomerErased,
    CustomerLinked,
    CustomerMerged,
    CustomerUnmerged,
    OwnerAssigned,
    local_account,
)
from contracts.events.lifecycle import OwnerChanged, ProfileErased, ProfileMerged, ProfileUnmerged
from contracts.events.profile_groups import Organisation, OrganisationBasic
from contracts.events.profiles import ProfileChanged
from contracts.payload import Payload
from contracts.refusal import Refused
from deploy.local.stack import Stack
from services.chassis.auth import Role
from services.chassis.mongo import Doc, find
from services.chassis.work import event_work
from services.profiles.model.customer import Customer
from services.profiles.model.likeness import COMMON, likeness, shared
from tests.profiles.apikit import House, house
from tests.settling import settle

pytestmark = pytest.mark.stack
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def one(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    home: Path = tmp_path_factory.mktemp("ties")
    async with house(stack.mongo, home) as one:
        yield one


async def said(one: House, *subjects: str) -> list[tuple[str, Payload]]:
    """What waits to go out about these parties, in order, but snapshots."""
    keys = [subject.encode() for subject in subjects]
    rows = await find(one.runtime.db, "outbox", {"key": {"$in": keys}, "topic": "rapport.lifecycle"}, sort=[("at", 1)])
    events = [read(row) for row in rows]
    return [(event.subject, event.data) for event in events]


def read(row: Doc) -> Event:
    return decode(row["value"], [(name, bytes(value)) for name, value in row["headers"]], row["key"])


async def snapshots(one: House, subject: str) -> list[Any]:
    rows = await find(
        one.runtime.db, "outbox", {"key": subject.encode(), "topic": "rapport.profiles"}, sort=[("at", 1)]
    )
    return [read(row).data if row["value"] is not None else None for row in rows]


async def at(one: House, payload: Payload, subject: str, minutes: int) -> list[str]:
    """A fact with a time of its own; the reasons for which it was refused."""
    time = NOON + timedelta(minutes=minutes)
    event = Event(id=uuid.uuid4().hex, source="crm", type=payload.TYPE, subject=subject, time=time, data=payload)
    handler = one.runtime.service.handlers[event.type]
    now = datetime.now(UTC)
    outcome = await one.runtime.applier.apply([event_work(event, handler, now, None, encode_data(payload))])
    return [dead.reason for dead in outcome.dead]


def tied(payloads: list[tuple[str, Payload]]) -> list[tuple[str, str, str]]:
    return [
        (type(data).__name__, subject, data.merged_id)
        for subject, data in payloads
        if isinstance(data, ProfileMerged | ProfileUnmerged)
    ]


async def test_a_merge_and_its_end_are_said_with_growing_revisions_and_in_the_snapshot(one: House) -> None:
    root, account = await one.customer(name="Root"), await one.customer(name="Branch", owner="staff/9")
    await one.tell(CustomerMerged(merged_id=account), root)
    await settle(one.runtime)
    await one.tell(CustomerUnmerged(merged_id=account), root)
    await settle(one.runtime)
    found = await said(one, root, account)
    assert tied(found) == [("ProfileMerged", root, account), ("ProfileUnmerged", root, account)]
    first, second = (data.revision for _, data in found if isinstance(data, ProfileMerged | ProfileUnmerged))
    assert first is not None and second is not None and first < second
    told = [snapshot for snapshot in await snapshots(one, account) if isinstance(snapshot, ProfileChanged)]
    assert [(snapshot.name, snapshot.root_id) for snapshot in told[-3:]] == [
        ("Branch", None), ("Branch", root), ("Branch", None)
    ]  # fmt: skip
    assert [snapshot.revision for snapshot in told] == sorted({snapshot.revision for snapshot in told})


async def test_another_systems_id_is_an_account_of_the_customer(one: House) -> None:
    root = await one.customer()
    for _ in range(3):  # every night's file says it
        await one.tell(CustomerLinked(system="erp/east", local_id="77-1"), root)
        await settle(one.runtime)
    account = local_account("erp/east", "77-1")
    assert account == "erp%2Feast:77-1"
    assert tied(await said(one, root, account)) == [("ProfileMerged", root, account)]
    shown = (await one.get(f"/customers/{root}", Role.ADMIN)).json()
    assert shown["accounts"] == [{"id": account, "fields": {}, "limits": []}]
    assert (await one.get(f"/customers/{quote(account, safe='')}", Role.ADMIN)).json()["id"] == root


async def test_what_is_known_of_the_merged_account_stays_its_own_and_is_shown_beside(one: House) -> None:
    root, account = await one.customer(name="Root", owner="staff/1"), await one.customer(name="Branch", owner="staff/2")
    await one.tell(CustomerMerged(merged_id=account), root)
    await settle(one.runtime)
    changed = CustomerChanged(kind="person", name="Branch 2", relation="current", external_role="consumer")
    await one.tell(changed, account)
    await one.tell(OwnerAssigned(owner_id="staff/3", since=NOON.date()), account)
    answer = await one.get(f"/customers/{account}", Role.ADMIN)
    shown = answer.json()
    assert answer.headers["content-location"] == f"/customers/{root}"
    assert (shown["id"], shown["fields"]["name"], shown["owner"]["owner_id"]) == (root, "Root", "staff/1")
    (beside,) = shown["accounts"]
    assert (beside["id"], beside["fields"]["name"]) == (account, "Branch 2")
    assert any(isinstance(data, OwnerChanged) and data.owner_id == "staff/3" for _, data in await said(one, account))
    listed = (await one.get("/customers?limit=100", Role.ADMIN)).json()["items"]
    assert {each["id"]: each.get("root_id") for each in listed}[account] == root


async def test_the_later_of_two_merges_holds_whichever_came_first(one: House) -> None:
    one_root, other_root = await one.customer(), await one.customer()
    for late_first in (False, True):
        account = await one.customer()
        facts = [(CustomerMerged(merged_id=account), one_root, 1), (CustomerMerged(merged_id=account), other_root, 2)]
        for payload, subject, minutes in reversed(facts) if late_first else facts:
            assert await at(one, payload, subject, minutes) == []
            await settle(one.runtime)
        assert (await one.get(f"/customers/{account}", Role.ADMIN)).json()["id"] == other_root
        last = tied(await said(one, one_root, other_root, account))[-1]
        assert last == ("ProfileMerged", other_root, account)


async def test_an_account_is_not_merged_into_itself_nor_into_a_colleague(one: House) -> None:
    account = await one.customer()
    assert await at(one, CustomerMerged(merged_id=account), account, 1) == ["bad_field"]
    assert await at(one, CustomerMerged(merged_id="staff/7"), account, 1) == ["bad_field"]


async def test_a_circle_is_said_to_nobody(one: House) -> None:
    a, b = await one.customer(), await one.customer()
    await at(one, CustomerMerged(merged_id=b), a, 1)
    await at(one, CustomerMerged(merged_id=a), b, 2)
    await settle(one.runtime)
    assert tied(await said(one, a, b)) == [("ProfileMerged", a, b)]


async def test_all_accounts_are_erased_with_the_customer_and_everybody_is_told_of_each(one: House) -> None:
    root, account = await one.customer(name="Root"), await one.customer(name="Branch")
    await one.tell(CustomerMerged(merged_id=account), root)
    await settle(one.runtime)
    await one.tell(CustomerErased(), account)
    assert {subject for subject, data in await said(one, root, account) if isinstance(data, ProfileErased)} == {
        root, account
    }  # fmt: skip
    for customer in (root, account):
        assert (await one.get(f"/customers/{customer}", Role.ADMIN)).status_code == 404
        assert (await snapshots(one, customer))[-1] is None, "a tombstone ends him in the compacted topic"


async def test_an_export_has_all_accounts(one: House) -> None:
    root, account = await one.customer(name="Root"), await one.customer(name="Branch")
    await one.tell(CustomerMerged(merged_id=account), root)
    await settle(one.runtime)
    held = (await one.get(f"/customers/{account}/export", Role.ADMIN)).json()
    assert held["subject"] == root
    (beside,) = held["held"]["accounts"]
    assert (beside["account"], beside["held"]["customers"][0]["name"]) == (account, "Branch")


def organisation(name: str, **basic: Any) -> dict[str, Any]:
    return {"kind": "organisation", "name": name, "organisation": Organisation(basic=OrganisationBasic(**basic))}


async def test_accounts_that_may_be_the_same_are_suggested_with_the_reasons(one: House) -> None:
    first = await one.customer(
        **organisation("华东示例有限公司", phone="021-5555 0101", registration_number="91310000X1")
    )
    same = await one.customer(**organisation("华东示例公司", registration_number="91310000x1"))
    called = await one.customer(**organisation("Other", phone="+86 021 5555 0101"))
    stranger = await one.customer(**organisation("Nobody"))
    found = (await one.get(f"/customers/{first}/suggestions", Role.ADMIN)).json()["items"]
    assert [(each["id"], each["reasons"]) for each in found] == [
        (same, ["registration", "name"]), (called, ["phone"])
    ]  # fmt: skip
    assert found[0]["event"] == {
        "type": "rapport.customer.merged.v1", "subject": first, "data": {"merged_id": same}
    }  # fmt: skip
    assert stranger not in {each["id"] for each in found}
    await one.tell(CustomerMerged(merged_id=same), first)
    await settle(one.runtime)
    left = (await one.get(f"/customers/{same}/suggestions", Role.ADMIN)).json()
    assert (left["id"], [each["id"] for each in left["items"]]) == (first, [called])


async def test_an_account_that_only_facts_came_with_is_found_by_its_number(one: House) -> None:
    known = await one.customer(name="A")
    await one.tell(CustomerLinked(system="crm", local_id="90017"), known)
    (found,) = (await one.get("/customers/shop:90017/suggestions", Role.ADMIN)).json()["items"]
    assert (found["id"], found["reasons"]) == (known, ["number"])


def test_what_many_share_says_nothing() -> None:
    others = {f"C-{n}": ("phone:02155550101",) for n in range(COMMON + 1)}
    assert shared(("phone:02155550101",), others) == {}
    assert shared(("phone:02155550101",), {"C-1": others["C-1"]}) == {"C-1": ["phone"]}


@pytest.mark.parametrize(
    ("one_name", "other_name"),
    [("华东示例有限公司", "华东示例公司"), ("ＡＢＣ Co., Ltd.", "abc"), ("Li  Lei", "li lei")],
)
def test_names_are_compared_without_form_and_width(one_name: str, other_name: str) -> None:
    keys = {likeness("C", Customer(kind="organisation", name=name)) for name in (one_name, other_name)}
    assert len(keys) == 1


def test_an_id_that_is_too_long_for_an_account_is_refused() -> None:
    with pytest.raises(Refused, match="expected at most 128"):
        CustomerLinked(system="s" * 100, local_id="1" * 100).check()

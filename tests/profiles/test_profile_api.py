"""Who sees what of a customer over HTTP."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest
import pytest_asyncio

from contracts.events.customers import (
    ConsentChanged,
    CreditLimitSet,
    CustomerChanged,
    CustomerErased,
    CustomerLinked,
    OwnerAssigned,
)
from contracts.events.profile_groups import Basic, Consumption, Family, InCharge, Organisation, Person, Responsible
from contracts.events.staff import StaffLeft, StaffRegistered
from contracts.money import Money
from deploy.local.stack import Stack
from services.chassis.auth import EVERYONE, Access, Role
from services.profiles.api import ACCESS
from services.profiles.model.consents import SENSITIVE
from tests.chassis.access import Case, cases, check
from tests.profiles.apikit import House, house

pytestmark = pytest.mark.stack
SHARED: Access = {("GET", "/openapi.json"): EVERYONE, ("GET", "/asyncapi.json"): EVERYONE}
PERSON = Person(basic=Basic(phone="P", ethnicity="E"), consumption=Consumption(brands=["B"]), family=Family(children=2))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def api(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(stack.mongo, tmp_path_factory.mktemp("home")) as opened:
        yield opened


async def ids(api: House, path: str, *roles: Role, person: str = "staff/1") -> list[str]:
    """All pages of a list."""
    found: list[str] = []
    more = path
    while True:
        answer = await api.get(more, *roles, person=person)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["items"]) <= 3
        found += [one["id"] for one in page["items"]]
        if "next" not in page:
            return found
        more = f"{path}{'&' if '?' in path else '?'}cursor={page['next']}"


@pytest.mark.parametrize("case", cases({**ACCESS, **SHARED}), ids=str)
async def test_each_role_gets_exactly_what_the_table_grants(case: Case, api: House) -> None:
    await check(api.app, api.issuer, case)


async def test_a_manager_sees_the_customers_he_answers_for_and_no_others(api: House) -> None:
    me, other = f"staff/{uuid.uuid4().hex[:6]}", f"staff/{uuid.uuid4().hex[:6]}"
    owned = await api.customer(owner=me)
    deputised = await api.customer(owner=other, deputy=me)
    foreign, unowned = await api.customer(owner=other), await api.customer()
    assert sorted(await ids(api, "/customers", Role.MANAGER, person=me)) == sorted([owned, deputised])
    for customer, status in ((owned, 200), (deputised, 200), (foreign, 404), (unowned, 404)):
        assert (await api.get(f"/customers/{customer}", Role.MANAGER, person=me)).status_code == status
    hidden = (await api.get(f"/customers/{foreign}", Role.MANAGER, person=me)).json()
    nowhere = (await api.get("/customers/C-nowhere", Role.MANAGER, person=me)).json()
    assert hidden["detail"].replace(foreign, "") == nowhere["detail"].replace("C-nowhere", "")


async def test_a_manager_is_known_by_the_subject_of_his_token(api: House) -> None:
    number = uuid.uuid4().hex[:6]
    me, oidc = f"staff/{number}", f"oidc|{number}"
    await api.tell(StaffRegistered(name="Wang", token_subject=oidc), me)
    customer = await api.customer(owner=me)
    assert await ids(api, "/customers", Role.MANAGER, person=oidc) == [customer]
    assert await ids(api, "/customers", Role.MANAGER, person=me) == []
    await api.tell(StaffLeft(left_on=date(2026, 1, 1)), me)
    assert await ids(api, "/customers", Role.MANAGER, person=oidc) == []


async def test_a_list_is_paged_and_filtered_by_owner_and_by_the_beginning_of_the_name(api: House) -> None:
    owner, mark = f"staff/{uuid.uuid4().hex[:6]}", uuid.uuid4().hex[:6]
    names = [f"{mark}{end}" for end in ("a", "a", "b", "b客", "c", "", "a")]
    made = [await api.customer(owner=owner, name=name) for name in names]
    assert await ids(api, f"/customers?owner={owner}", Role.AGENT) == sorted(made)
    by_name = [customer for _, customer in sorted(zip(names, made, strict=True))]
    assert await ids(api, f"/customers?q={mark}", Role.AGENT) == by_name
    assert await ids(api, f"/customers?q={mark}b", Role.AGENT) == [made[2], made[3]]
    assert await ids(api, f"/customers?q={mark}x", Role.AGENT) == []
    assert await ids(api, f"/customers?q={mark}a&owner=staff/none", Role.AGENT) == []


async def test_a_foreign_or_damaged_cursor_is_refused(api: House) -> None:
    owner = f"staff/{uuid.uuid4().hex[:6]}"
    for _ in range(4):
        await api.customer(owner=owner)
    cursor = (await api.get(f"/customers?owner={owner}", Role.ADMIN)).json()["next"]
    assert (await api.get(f"/customers?owner=staff/2&cursor={cursor}", Role.ADMIN)).status_code == 400
    assert (await api.get("/customers?cursor=x", Role.ADMIN)).status_code == 400


async def test_who_sees_no_names_cannot_search_for_them(api: House) -> None:
    answer = await api.get("/customers?q=Li", Role.ANALYST)
    assert (answer.status_code, answer.json()["code"]) == (403, "names_hidden")


async def test_a_manager_who_counts_too_searches_names_among_his_own_only(api: House) -> None:
    me, mark = f"staff/{uuid.uuid4().hex[:6]}", uuid.uuid4().hex[:6]
    own = await api.customer(owner=me, name=f"{mark} own")
    await api.customer(name=f"{mark} foreign")
    assert await ids(api, f"/customers?q={mark}", Role.MANAGER, Role.ANALYST, person=me) == [own]


@pytest.mark.parametrize(
    ("role", "agrees", "masked"),
    [
        (Role.MANAGER, True, []),
        (Role.MANAGER, False, ["person/basic/ethnicity", "person/family"]),
        (Role.ADMIN, True, []),
        (Role.ADMIN, False, ["person/basic/ethnicity", "person/family"]),
        (Role.AGENT, True, ["person/basic/ethnicity", "person/family"]),
        (Role.QUALITY, True, ["person/basic/ethnicity", "person/family"]),
        (Role.SYSTEM, True, ["person/basic/ethnicity", "person/family"]),
        (Role.ANALYST, True, ["name", "person/basic", "person/family"]),
    ],
)
async def test_each_role_sees_as_much_of_a_person_as_it_should(
    api: House, role: Role, agrees: bool, masked: list[str]
) -> None:
    customer = await api.customer(owner="staff/1", person=PERSON)
    if agrees:
        await api.tell(ConsentChanged(purpose=SENSITIVE, granted=True), customer)
    shown = (await api.get(f"/customers/{customer}", role)).json()
    assert shown["masked"] == masked
    everything: dict[str, Any] = {
        "basic": {"phone": "P", "ethnicity": "E"}, "consumption": {"brands": ["B"]}, "family": {"children": 2}
    }  # fmt: skip
    for path in masked:
        *inside, last = path.split("/")[1:] or [path]
        place = everything[inside[0]] if inside else everything
        place.pop(last, None)
    assert shown["person"] == everything
    assert ("name" in shown["fields"]) == ("name" not in masked)
    assert not set(masked) & set(shown["stated"])


async def test_a_consent_taken_back_hides_again(api: House) -> None:
    customer = await api.customer(owner="staff/1", person=PERSON)
    await api.tell(ConsentChanged(purpose=SENSITIVE, granted=True), customer)
    await api.tell(ConsentChanged(purpose=SENSITIVE, granted=False), customer)
    shown = (await api.get(f"/customers/{customer}", Role.ADMIN)).json()
    assert shown["masked"] == ["person/basic/ethnicity", "person/family"]
    assert shown["consents"][SENSITIVE]["granted"] is False
    assert [one["granted"] for one in shown["consents"][SENSITIVE]["history"]] == [True, False]


async def test_an_organisation_keeps_its_name_but_not_its_people_before_an_analyst(api: House) -> None:
    people = InCharge(people=[Responsible(name="Han Meimei", part="decides")])
    customer = await api.customer(
        kind="organisation", name="East Ltd", external_role="intermediary", organisation=Organisation(in_charge=people)
    )
    shown = (await api.get(f"/customers/{customer}", Role.ANALYST)).json()
    assert (shown["fields"]["name"], shown["masked"]) == ("East Ltd", ["organisation/in_charge"])
    assert "Han Meimei" not in str(shown)


async def test_a_profile_shows_histories_and_whose_word_each_value_is(api: House) -> None:
    customer = await api.customer(owner="staff/1", deputy="staff/2", group="g1")
    await api.tell(OwnerAssigned(owner_id="staff/3", since=date(2099, 1, 1)), customer)
    await api.tell(CreditLimitSet(limit=Money.of("10.5", "CNY"), valid_from=date(2026, 1, 1)), customer, "erp")
    await api.tell(CreditLimitSet(limit=None, valid_from=date(2026, 2, 1), company="jp", grace_days=3), customer)
    await api.tell(CustomerLinked(system="shop", local_id="7"), customer)
    answer = await api.get(f"/customers/{customer}", Role.ADMIN)
    shown = answer.json()
    assert answer.headers["etag"] == '"v6"'
    assert (shown["owner"]["owner_id"], shown["owner"]["deputy_id"]) == ("staff/1", "staff/2")
    assert [one["owner_id"] for one in shown["owners"]] == ["staff/1", "staff/3"]
    assert shown["limits"] == [
        {"limit": {"amount": "10.50", "currency": "CNY"}, "valid_from": "2026-01-01"},
        {"limit": None, "valid_from": "2026-02-01", "grace_days": 3, "company": "jp"},
    ]
    assert shown["links"] == [{"system": "shop", "local_id": "7"}]
    assert shown["stated"]["group"]["source"] == "crm"
    assert shown["fields"]["group"] == "g1"


async def test_every_look_at_personal_data_is_in_the_trail(api: House) -> None:
    owner = f"staff/{uuid.uuid4().hex[:6]}"
    customer = await api.customer(owner=owner)
    await api.get(f"/customers/{customer}", Role.AGENT, person="ann")
    await api.get(f"/customers?owner={owner}", Role.AGENT, person="ann")
    await api.get(f"/customers?owner={owner}", Role.ANALYST, person="ann")
    await api.get(f"/customers/{customer}/export", Role.ADMIN, person="root")
    rows = await api.trail(customer)
    assert [(row["who"], row["what"]) for row in rows] == [
        ("ann", "GET /customers/{id}"), ("ann", "GET /customers"), ("root", "GET /customers/{id}/export")
    ]  # fmt: skip


async def test_an_export_holds_everything_and_every_fact(api: House) -> None:
    customer = await api.customer(owner="staff/1", person=PERSON)
    await api.tell(CreditLimitSet(limit=Money.of("10", "CNY"), valid_from=date(2026, 1, 1)), customer)
    await api.tell(ConsentChanged(purpose="mailing", granted=True), customer)
    answer = (await api.get(f"/customers/{customer}/export", Role.ADMIN)).json()
    held = answer["held"]
    assert set(held) == {"customers", "limits", "consents", "told", "facts"}
    assert held["customers"][0]["person"]["family"] == {"children": 2}
    assert held["limits"][0]["limits"][0]["limit"]["amount"] == "10"
    assert [fact["type"] for fact in held["facts"]] == [
        "rapport.customer.registered.v1", "rapport.owner.assigned.v1",
        "rapport.credit_limit.set.v1", "rapport.consent.changed.v1",
    ]  # fmt: skip
    assert held["facts"][0]["data"]["person"]["basic"]["ethnicity"] == "E"


async def test_an_erased_customer_is_nowhere(api: House) -> None:
    owner = f"staff/{uuid.uuid4().hex[:6]}"
    customer = await api.customer(owner=owner, person=PERSON)
    await api.tell(CustomerErased(), customer)
    for path in (f"/customers/{customer}", f"/customers/{customer}/export"):
        assert (await api.get(path, Role.ADMIN)).status_code == 404
    assert await ids(api, f"/customers?owner={owner}", Role.ADMIN) == []
    db = api.runtime.db
    for name in set(await db.list_collection_names()) - {"audit", "audit_anchors", "outbox"}:
        # His closed heads alone stand under his name, so that nothing begins anew.
        assert not [doc async for doc in db[name].find({"_id": {"$ne": customer}}) if customer in str(doc)], name
    waiting = [row async for row in db["outbox"].find({"key": customer.encode()})]
    assert [row["topic"] for row in waiting if row["value"] is None] == ["rapport.profiles"]
    assert not [row for row in waiting if row["value"] is not None and b"Li Lei" in row["value"]]


async def test_a_customer_whom_nobody_has_registered_is_shown_as_far_as_he_is_known(api: House) -> None:
    customer = f"C-{uuid.uuid4().hex[:8]}"
    await api.tell(CreditLimitSet(limit=None, valid_from=date(2026, 1, 1)), customer)
    shown = (await api.get(f"/customers/{customer}", Role.AGENT)).json()
    assert (shown["fields"], shown["owners"], len(shown["limits"])) == ({}, [], 1)
    await api.tell(CustomerChanged(kind="person", name="Late", relation="current", external_role="consumer"), customer)
    assert (await api.get(f"/customers/{customer}", Role.AGENT)).json()["fields"]["name"] == "Late"


async def test_a_colleague_is_shown_without_what_only_administrators_need(api: House) -> None:
    number = uuid.uuid4().hex[:6]
    card = StaffRegistered(name="Wang", mail="w@example.com", token_subject=f"oidc|{number}")
    await api.tell(card, f"staff/{number}", "hr")
    await api.tell(StaffLeft(left_on=date(2099, 1, 1), successor="staff/9"), f"staff/{number}", "hr")
    seen = (await api.get(f"/staff/{number}", Role.MANAGER)).json()
    assert seen == {
        "id": f"staff/{number}", "card": {"name": "Wang", "mail": "w@example.com"}, "gone": False,
        "left_on": "2099-01-01", "successor": "staff/9",
    }  # fmt: skip
    admin = (await api.get(f"/staff/{number}", Role.ADMIN)).json()
    assert admin["card"]["token_subject"] == f"oidc|{number}"
    assert (await api.get("/staff/nobody", Role.MANAGER)).status_code == 404
    assert [row["what"] for row in await api.trail(f"staff/{number}")] == ["GET /staff/{id}"] * 2

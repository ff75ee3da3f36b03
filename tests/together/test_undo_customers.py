"""A file of customers is taken back, and profiles and alerts know what they knew before it: names, owners, links."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contracts.events.customers import CreditLimitSet, CustomerChanged, OwnerAssigned, local_account
from contracts.money import Money
from services.alerts.model.account import Account, owner_on
from services.alerts.reads_unknown import unknown
from services.alerts.store import ACCOUNTS
from services.chassis import marks
from services.chassis.mongo import find, from_doc
from services.profiles import store
from tests.gateway.gatekit import unique
from tests.gateway.importkit import SOURCE, imported, undone
from tests.gateway.made_files import csv_bytes
from tests.together.suitekit import PATIENCE_S, Suite
from tests.waiting import until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]
HEAD = ("id", "name", "kind", "owner", "group", "own id")


def row(customer: str, local_id: str = "", name: str = "文件里的名字") -> list[str]:
    return [customer, name, "organisation", "staff/file", "of-the-file", local_id]


async def begun(suite: Suite) -> tuple[list[str], list[list[str]]]:
    """Somebody known by the CRM, with a limit and an alert; one who is nobody yet; one who only has an invoice; and an
    account of the file's system, with an invoice too. Returns them, and the rows of the file.
    """
    await suite.start("profiles")
    await suite.start("alerts")
    local = unique("L")
    known, nobody, owing, account = await suite.customer("CRM"), unique(), unique(), local_account(SOURCE, local)
    await suite.tell(OwnerAssigned(owner_id="staff/crm", since=suite.today - timedelta(days=90)), known)
    limit = CreditLimitSet(limit=Money.of("500", "CNY"), valid_from=suite.today - timedelta(days=90))
    await suite.tell(limit, known)
    for customer in (known, owing, account):
        await suite.invoice(customer)
    await suite.settled()
    await until(lambda: raised(suite, [known, owing, account]), "alerts about their invoices", deadline_s=PATIENCE_S)
    return [known, nobody, owing, account], [row(known, local), row(nobody), row(owing)]


async def raised(suite: Suite, subjects: list[str]) -> bool:
    return await suite.looks["alerts"].db["alerts"].count_documents({"s": {"$in": subjects}}) == len(subjects)


async def names(suite: Suite, subjects: list[str]) -> dict[str, tuple[str, str]]:
    """Of each account the name and owner of today that alerts knows."""
    docs = await find(suite.looks["alerts"].db, ACCOUNTS.name, {"_id": {"$in": subjects}, "state": {"$exists": True}})
    accounts = {doc["_id"]: from_doc(doc["state"], Account) for doc in docs}
    return {name: (account.name, owner_on(account, suite.today)) for name, account in accounts.items()}


async def load(suite: Suite, rows: list[list[str]], subjects: list[str]) -> str:
    """The file is imported, and has changed what is known; returns the import."""
    done = await imported(suite.gateway, "customers", csv_bytes(HEAD, rows))
    assert done["counts"]["accepted"] == len(rows)
    await suite.settled()
    told = await names(suite, subjects)
    assert {told[each[0]] for each in rows} == {("文件里的名字", "staff/file")}
    assert (await suite.known([subjects[3]]))["alerts.items"] == [], "the linked account's invoice is the customer's"
    name: str = done["id"]
    return name


async def test_everybody_is_known_as_before_the_file(suite: Suite) -> None:
    subjects, rows = await begun(suite)
    before = await suite.known(subjects)
    listed = await unknown(suite.looks["alerts"].db, "", 100)
    done = await load(suite, rows, subjects)
    assert await suite.known(subjects) != before
    await undone(suite.gateway, done)
    await suite.settled()
    assert await suite.known(subjects) == before
    assert await unknown(suite.looks["alerts"].db, "", 100) == listed, "who has invoices and no name is shown as such"

    again = await load(suite, rows, subjects)
    await undone(suite.gateway, again)
    await suite.settled()
    assert await suite.known(subjects) == before, "the same file once more"


# In the order in which they are come to: alerts hears of the link's end before it folds again.
STAGES = [
    ("profiles", marks.IN_REFOLD),
    ("profiles", marks.IN_PARTING),
    ("alerts", marks.IN_PARTING),
    ("alerts", marks.IN_REFOLD),
]


@pytest.mark.long
async def test_killed_in_the_middle_of_each_step_it_ends_as_without_the_kill(suite: Suite) -> None:
    subjects, rows = await begun(suite)
    before = await suite.known(subjects)
    done = await load(suite, rows, subjects)
    for service in ("profiles", "alerts"):
        await suite.stop(service)
    await undone(suite.gateway, done)
    for service, stage in STAGES:
        await suite.start(service, kill_at=stage)
        await suite.dies(service, stage)
        if service == "profiles" and stage == marks.IN_PARTING:
            await suite.start(service)
    await suite.start("alerts")
    await suite.settled()
    assert await suite.known(subjects) == before


async def told_elsewhere(suite: Suite, customer: str, step: int) -> None:
    """What other systems say of a customer before the file (0), and after it (1)."""
    day = suite.today - timedelta(days=30)
    if step == 0:
        await suite.customer("CRM", customer, owner_id="staff/first", group="g1")
        return
    # The same owner as the file's, named by somebody else; a limit; an owner from a day on; another name.
    changed = CustomerChanged(
        kind="organisation", name="CRM 2", relation="current", external_role="consumer", owner_id="staff/file"
    )
    await suite.tell(changed, customer)
    await suite.tell(CreditLimitSet(limit=Money.of("700", "CNY"), valid_from=day), customer)
    await suite.tell(OwnerAssigned(owner_id="staff/next", since=suite.today + timedelta(days=20)), customer)


async def picture(suite: Suite, customer: str) -> dict[str, Any]:
    """What is known of a customer, without the ids of the facts that said it."""
    found = await store.customer(suite.looks["profiles"].db, customer)
    (doc,) = await find(suite.looks["alerts"].db, ACCOUNTS.name, {"_id": customer})
    account = from_doc(doc["state"], Account)
    days = [suite.today + timedelta(days=n) for n in (-400, -30, 0, 19, 20)]
    assert found is not None
    one = found.customer
    return {
        "profile": (one.name, one.group, one.owner, [each.tenure for each in one.assignments], one.links),
        "alerts": (account.name, account.role, [owner_on(account, day) for day in days], account.revision > 0),
        "limits": [(limit.valid_from, limit.amount, limit.currency) for limit in account.limits],
    }


async def test_what_others_have_said_since_holds_as_if_the_file_had_not_come(suite: Suite) -> None:
    await suite.start("profiles")
    await suite.start("alerts")
    customer, twin = unique(), unique()
    for each in (customer, twin):
        await told_elsewhere(suite, each, 0)
    await suite.settled()
    first = await imported(suite.gateway, "customers", csv_bytes(HEAD, [row(customer)]))
    second = await imported(suite.gateway, "customers", csv_bytes(HEAD, [row(customer, name="又一个名字")]))
    await suite.settled()
    for each in (customer, twin):
        await told_elsewhere(suite, each, 1)
    await suite.settled()
    for done in (first, second):
        await undone(suite.gateway, done["id"])
        await suite.settled()
    assert await picture(suite, customer) == await picture(suite, twin)


async def test_who_was_in_two_files_is_known_by_the_one_that_stays(suite: Suite) -> None:
    await suite.start("profiles")
    await suite.start("alerts")
    customer = unique()
    first = await imported(suite.gateway, "customers", csv_bytes(HEAD, [row(customer)]))
    second = await imported(suite.gateway, "customers", csv_bytes(HEAD, [row(customer, name="第二个文件")]))
    await suite.settled()
    assert await names(suite, [customer]) == {customer: ("第二个文件", "staff/file")}
    await undone(suite.gateway, first["id"])
    await suite.settled()
    assert await names(suite, [customer]) == {customer: ("第二个文件", "staff/file")}
    await undone(suite.gateway, second["id"])
    await suite.settled()
    assert not any((await suite.known([customer])).values()), "nobody knows him any more"

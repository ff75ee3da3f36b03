"""POST /imports/{id}/undo: what a file has said is taken back, and who reads it is as he was before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.envelope import decode
from contracts.events.trade import InvoiceIssued
from contracts.money import Money
from deploy.local.stack import Stack
from services.chassis.lease import Leases
from services.chassis.mongo import Doc, find
from services.chassis.withdraw import Withdrawals
from services.chassis.work import event_work
from services.gateway.imports import store
from tests.alerts.apikit import House as Alerts
from tests.alerts.apikit import house as alerts_house
from tests.gateway.gatekit import House, unique
from tests.gateway.importkit import ask, data_of, ended, imported, send, undo, undone
from tests.gateway.made_files import ENGLISH, csv_bytes, english_rows
from tests.waiting import until

pytestmark = pytest.mark.stack


async def test_each_customer_of_the_file_is_told_of_once_and_nobody_else(gateway: House) -> None:
    customers, stranger = [unique() for _ in range(5)], unique()
    rows = english_rows(customers, 4_500)
    rows[10][5] = "?"
    rows.append(["X", stranger, "CNY", "soon", "2026-02-04", "1"])
    done = await imported(gateway, "invoices", csv_bytes(ENGLISH, rows))
    before = {customer: await gateway.ids(customer) for customer in customers}
    now = await undone(gateway, done["id"])
    assert (now["undo_reason"], now["counts"]) == ("of another year", done["counts"])
    for customer in customers:
        told = (await data_of(gateway, customer))[len(before[customer]) :]
        assert {one["@id"] for one in told} == {f"{done['id']}-undo/{customer}"}, "repeats have the same id"
        assert told[0]["@type"] == "rapport.trade.withdrawn.v1"
        assert all(one.startswith(told[0]["under"]) for one in before[customer])
        assert not told[0]["@id"].startswith(told[0]["under"]), "it does not withdraw itself"
    assert await gateway.ids(stranger) == [], "of his row nothing was ever sent"
    again = await undo(gateway, done["id"])
    assert (again.status_code, again.json()["state"]) == (200, "undone")


async def test_after_it_the_same_file_is_another_import(gateway: House) -> None:
    customer = unique()
    content = csv_bytes(ENGLISH, english_rows([customer], 3))
    done = await imported(gateway, "invoices", content)
    await undone(gateway, done["id"])
    again = await send(gateway, "invoices", content)
    assert again.status_code == 202 and again.json()["id"] != done["id"]
    assert (await ended(gateway, again.json()["id"]))["counts"]["accepted"] == 3


async def test_what_cannot_be_undone_says_why(gateway: House) -> None:
    done = await imported(gateway, "invoices", csv_bytes(ENGLISH, english_rows([unique()], 2)))
    assert (await undo(gateway, "20260101-000000-00000000")).status_code == 404
    _, other = await gateway.source(sources=["pos"])
    assert (await undo(gateway, done["id"], other)).status_code == 404, "of another source"


@pytest.mark.parametrize("state", ["waiting", "running"])
async def test_an_import_under_way_is_not_undone(gateway: House, state: str) -> None:
    done = await imported(gateway, "invoices", csv_bytes(ENGLISH, english_rows([unique()], 2)))
    another = Leases(gateway.runtime.db, "another process", 60_000)
    await until(lambda: another.take(f"import/{done['id']}"), "the import to be let go")
    await gateway.runtime.db["imports"].update_one({"_id": done["id"]}, {"$set": {"state": state}})
    try:
        told = await undo(gateway, done["id"])
        assert (told.status_code, told.json()["code"]) == (409, "not_ended")
    finally:
        await gateway.runtime.db["imports"].update_one({"_id": done["id"]}, {"$set": {"state": "done"}})
        await another.release(f"import/{done['id']}")


async def fed(gateway: House, alerts: Alerts, customer: str) -> None:
    """All that lies in the topic about a customer reaches alerts; what it knows it drops."""
    works = []
    for record in (await gateway.sent(customer))[customer]:
        event = decode(record.value, record.headers, record.key)
        handler = alerts.runtime.service.handlers[event.type]
        works.append(event_work(event, handler, datetime.now(UTC), None, record.value or b""))
    outcome = await alerts.runtime.applier.apply(works)
    assert not outcome.dead, outcome.dead


async def books(alerts: Alerts, customer: str) -> list[Doc]:
    """What alerts knows of his items, credit and alerts."""
    found: list[Doc] = []
    for name in ("items", "credit", "alerts", "settlements"):
        found += await find(alerts.runtime.db, name, {"s": customer}, sort=[("_id", 1)])
    return found


async def test_in_the_service_that_reads_it_the_state_is_the_one_before(
    gateway: House, stack: Stack, tmp_path: Path
) -> None:
    async with alerts_house(stack.mongo, tmp_path) as alerts:
        customer = await alerts.customer()
        own = InvoiceIssued(
            invoice_id="OWN", issued_on=alerts.ago(40), due_on=alerts.ago(10), total=Money.of("80.00", "CNY")
        )
        await alerts.tell(own, customer)
        await alerts.tick()
        before = await books(alerts, customer)
        done = await imported(gateway, "invoices", csv_bytes(ENGLISH, english_rows([customer], 40)))
        await fed(gateway, alerts, customer)
        await alerts.tick()
        assert len(await books(alerts, customer)) > len(before) + 40
        await undone(gateway, done["id"])
        await fed(gateway, alerts, customer)
        assert await Withdrawals(alerts.runtime.applier, alerts.runtime.leases, 1).round() is True
        assert await books(alerts, customer) == before


async def test_what_is_kept_of_rows_goes_after_its_days_and_then_nothing_can_be_undone(gateway: House) -> None:
    rows = english_rows([unique()], 3)
    rows[0][5] = "?"
    done = await imported(gateway, "invoices", csv_bytes(ENGLISH, rows))
    db, path = gateway.runtime.db, f"/imports/{done['id']}"
    await store.forget(db, datetime.now(UTC) + timedelta(days=29), 30)
    assert len((await ask(gateway, f"{path}/refused")).json()["items"]) == 1
    await store.forget(db, datetime.now(UTC) + timedelta(days=31), 30)
    for name in ("import_refused", "import_subjects", "import_chunks"):
        assert await db[name].count_documents({"i": done["id"]}) == 0
    assert (await ask(gateway, path)).json()["counts"] == done["counts"], "that it was stays known"
    told = await undo(gateway, done["id"])
    assert (told.status_code, told.json()["code"]) == (409, "too_old")

"""A cut-over on the real parts: files of the past through the gateway and the bus to alerts, and what is mailed."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.mailbox import process as mailboxes
from deploy.local.mailbox.process import MailboxProcess
from deploy.local.stack import Stack
from services.chassis.mongo import find
from tests.alerts.buskit import Bus, bus_on
from tests.gateway.gatekit import House, unique
from tests.gateway.importkit import imported, send
from tests.gateway.made_files import csv_bytes
from tests.waiting import until

pytestmark = pytest.mark.stack
INVOICES = ("invoice", "customer", "currency", "issue_date", "due_date", "amount")
SETTLEMENTS = ("doc", "type", "customer", "currency", "date", "amount", "applied_to")
CUSTOMERS = 12
OVERDUE = CUSTOMERS + CUSTOMERS // 2  # invoices: each B, and every other A


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailboxProcess]:
    running = mailboxes.start(tmp_path_factory.mktemp("mails"))
    yield running
    running.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bus(stack: Stack, mailbox: MailboxProcess) -> AsyncIterator[Bus]:
    async with bus_on(stack, mailbox=mailbox) as made:
        yield made


def invoices(bus: Bus, customers: list[str]) -> list[list[str]]:
    """Of each: two long overdue (due before the day of cut-over, and not on the day before it), one not due yet."""

    def row(number: str, customer: str, late: int, amount: str) -> list[str]:
        due = bus.ago(late)
        return [number, customer, "CNY", (due - timedelta(days=30)).isoformat(), due.isoformat(), amount]

    rows = []
    for n, customer in enumerate(customers):
        rows += [
            row(f"A{n}", customer, 20 + 7 * n, f"{100 + n}.10"),
            row(f"B{n}", customer, 5, "200.00"),
            row(f"C{n}", customer, -(3 + n), "300.00"),
        ]
    return rows


def settlements(bus: Bus, customers: list[str]) -> list[list[str]]:
    paid = bus.ago(2).isoformat()
    return [
        [f"P{n}", "payment", customer, "CNY", paid, "50.00" if n % 2 else f"{100 + n}.10", f"A{n}"]
        for n, customer in enumerate(customers)
    ]


def aged(folder: Path, files: dict[str, bytes], day: date) -> dict[str, Any]:
    """What `rapport age` makes of the same files at the end of a day."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    command = [sys.executable, "-m", "services.cli", "age", "--invoices", str(folder / "invoices.csv")]
    command += ["--settlements", str(folder / "settlements.csv"), "--as-of", day.isoformat(), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def table(bus: Bus, path: str) -> list[dict[str, str]]:
    assert bus.running.runtime.http is not None
    answer = await bus.http.get(bus.running.runtime.http.url + path)
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


async def loaded(bus: Bus, gateway: House, customers: list[str], buyer: str) -> dict[str, bytes]:
    """The past comes in, the payments first, and all that stood of it stands; returns the files."""
    files = {
        "settlements.csv": csv_bytes(SETTLEMENTS, settlements(bus, customers)),
        "invoices.csv": csv_bytes(INVOICES, invoices(bus, customers)),
    }
    past = {"history": bus.today.isoformat()}
    for name, content in files.items():
        done = await imported(gateway, name.partition(".")[0], content, **past)
        assert (done["history"], done["counts"]["refused"]) == (past["history"], 0)
    bought = [[buyer, bus.ago(n).isoformat(), "10.00", "CNY"] for n in range(700, 200, -7)]
    await imported(gateway, "purchases", csv_bytes(("customer", "date", "amount", "currency"), bought), **past)

    async def all_stand() -> bool:
        bus.check()
        rows = await find(bus.running.runtime.db, "alerts", {"s": {"$in": [*customers, buyer]}})
        return bool(sum(row["state"]["alert"]["state"] == "raised" for row in rows) == OVERDUE + 1)

    await until(all_stand, "the alerts of the past to stand", deadline_s=60)
    return files


def group(report: Any, rule: str, owner: str) -> tuple[int, int, Decimal]:
    """Of the alerts that stood: how many, how many of them suppressed, and what they are about."""
    (one,) = [one for one in report["standing"] if (one["rule"], one["owner_id"]) == (rule, owner)]
    return one["alerts"], one["suppressed"], sum((Decimal(money["amount"]) for money in one["amounts"]), Decimal(0))


async def test_a_load_of_the_past_mails_nobody_and_what_comes_after_it_is_mailed(
    bus: Bus, gateway: House, tmp_path: Path
) -> None:
    owner, address = await bus.colleague()
    customers, buyer = [await bus.customer(owner) for _ in range(CUSTOMERS)], await bus.customer(owner)
    day = bus.today
    files = await loaded(bus, gateway, customers, buyer)
    told = await find(bus.running.runtime.db, "notifications", {"s": {"$in": [*customers, buyer]}})
    assert {(one["state"]["state"], one["state"]["why"]) for one in told} == {("suppressed", "history")}
    assert len(told) > OVERDUE

    fresh = await bus.customer(owner)
    await bus.taken(await bus.tell(bus.invoice("NEW", late=1), fresh))
    await bus.the_alert(fresh, lambda one: one["state"] == "notified", "somebody to be told of what is new")
    (mail,) = await bus.mails(address)
    assert "NEW" in mail["subject"], "the only mail there is"

    books = aged(tmp_path, files, day - timedelta(days=1))
    report = await bus.get("/cutover", day=day.isoformat(), days=10)
    ours = sum((Decimal(row["overdue"]) for row in books["ageing"]), Decimal(0))
    assert group(report, "receivable_overdue", owner) == (OVERDUE, OVERDUE, ours)
    assert group(report, "purchase_slowdown", owner)[:2] == (1, 1)
    rows = [row for row in await table(bus, f"/cutover.csv?day={day}&days=10") if row["owner_id"] == owner]
    stands = {row["about"]: row["amount"] for row in rows if row["part"] == "stands" and row["about"]}
    open_ = {row["invoice"]: row["open"] for row in books["open_items"] if int(row["days_past_due"]) > 0}
    assert stands == open_, "to the cent, invoice by invoice"
    coming = {row["about"]: row["day"] for row in rows if row["part"] == "coming" and row["about"].startswith("C")}
    due = {f"C{n}": day + timedelta(days=4 + n) for n in range(CUSTOMERS)}
    assert coming == {name: on.isoformat() for name, on in due.items() if on < day + timedelta(days=10)}


async def test_a_day_of_cut_over_that_cannot_be_one_is_refused_at_the_door(gateway: House) -> None:
    content = csv_bytes(INVOICES, [["I", unique(), "CNY", "2026-01-01", "2026-02-01", "1.00"]])
    for wrong in ("2199-01-01", "soon"):
        assert (await send(gateway, "invoices", content, history=wrong)).status_code == 422

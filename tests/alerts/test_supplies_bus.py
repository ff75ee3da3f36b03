"""The bank's system falls silent: nobody is said to be overdue until it has delivered what it owes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from contracts.events.trade import SourceCompleted
from deploy.local.stack import Stack
from services.chassis.mongo import find
from tests.alerts.buskit import Bus, bus_on, unique
from tests.waiting import until

pytestmark = pytest.mark.stack
BANK = "bank/made"
HOUR = 3600


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bus(stack: Stack) -> AsyncIterator[Bus]:
    async with bus_on(stack) as bus:
        yield bus


async def silent_bank(bus: Bus, silent: timedelta) -> None:
    """As if a bank had delivered every hour for four weeks, and then nothing for some time."""
    last = datetime.now(UTC) - silent
    now = int(last.timestamp()) // HOUR
    doc = {
        "supply": "payments",
        "source": BANK,
        "last": last.replace(microsecond=0),
        "heard": list(range(now - 28 * 24, now + 1)),
        "hours": 28 * 24 + 1,
        "usual": 1,
    }
    await bus.running.runtime.db["supplies"].replace_one({"_id": f"payments\t{BANK}"}, doc, upsert=True)


async def withheld(bus: Bus, least: int) -> bool:
    """Whether so many deadlines wait, as operations are shown."""
    runtime = bus.running.runtime
    assert runtime.http is not None
    bus.check()
    page = (await bus.http.get(f"{runtime.http.url}/metrics")).text
    figures = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    silent = float(figures.get('rapport_supply_sources_silent{supply="payments"}', 0))
    return float(figures["rapport_deadlines_withheld"]) >= least and silent == 1


async def test_overdue_invoices_wait_for_a_silent_bank_and_only_those_still_unpaid_are_raised(bus: Bus) -> None:
    await silent_bank(bus, timedelta(hours=6))
    await until(lambda: withheld(bus, 0), "the bank to be missed")
    unpaid, paid = await bus.customer(), await bus.customer()
    invoices = [bus.event(bus.invoice(late=3), one) for one in (unpaid, paid)]
    await bus.send(*invoices)
    await bus.taken(*invoices)
    await until(lambda: withheld(bus, 2), "both to be held back")
    assert bus.running.runtime.http is not None
    assert (await bus.http.get(f"{bus.running.runtime.http.url}/healthz/ready")).status_code == 200
    assert await bus.alerts(unpaid) == []

    # It is back: what it owes is still on its way.
    payment = bus.event(bus.payment(unique("P"), "1200.00", on=bus.ago(5)), paid, BANK)
    await bus.send(payment)
    await bus.taken(payment)

    async def back() -> bool:
        rows = await find(bus.running.runtime.db, "supplies", {"source": BANK, "back": {"$exists": True}})
        return bool(rows)

    await until(back, "the bank to be heard again")
    await until(lambda: withheld(bus, 1), "the unpaid invoice to be held back still")
    assert await bus.alerts(unpaid) == []

    done = SourceCompleted(source=BANK, up_to=datetime.now(UTC))
    await bus.send(bus.event(done, "source/bank", BANK))
    alert = await bus.the_alert(unpaid, lambda one: one["state"] != "resolved", "the unpaid invoice's alert")
    assert alert["rule"] == "receivable_overdue"
    assert await bus.alerts(paid) == []


async def test_a_bank_that_is_quiet_for_no_longer_than_usual_holds_nothing(bus: Bus) -> None:
    await silent_bank(bus, timedelta(hours=2))
    customer = await bus.customer()
    await bus.tell(bus.invoice(late=3), customer)
    await bus.the_alert(customer, lambda one: one["state"] != "resolved", "the alert")

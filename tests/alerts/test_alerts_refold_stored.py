"""A refold on the real database: moments the clock had not come to when a fact came are left where they were."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from contracts.events.trade import InvoiceIssued
from contracts.money import Money
from deploy.local.stack import Stack
from services.alerts.store import ACCOUNTS
from services.chassis.mongo import Doc, find
from services.chassis.refold import refold_subject
from tests.alerts.apikit import House, house

pytestmark = pytest.mark.stack
KINDS = ("accounts", "items", "settlements", "alerts", "notifications")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def one(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    home: Path = tmp_path_factory.mktemp("refold")
    async with house(stack.mongo, home) as one:
        yield one


async def stored(one: House, customer: str) -> dict[str, list[Doc]]:
    """All that is kept of a customer, but for the versions."""
    found: dict[str, list[Doc]] = {}
    for name in KINDS:
        where = {"_id": customer} if name == "accounts" else {"s": customer}
        rows = await find(one.runtime.db, name, where, sort=[("_id", 1)])
        found[name] = [{key: value for key, value in row.items() if key != "v"} for row in rows]
    return found


async def refolded(one: House, customer: str) -> bool:
    return await refold_subject(one.runtime.applier, ACCOUNTS, customer, one.runtime.now())


async def test_an_invoice_paid_before_the_clock_looked_and_one_paid_after_it_are_folded_as_they_were(
    one: House,
) -> None:
    customer = await one.customer()
    total = Money.of("100.00", "CNY")
    old = InvoiceIssued(invoice_id="OLD", issued_on=one.ago(90), due_on=one.ago(60), total=total)
    await one.tell(old, customer)  # a load of old books is read faster than the clock looks
    await one.payment(customer, "P-1", "100.00", ("OLD", "100.00"))
    await one.invoice(customer, "INV-1", late=3)  # this raises its alert
    await one.payment(customer, "P-2", "500.00", ("INV-1", "500.00"))
    before = await stored(one, customer)
    assert sorted(row["state"]["alert"]["history"] for row in before["alerts"]) == [False, True]
    assert await refolded(one, customer) is False
    assert await stored(one, customer) == before


async def test_what_is_due_when_a_refold_comes_is_left_to_the_clock_with_its_mail(one: House) -> None:
    customer = await one.customer()
    due = InvoiceIssued(invoice_id="INV-1", issued_on=one.ago(90), due_on=one.ago(60), total=Money.of("100.00", "CNY"))
    await one.tell(due, customer)
    assert await refolded(one, customer) is False
    await one.tick()
    held = await stored(one, customer)
    assert (len(held["alerts"]), [row["state"]["state"] for row in held["notifications"]]) == (1, ["queued"])

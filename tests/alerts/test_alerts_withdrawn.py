"""Facts that were sent by mistake are withdrawn: the customer is as he was before, and what they raised falls away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from contracts.envelope import Event, encode_data
from contracts.events.sales import PurchaseMade
from contracts.events.trade import InvoiceIssued, PaymentReceived, TradeWithdrawn
from contracts.money import Money
from contracts.payload import Payload
from deploy.local.stack import Stack
from services.alerts.store import ACCOUNTS, ALERTS
from services.chassis.aggregate import Head, Part
from services.chassis.mongo import Doc, find
from services.chassis.refold import refold_subject
from services.chassis.work import event_work
from tests.alerts.apikit import House, house
from tests.settling import settle

pytestmark = pytest.mark.stack
OWN = {"v", "spoke", "fv", "heard", "ticked"}  # the chassis' own counting: it never runs back
IMPORT = "20261120-093000-1a2b3c4d"
LINES = count(2)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def one(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    home: Path = tmp_path_factory.mktemp("withdrawn")
    async with house(stack.mongo, home) as one:
        yield one


async def stored(one: House, customer: str) -> dict[str, list[Doc]]:
    """All that is kept of a customer in every collection of the service's folds, but what was told to people."""
    found: dict[str, list[Doc]] = {}
    for name, kind in one.runtime.service.kinds.items():
        if isinstance(kind, Part) and not kind.derived:
            continue
        where: Doc = {"_id": customer} if isinstance(kind, Head) else {"s": customer}
        rows = await find(one.runtime.db, name, where, sort=[("_id", 1)])
        found[name] = [{key: value for key, value in row.items() if key not in OWN} for row in rows]
    return found


async def imports(one: House, payload: Payload, customer: str, source: str = "erp") -> None:
    """A row of the import arrives."""
    now = one.runtime.now()
    event = Event(
        id=f"{IMPORT}/{next(LINES):07d}", source=source, type=payload.TYPE, subject=customer, time=now, data=payload
    )
    work = event_work(event, one.runtime.service.handlers[event.type], now, None, encode_data(payload))
    outcome = await one.runtime.applier.apply([work])
    assert not outcome.dead, outcome.dead


async def withdraws(one: House, customer: str, source: str = "erp") -> None:
    """The import is undone, and the service comes to it."""
    await one.tell(TradeWithdrawn(under=f"{IMPORT}/"), customer, source)
    assert await settle(one.runtime) == 1, "once is enough"


def issued(one: House, number: str, late: int, total: str = "700.00") -> InvoiceIssued:
    total_ = Money(Decimal(total), "CNY")
    return InvoiceIssued(invoice_id=number, issued_on=one.ago(late + 30), due_on=one.ago(late), total=total_)


def paid(one: House, number: str, total: str, **more: Any) -> PaymentReceived:
    return PaymentReceived(document_id=number, dated_on=one.today, total=Money(Decimal(total), "CNY"), **more)


async def test_the_state_equals_the_one_before_the_import(one: House) -> None:
    customer = await one.customer()
    await one.invoice(customer, "INV-1", late=3)
    await one.payment(customer, "P-1", "100.00", ("INV-1", "100.00"))
    before = await stored(one, customer)
    assert before[ALERTS.name]
    await imports(one, issued(one, "INV-2", 40), customer)
    await one.tick()
    await imports(one, paid(one, "P-2", "1100.00"), customer)
    await imports(
        one,
        PurchaseMade(purchase_id="B-1", purchased_on=one.ago(5), total=Money(Decimal("9.00"), "CNY")),
        customer,
    )
    during = await stored(one, customer)
    assert during != before and len(during[ALERTS.name]) > len(before[ALERTS.name])
    await withdraws(one, customer)
    assert await stored(one, customer) == before
    assert await refold_subject(one.runtime.applier, ACCOUNTS, customer, one.runtime.now()) is False


async def test_an_alert_that_rested_on_it_is_told_to_be_withdrawn(one: House) -> None:
    customer = await one.customer()
    await imports(one, issued(one, "INV-9", 10), customer)
    await one.tick()
    raised = await one.alert_of(customer, "INV-9")
    await withdraws(one, customer)
    rows = await find(one.runtime.db, "outbox", {"key": customer.encode()}, sort=[("n", 1)])
    told = [dict(row["headers"])["ce_type"] for row in rows if raised.encode() in (row["value"] or b"")]
    assert b"rapport.alert.resolved.v1" in told


async def test_what_came_after_it_and_what_others_sent_under_a_like_name_stays(one: House) -> None:
    customer, twin = await one.customer(), await one.customer()
    await imports(one, issued(one, "INV-1", 4), customer)
    for who in (customer, twin):
        await one.invoice(who, "INV-2", late=5)
        await imports(one, issued(one, "INV-3", 6), who, source="erp2")
    await withdraws(one, customer)
    held, other = await stored(one, customer), await stored(one, twin)
    assert [row["k"] for row in held["items"]] == [row["k"] for row in other["items"]]
    assert [row["k"] for row in held["items"]] == ["/INV-2", "/INV-3"]


async def test_an_import_again_after_it_counts(one: House) -> None:
    customer = await one.customer()
    await imports(one, issued(one, "INV-1", 4), customer)
    await withdraws(one, customer)
    assert (await stored(one, customer))["items"] == []
    await one.tell(issued(one, "INV-1", 4), customer)
    assert len((await stored(one, customer))["items"]) == 1

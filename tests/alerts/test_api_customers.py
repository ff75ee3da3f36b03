"""What is read of one customer: what he owes, as `rapport age` has it, money that found no invoice, and the export."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from contracts.events.sales import OrderPlaced
from contracts.events.trade import AppliedTo, PaymentApplied, PaymentReversed
from contracts.money import Amount, Money
from deploy.local.stack import Stack
from services.alerts.model.ageing import age
from services.alerts.plain.report import rows_of
from services.alerts.reads import books_of
from services.alerts.store import ACCOUNTS
from services.chassis.aggregate import Part
from services.chassis.auth import Role
from tests.alerts.apikit import House, house, money

pytestmark = pytest.mark.stack
CNY = "CNY"


@pytest.fixture(scope="module")
async def one(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(stack.mongo, tmp_path_factory.mktemp("home")) as made:
        yield made


async def test_receivables_are_those_of_the_command_rapport_age(one: House) -> None:
    customer = await one.customer(owner="staff/r1")
    for n, late in enumerate((-5, 0, 1, 30, 31, 75, 200)):
        await one.invoice(customer, f"INV-{n}", late=late, total=f"{100 + n}.05", company="A" if n % 2 else None)
    await one.invoice(customer, "INV-USD", late=12, total="70.00", currency="USD")
    await one.payment(customer, "P-1", "150.00", ("INV-2", "40.00"), ("INV-4", "110.00"), on=one.ago(2))
    async with one.client(Role.MANAGER, "staff/r1") as client:
        for as_of in (one.today, one.ago(1), one.ago(3), one.ago(60), one.ago(900)):
            answer = await client.get(f"/customers/{customer}/receivables", params={"as_of": as_of.isoformat()})
            await _same_as_age(one, customer, as_of, answer.json())
        today = (await client.get(f"/customers/{customer}/receivables")).json()
        assert today["as_of"] == one.today.isoformat()
        assert (await client.get(f"/customers/{customer}/receivables?as_of=soon")).status_code == 422


async def _same_as_age(one: House, customer: str, as_of: date, shown: dict[str, Any]) -> None:
    aged = rows_of(age(*await books_of(one.runtime.db, customer), as_of))
    items = [
        (
            item["invoice"],
            customer,
            item["open"]["currency"],
            item["due_on"],
            item["open"]["amount"],
            item["days_past_due"],
            item["bucket"],
        )
        for item in shown["open_items"]
    ]
    assert items == aged["open_items"]
    rows = [
        (
            customer,
            row["currency"],
            *(part["amount"] for part in row["buckets"].values()),
            *(row[name]["amount"] for name in ("open_total", "overdue", "unapplied_credit", "net")),
        )
        for row in shown["ageing"]
    ]
    assert rows == aged["ageing"]


async def test_money_that_found_no_invoice_is_shown_with_where_it_waits(one: House) -> None:
    customer = await one.customer(owner="staff/x1")
    await one.invoice(customer, "INV-1", late=3, total="100.00")
    await one.invoice(customer, "INV-USD", late=3, total="100.00", currency="USD")
    await one.payment(customer, "OVER", "180.00", ("INV-1", "130.00"))
    await one.payment(customer, "EARLY", "50.00", ("UNKNOWN", "50.00"))
    await one.payment(customer, "FOREIGN", "20.00", ("INV-USD", "20.00"))
    applied = PaymentApplied(document_id="OVER", applied_to=[AppliedTo(invoice_id="INV-9", amount=Amount(Decimal(90)))])
    await one.tell(applied, customer, "bank")
    await one.tell(PaymentReversed(document_id="LOST", dated_on=one.today), customer, "bank")
    async with one.client(Role.MANAGER, "staff/x1") as client:
        shown = (await client.get(f"/customers/{customer}/receivables")).json()
    assert shown["overpaid"] == [{"invoice": "INV-1", "excess": money("30.00")}]
    assert [
        (one_["invoice"], [entry["document"] for entry in one_["entries"]]) for one_ in shown["waiting_invoices"]
    ] == [
        ("INV-9", ["OVER"]),
        ("UNKNOWN", ["EARLY"]),
    ]
    assert shown["waiting_documents"] == [{"document": "LOST", "invoices": []}]
    assert shown["unusable"] == [
        {"document": "FOREIGN", "invoice": "INV-USD", "amount": money("20.00"), "why": "no_rate"}
    ]
    (over,) = [credit for credit in shown["unapplied"] if credit["document"] == "OVER"]
    assert (over["left"], over["over_applied"]) == (money("-40.00"), True)
    cny = next(row for row in shown["ageing"] if row["currency"] == CNY)
    # 180 + 50 + 20 came in, 100 of it found an invoice that could take it.
    assert (cny["open_total"], cny["unapplied_credit"], cny["net"]) == (
        money("0.00"),
        money("150.00"),
        money("-150.00"),
    )


async def test_an_export_holds_everything_with_exact_amounts(one: House) -> None:
    customer, alert_id = await one.overdue(owner="staff/o1")
    await one.tell(OrderPlaced(order_id="O-1", ordered_on=one.today, total=Money(Decimal("75.00"), CNY)), customer)
    async with one.client(Role.ADMIN) as client:
        tag = (await client.get(f"/alerts/{alert_id}")).headers["etag"]
        await client.post(f"/alerts/{alert_id}/comment", json={"text": "hello"}, headers={"if-match": tag})
        held = (await client.get(f"/customers/{customer}/export")).json()
    assert held["items"][0]["state"]["item"]["issued"]["total"] == "1200.00"
    assert held["notes"][0]["state"]["text"] == "hello"
    assert held["orders"][0]["state"]["placed"]["total"] == "75.00"
    kinds = one.runtime.service.kinds.values()
    assert held.keys() == {"accounts", *(kind.name for kind in kinds if isinstance(kind, Part) and kind.of is ACCOUNTS)}

"""Dated exchange rates on the real parts: from the bus to what is counted, said, written and refolded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from contracts.events.alerts import AlertResolved, RateApplied
from contracts.events.lifecycle import LimitChanged
from contracts.events.settings import RatePublished
from contracts.events.trade import InvoiceIssued
from contracts.money import Money
from deploy.local.mailbox.process import MailboxProcess
from deploy.local.stack import Stack
from services.alerts.folds.rates import COMPANY
from services.alerts.store import ACCOUNTS
from services.chassis.mongo import find
from services.chassis.refold import refold_subject
from tests.alerts.buskit import Bus, bus_on
from tests.waiting import until

pytestmark = pytest.mark.stack


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bus(stack: Stack, mailbox: MailboxProcess) -> AsyncIterator[Bus]:
    async with bus_on(stack, mailbox=mailbox) as bus:
        yield bus


async def owing(bus: Bus, owner: str, dollars: str, currency: str = "USD") -> str:
    """A customer with a limit of 100 CNY who owes dollars."""
    customer = await bus.customer(owner)
    limit = bus.event(LimitChanged(limit=Money.of("100.00", "CNY"), valid_from=bus.ago(30)), customer)
    issued = InvoiceIssued(
        invoice_id="INV-1", issued_on=bus.ago(3), due_on=bus.ago(-30), total=Money.of(dollars, currency)
    )
    await bus.send(limit, made := bus.event(issued, customer))
    await bus.taken(limit, made)
    return customer


async def published(bus: Bus, rate: str, *, currency: str = "USD", days_ago: int = 0) -> None:
    data = RatePublished(currency=currency, base="CNY", rate=Decimal(rate), on=bus.ago(days_ago))
    await bus.taken(await bus.tell(data, COMPANY, "erp/rates"))


async def test_a_rate_makes_the_money_count_is_named_with_its_day_and_a_correction_ends_the_alert(bus: Bus) -> None:
    owner, address = await bus.colleague("zh-CN")
    customer = await owing(bus, owner, "15.00")
    (held,) = (await bus.get(f"/customers/{customer}/credit"))["limits"]
    assert held["not_counted"] == [{"amount": "15.00", "currency": "USD"}]
    assert await bus.alerts(customer) == []

    await published(bus, "7.1042", days_ago=1)
    alert = await bus.the_alert(customer, lambda one: one["severity"] == "warning", "the alert by its rate")
    rate = {"currency": "USD", "base": "CNY", "rate": "7.1042", "on": bus.ago(1).isoformat()}
    worth = {"amount": "106.56", "currency": "CNY"}
    said = {"amount": {"amount": "15.00", "currency": "USD"}, "worth": worth, "rates": [rate]}
    assert alert["exposure"] == worth
    assert alert["why"]["figures"]["converted"] == [said]
    assert any("$15.00 counts as CN¥106.56 (1 USD = 7.1042 CNY, the rate of " in one for one in _why(alert))
    assert [one["type"] for one in alert["why"]["events"]] == ["rapport.rate.applied.v1"]
    (held,) = (await bus.get(f"/customers/{customer}/credit"))["limits"]
    assert (held["converted"], held["not_counted"]) == ([said], [])

    async def come() -> Any:
        return await bus.mails(address)

    (mail,) = await until(come, "the mail", every_s=0.05)
    day = f"{bus.ago(1).year}年{bus.ago(1).month}月{bus.ago(1).day}日"
    for part in (mail["text"], mail["html"]):
        assert f"US$15.00 折合 ¥106.56 计入（1 USD = 7.1042 CNY，{day}汇率）。" in part

    await published(bus, "5.1042", days_ago=1)
    over = await bus.the_alert(customer, lambda one: one["state"] == "resolved", "the corrected rate to end it")
    assert over["outcome"] == "rate_changed"
    assert any("another exchange rate" in one for one in _why(over))
    await _refolds_to_the_same(bus, customer)
    await bus.quiet()
    told = await bus.said(customer)
    assert [one.rates[0].rate for one in told if isinstance(one, RateApplied)] == [Decimal("7.1042"), Decimal("5.1042")]
    assert sum(isinstance(one, AlertResolved) for one in told) == 1


async def test_who_comes_to_owe_in_a_known_currency_is_brought_its_rate(bus: Bus) -> None:
    owner, _ = await bus.colleague("en", mail=False)
    await published(bus, "8", currency="EUR")
    customer = await owing(bus, owner, "12.00", "EUR")
    alert = await bus.the_alert(customer, lambda one: one["severity"] == "notice", "the alert")
    assert alert["exposure"] == {"amount": "96.00", "currency": "CNY"}
    hopeless = await owing(bus, owner, "12.00", "CHF")
    await published(bus, "9", currency="EUR", days_ago=0)
    await bus.the_alert(customer, lambda one: one["severity"] == "warning", "the later rate to reach it")
    assert await bus.alerts(hopeless) == []


async def _refolds_to_the_same(bus: Bus, customer: str) -> None:
    runtime = bus.running.runtime
    kinds = ("accounts", "credit", "alerts", "notifications")

    async def held() -> Any:
        return [
            [row.get("state") for row in await find(runtime.db, kind, {"$or": [{"_id": customer}, {"s": customer}]})]
            for kind in kinds
        ]

    before = await held()
    assert await refold_subject(runtime.applier, ACCOUNTS, customer, runtime.now()) is False
    assert await held() == before


def _why(alert: Any) -> list[str]:
    return list(alert["why"]["sentences"]["why"])

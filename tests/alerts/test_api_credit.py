"""Credit limits over HTTP, and the letters about them, on a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from contracts.events.lifecycle import LimitChanged
from contracts.events.sales import OrderPlaced
from contracts.events.staff import StaffRegistered
from contracts.events.trade import InvoiceIssued
from contracts.money import Money
from deploy.local.stack import Stack
from services.alerts.channels.words import Language
from services.alerts.model.rules.receivable_over_limit import RULE
from services.alerts.pipeline.compose import mail, shelf, webhook
from services.alerts.reads import notifications_of
from services.chassis.auth import Role
from tests.alerts.apikit import House, house, money

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
async def one(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(stack.mongo, tmp_path_factory.mktemp("home")) as made:
        yield made


async def limit(one: House, customer: str, amount: str | None, *, on: int = 400, company: str | None = None) -> None:
    granted = Money.of(amount, "CNY") if amount is not None else None
    await one.tell(LimitChanged(limit=granted, valid_from=one.ago(on), company=company), customer, "crm")
    await one.tick()


async def invoice(one: House, customer: str, number: str, total: str, currency: str = "CNY", **more: Any) -> None:
    due = one.today + timedelta(days=30)
    issued = InvoiceIssued(invoice_id=number, issued_on=one.ago(5), due_on=due, total=Money.of(total, currency), **more)
    await one.tell(issued, customer)
    await one.tick()


async def get(one: House, path: str, language: str = "en", role: Role = Role.MANAGER) -> Any:
    async with one.client(role, **{"Accept-Language": language}) as client:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def alert_of(one: House, customer: str) -> str:
    (shown,) = (await get(one, f"/alerts?customer={customer}&rule={RULE}&state=all"))["items"]
    return str(shown["id"])


async def test_the_credit_of_a_customer_with_all_that_is_held_against_each_limit(one: House) -> None:
    customer = await one.customer()
    await limit(one, customer, "1000.00")
    await limit(one, customer, "500.00", company="east")
    await limit(one, customer, "2000.00", on=-10)
    await invoice(one, customer, "A", "700.00")
    await invoice(one, customer, "B", "600.00", company="east")
    await invoice(one, customer, "C", "12.00", "USD")
    await one.payment(customer, "P", "450.00")
    await one.tell(OrderPlaced(order_id="O", ordered_on=one.today, total=Money.of("90.00", "CNY")), customer)
    shown = await get(one, f"/customers/{customer}/credit")
    everyone, east = shown["limits"]
    assert everyone["state"] == "near"
    assert (everyone["exposure"], everyone["utilisation"]) == (money("850.00"), "0.8500")
    assert everyone["not_counted"] == [money("12.00", "USD")]
    assert [one["limit"] for one in everyone["coming"]] == [money("2000.00")]
    assert (east["company"], east["state"], east["exposure"]) == ("east", "over", money("600.00"))
    owed = {row["currency"]: (row["open_total"]["amount"], row["unapplied_credit"]["amount"]) for row in shown["owed"]}
    assert owed == {"CNY": ("1300.00", "450.00"), "USD": ("12.00", "0.00")}
    assert [(row["order"], row["total"]) for row in shown["open_orders"]] == [("O", money("90.00"))]
    assert shown["orders_count"] is False


async def test_none_set_is_not_checked_and_zero_is_no_credit(one: House) -> None:
    customer = await one.customer()
    await invoice(one, customer, "A", "1.00")
    assert (await get(one, f"/customers/{customer}/credit"))["limits"] == [
        {"state": "not_checked", "converted": [], "not_counted": [], "coming": []}
    ]
    await limit(one, customer, "0.00")
    (shown,) = (await get(one, f"/customers/{customer}/credit"))["limits"]
    assert (shown["state"], shown["in_force"]["limit"], "utilisation" in shown) == ("over", money("0.00"), False)


async def test_another_managers_customer_is_not_there(one: House) -> None:
    customer = await one.customer(owner="staff/other")
    async with one.client(Role.MANAGER) as client:
        assert (await client.get(f"/customers/{customer}/credit")).status_code == 404


@pytest.mark.parametrize(
    ("language", "why", "todo"),
    [
        (
            "en",
            "华东示例公司 owes CN¥1,200.00, more than the credit limit of CN¥1,000.00: 120% of it is used.",
            "Agree",
        ),
        ("zh-CN", "客户 华东示例公司：外欠款 ¥1,200.00，已超出信用额度 ¥1,000.00，使用率 120%", "请与主管"),
    ],
)
async def test_why_says_it_in_words_with_the_limit_and_the_largest_invoices(
    one: House, language: str, why: str, todo: str
) -> None:
    customer = await one.customer()
    await limit(one, customer, "1000.00")
    await invoice(one, customer, "SMALL", "200.00")
    await invoice(one, customer, "LARGE", "1000.00")
    shown = await get(one, f"/alerts/{await alert_of(one, customer)}", language)
    assert shown["why"]["sentences"]["why"][0].startswith(why)
    assert shown["why"]["sentences"]["todo"][0].startswith(todo)
    assert (shown["limit"], shown["exposure"], shown["utilisation"]) == (money("1000.00"), money("1200.00"), "1.2000")
    assert shown["why"]["limit"]["limit"] == money("1000.00")
    assert [row["invoice"] for row in shown["why"]["largest"]] == ["LARGE", "SMALL"]
    assert [(event["role"], event["type"]) for event in shown["why"]["events"]] == [
        ("opened", "rapport.invoice.issued.v1")
    ]
    assert (shown["why"]["rule"]["notice"], shown["severity"]) == ("0.80", "warning")


@pytest.mark.parametrize(("language", "said"), [("en", "a payment"), ("zh-CN", "收到付款")])
async def test_why_says_how_it_ended(one: House, language: str, said: str) -> None:
    customer = await one.customer()
    await limit(one, customer, "1000.00")
    await invoice(one, customer, "A", "1200.00")
    await one.payment(customer, "P", "1200.00", ("A", "1200.00"))
    shown = await get(one, f"/alerts/{await alert_of(one, customer)}", language)
    assert (shown["state"], shown["outcome"]) == ("resolved", "paid")
    assert said in shown["why"]["sentences"]["why"][0]
    assert shown["exposure"] == money("0.00")


LETTERS = [
    ("en", "1000.00", "Above the credit limit: 华东示例公司, CN¥1,200.00 owed, limit CN¥1,000.00"),
    ("zh-CN", "1000.00", "外欠款超出信用额度：华东示例公司，外欠款 ¥1,200.00，额度 ¥1,000.00"),
    ("en", "1500.00", "80% of the credit limit used: 华东示例公司, CN¥1,200.00 owed, limit CN¥1,500.00"),
    ("zh-CN", "1500.00", "外欠款接近信用额度（80%）：华东示例公司，外欠款 ¥1,200.00，额度 ¥1,500.00"),
    ("en", "0.00", "Owes without credit: 华东示例公司, CN¥1,200.00 owed"),
    ("zh-CN", "0.00", "无信用额度却有外欠款：华东示例公司，外欠款 ¥1,200.00"),
]


@pytest.mark.parametrize(("language", "granted", "subject"), LETTERS)
async def test_its_letter_goes_by_mail_and_webhook_in_the_managers_language(
    one: House, language: Language, granted: str, subject: str
) -> None:
    owner = f"staff/{language}"
    known = StaffRegistered(name="Ann", mail="ann@company.example", language=language)
    await one.tell(known, owner, "hr")
    customer = await one.customer(owner=owner)
    await limit(one, customer, granted)
    await invoice(one, customer, "<b>A</b>", "1200.00")
    name = await alert_of_any(one, customer)
    ((key, notification),) = (await notifications_of(one.runtime.db, [name])).items()
    made_from = await shelf(one.runtime.db, one.settings, [(customer, notification)], datetime.now(UTC))
    made = made_from.letter(customer, key, notification)
    sent = mail(made, one.settings)
    assert sent.subject == subject
    for part in ("1,200.00", name, customer):
        assert part in sent.text and part in sent.html
    assert "<b>A</b>" in sent.text and "<b>A</b>" not in sent.html
    assert "{" not in sent.text and "limit." not in sent.text
    called = msgspec.json.decode(webhook(with_webhook(made), one.settings).body)["data"]
    assert (called["title"], called["rule"]) == (subject, RULE)
    assert called["amounts"]["exposure"] == {"amount": "1200.00", "currency": "CNY"}
    assert Decimal(called["amounts"]["limit"]["amount"]) == Decimal(granted)


async def alert_of_any(one: House, customer: str) -> str:
    (shown,) = (await get(one, f"/alerts?customer={customer}", role=Role.ADMIN))["items"]
    return str(shown["id"])


def with_webhook(made: Any) -> Any:
    """The letter, as if its receiver had a webhook."""
    made.addresses["webhook"] = "https://hooks.company.example/x"
    return made

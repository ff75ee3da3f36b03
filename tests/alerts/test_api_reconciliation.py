"""Agreeing with the books over HTTP, as a table and in what people are told, on a real database."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from contracts.events.lifecycle import LimitChanged
from contracts.events.staff import StaffRegistered
from contracts.events.trade import BalanceStated
from contracts.money import Money
from deploy.local.stack import Stack
from services.alerts.bookkeeping import Bookkeeper
from services.alerts.channels.words import Language
from services.alerts.metrics import AlertsMetrics
from services.alerts.pipeline.compose import Letter, mail, shelf
from services.alerts.reads import notifications_of
from services.chassis.auth import Role
from tests.alerts.apikit import House, house, money

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
async def one(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(stack.mongo, tmp_path_factory.mktemp("home")) as made:
        yield made


async def state(one: House, customer: str, *open_: str, source: str = "erp/books", ago: int = 1, **more: Any) -> None:
    """The books say what is open at the end of a day."""
    sums = [Money.of(*text.split()) for text in open_]
    await one.tell(BalanceStated(as_of=one.ago(ago), open=sums, **more), customer, source)


async def get(
    one: House, path: str, role: Role = Role.ANALYST, person: str = "staff/wang", language: str = "en"
) -> Any:
    async with one.client(role, person, **{"Accept-Language": language}) as client:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def source() -> str:
    """A system that states balances, of this test alone."""
    return f"erp/{uuid.uuid4().hex[:8]}"


async def test_a_difference_has_a_size_by_currency_and_a_hint_where_to_look(one: House) -> None:
    customer = await one.customer()
    await one.invoice(customer, "A", late=2, total="700.00")
    await one.invoice(customer, "B", late=-20, total="250.00")
    await one.payment(customer, "P", "100.00", ("A", "50.00"), on=one.ago(3))
    await state(one, customer, "600.00 CNY", "5.00 USD", source=(books := source()))
    page = await get(one, f"/reconciliation?source={books}")
    (shown,) = page["items"]
    assert (shown["customer"], shown["customer_name"], shown["agrees"]) == (customer, "华东示例公司", False)
    assert (shown["as_of"], shown["source"]) == (one.ago(1).isoformat(), books)
    assert shown["sides"] == [
        {"currency": "CNY", "ours": money("850.00"), "stated": money("600.00"), "difference": money("250.00")},
        {
            "currency": "USD",
            "ours": money("0.00", "USD"),
            "stated": money("5.00", "USD"),
            "difference": money("-5.00", "USD"),
        },
    ]
    assert next((hint["kind"], hint["document"]) for hint in shown["hints"]) == ("not_in_books", "B")
    assert page["sums"]["statements"] == page["sums"]["out_of_balance"] == 1
    assert [(row["currency"], row["apart"]["amount"]) for row in page["sums"]["currencies"]] == [
        ("CNY", "250.00"),
        ("USD", "5.00"),
    ]


async def test_pages_filters_and_sums(one: House) -> None:
    books, who = source(), [await one.customer() for _ in range(5)]
    for n, customer in enumerate(who):
        await one.invoice(customer, "A", late=-20, total="100.00")
        await state(one, customer, "100.00 CNY" if n % 2 else "90.00 CNY", source=books)
    await state(one, who[0], "90.00 CNY", source=books, company="east")
    await state(one, who[1], source=(other := source()), company="west")

    seen, path = [], f"/reconciliation?source={books}&limit=2"
    page = await get(one, path)
    while True:
        seen += [(row["customer"], row.get("company")) for row in page["items"]]
        if "next" not in page:
            break
        page = await get(one, f"{path}&cursor={page['next']}")
    assert seen == sorted(
        [*((customer, None) for customer in who), (who[0], "east")], key=lambda row: (row[0], row[1] or "")
    )
    assert (page["sums"]["statements"], page["sums"]["out_of_balance"]) == (6, 4)
    (cny,) = page["sums"]["currencies"]
    assert (cny["ours"], cny["stated"]) == (money("500.00"), money("560.00"))
    assert (cny["difference"], cny["apart"]) == (money("-60.00"), money("120.00"))

    out = await get(one, f"/reconciliation?source={books}&show=out")
    assert {(row["customer"], row.get("company")) for row in out["items"]} == {
        *((who[n], None) for n in (0, 2, 4)),
        (who[0], "east"),
    }
    assert out["sums"]["statements"] == out["sums"]["out_of_balance"] == 4
    assert (await get(one, f"/reconciliation?source={books}&currency=USD"))["items"] == []
    own = await get(one, f"/reconciliation?customer={who[1]}")
    assert [row["source"] for row in own["items"]] == [books, other], "an entity that owes nothing, and is stated so"
    assert [row["agrees"] for row in own["items"]] == [True, True]


async def test_with_a_currency_only_that_one_decides(one: House) -> None:
    customer, books = await one.customer(), source()
    await one.invoice(customer, "A", late=-20, total="100.00")
    await state(one, customer, "100.00 CNY", "5.00 USD", source=books)
    for currency, count in (("CNY", 0), ("USD", 1)):
        found = await get(one, f"/reconciliation?source={books}&show=out&currency={currency}")
        assert len(found["items"]) == count == found["sums"]["out_of_balance"]
        shown = await get(one, f"/reconciliation?source={books}&currency={currency}")
        assert [side["currency"] for side in shown["items"][0]["sides"]] == [currency]
        assert shown["sums"]["out_of_balance"] == count


async def test_a_late_payment_brings_them_together_again(one: House) -> None:
    customer, books = await one.customer(), source()
    await one.invoice(customer, "A", late=2, total="100.00")
    await state(one, customer, source=books)
    assert (await get(one, f"/reconciliation?source={books}"))["sums"]["out_of_balance"] == 1
    await one.payment(customer, "P", "100.00", ("A", "100.00"), on=one.ago(1))
    assert (await get(one, f"/reconciliation?source={books}"))["items"][0]["agrees"]


async def test_a_manager_sees_his_own_customers(one: House) -> None:
    mine, books = await one.customer("staff/mine"), source()
    others = await one.customer("staff/other")
    for customer in (mine, others):
        await state(one, customer, "1.00 CNY", source=books)
    shown = await get(one, f"/reconciliation?source={books}", Role.MANAGER, "staff/mine")
    assert [row["customer"] for row in shown["items"]] == [mine] and shown["sums"]["statements"] == 1
    for role in (Role.ANALYST, Role.OPERATOR, Role.ADMIN):
        assert len((await get(one, f"/reconciliation?source={books}", role))["items"]) == 2


async def test_the_table_has_every_line_and_no_cell_is_a_formula(one: House) -> None:
    books, customer = source(), await one.customer(name="=HYPERLINK(1)")
    await one.invoice(customer, "A", late=-20, total="100.00")
    await state(one, customer, "110.00 CNY", "3.00 USD", source=books)
    async with one.client(Role.OPERATOR) as client:
        answer = await client.get(f"/reconciliation.csv?source={books}")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "reconciliation.csv" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [(row["currency"], row["ours"], row["stated"], row["difference"]) for row in rows] == [
        ("CNY", "100.00", "110.00", "-10.00"),
        ("USD", "0.00", "3.00", "-3.00"),
    ]
    assert {row["customer_name"] for row in rows} == {"'=HYPERLINK(1)"}
    assert {row["agrees"] for row in rows} == {"no"} and {row["customer"] for row in rows} == {customer}


async def test_alerts_of_a_customer_out_of_balance_are_marked_and_say_so(one: House) -> None:
    customer, alert = await one.overdue()
    path = f"/alerts?customer={customer}"
    assert (await get(one, path))["items"][0]["out_of_balance"] is False
    await state(one, customer, "1000.00 CNY", source="erp/sh")
    assert (await get(one, path))["items"][0]["out_of_balance"] is True
    shown = await get(one, f"/alerts/{alert}")
    assert shown["out_of_balance"] is True
    (said,) = [line for line in shown["why"]["sentences"]["why"] if "The books" in line]
    for part in ("erp/sh", "CN¥1,000.00", "CN¥1,200.00", "CN¥200.00"):
        assert part in said
    chinese = await get(one, f"/alerts/{alert}", language="zh-CN")
    assert [line for line in chinese["why"]["sentences"]["why"] if "账目（erp/sh）" in line and "¥200.00" in line]
    await one.payment(customer, "P", "200.00", on=one.ago(1))
    shown = await get(one, f"/alerts/{alert}")
    assert shown["out_of_balance"] is False
    assert not [line for line in shown["why"]["sentences"]["why"] if "The books" in line]


async def letter_of(one: House, customer: str, rule: str) -> Letter:
    (shown,) = (await get(one, f"/alerts?customer={customer}&rule={rule}"))["items"]
    ((key, notification),) = (await notifications_of(one.runtime.db, [shown["id"]])).items()
    made_from = await shelf(one.runtime.db, one.settings, [(customer, notification)], datetime.now(UTC))
    return made_from.letter(customer, key, notification)


@pytest.mark.parametrize(
    ("language", "said", "short"),
    [
        ("en", "The books (erp/sh) state a balance of", "The books differ by"),
        ("zh-CN", "账目（erp/sh）记载", "与账目相差"),
    ],
)
async def test_a_mail_about_money_says_that_the_books_say_otherwise(
    one: House, language: Language, said: str, short: str
) -> None:
    owner = f"staff/{language}"
    await one.tell(StaffRegistered(name="Li", mail="li@company.example", language=language), owner, "hr")
    customer = await one.customer(owner=owner)
    await one.tell(LimitChanged(limit=Money.of("100.00", "CNY"), valid_from=one.ago(400)), customer, "crm")
    await one.invoice(customer, "A", late=2, total="700.00")
    for rule in ("receivable_overdue", "receivable_over_limit"):
        made = await letter_of(one, customer, rule)
        sent = mail(made, one.settings)
        assert said not in sent.text and short not in made.content.in_digest(one.today).reason
    await state(one, customer, "650.00 CNY", source="erp/sh")
    for rule in ("receivable_overdue", "receivable_over_limit"):
        made = await letter_of(one, customer, rule)
        sent = mail(made, one.settings)
        assert said in sent.text and said in sent.html and "¥50.00" in sent.text
        assert short in made.content.in_digest(one.today).reason
        assert said in made.content.brief()[1]
        assert "{" not in sent.text and "books." not in sent.text


async def test_operations_see_how_many_customers_differ(one: House) -> None:
    metrics = AlertsMetrics(one.runtime.metrics.registry)
    keeper = Bookkeeper(one.runtime.db, metrics)
    await keeper.look()
    before = metrics.books_stated._value.get(), metrics.books_out._value.get()
    await state(one, await one.customer(), "1.00 CNY")
    await state(one, await one.customer())
    await keeper.look()
    after = metrics.books_stated._value.get(), metrics.books_out._value.get()
    assert (after[0] - before[0], after[1] - before[1]) == (2, 1)
    assert 0 <= metrics.books_age._value.get() < 60


async def test_an_account_that_was_only_ever_stated_is_shown(one: House) -> None:
    stranger, books = f"C-{uuid.uuid4().hex[:8]}", source()
    await one.tell(BalanceStated(as_of=date(2026, 1, 31), open=[Money.of("7.00", "EUR")]), stranger, books)
    page = await get(one, f"/reconciliation?source={books}")
    assert [row["customer"] for row in page["items"]] == [stranger]
    assert (page["sums"]["oldest_as_of"], page["sums"]["latest_as_of"]) == ("2026-01-31", "2026-01-31")

"""A file of balances: the rows of a customer and day are one statement, whole or not at all."""

from __future__ import annotations

import pytest

from services.chassis.auth import Role
from services.gateway.imports import run
from tests.gateway.gatekit import House, unique
from tests.gateway.importkit import ask, data_of, imported
from tests.gateway.made_files import csv_bytes
from tests.waiting import until

pytestmark = pytest.mark.stack
HEADINGS = ("客户编号", "币种", "截止日期", "应收余额", "公司")
DAY = "2026年10月31日"


async def test_the_rows_of_a_customer_and_day_become_one_statement(gateway: House) -> None:
    one, other = unique(), unique()
    rows = [
        [one, "人民币", DAY, "￥1,250.50", ""],
        [one, "美元", DAY, "-90.00", ""],
        [one, "CNY", DAY, "10", "SH01"],
        [other, "CNY", DAY, "0", ""],
        ["合计", "", "", "1,170.50", ""],
    ]
    done = await imported(gateway, "balances", csv_bytes(HEADINGS, rows, "gb18030"))
    assert done["counts"] == {"rows": 5, "accepted": 4, "refused": 0, "passed_over": 1, "events": 3}
    whole, of_company = await data_of(gateway, one)
    assert whole["@type"] == "rapport.balance.stated.v1" and whole["as_of"] == "2026-10-31"
    assert whole["open"] == [{"amount": "1250.50", "currency": "CNY"}, {"amount": "-90.00", "currency": "USD"}]
    assert (of_company["company"], of_company["open"]) == ("SH01", [{"amount": "10", "currency": "CNY"}])
    (nothing,) = await data_of(gateway, other)
    assert nothing["open"] == [{"amount": "0", "currency": "CNY"}]


async def test_a_statement_is_taken_whole_or_not_at_all(gateway: House) -> None:
    broken, twice, scattered, sound = unique(), unique(), unique(), unique()
    rows = [
        [broken, "CNY", DAY, "1.00", ""],
        [broken, "USD", DAY, "待定", ""],
        [twice, "CNY", DAY, "1.00", ""],
        [twice, "CNY", DAY, "2.00", ""],
        [scattered, "CNY", DAY, "1.00", ""],
        [sound, "CNY", DAY, "1.00", ""],
        [scattered, "USD", DAY, "1.00", ""],
    ]
    done = await imported(gateway, "balances", csv_bytes(HEADINGS, rows))
    told = (await ask(gateway, done["refused_rows"])).json()["items"]
    assert [(row["line"], row["reason"]) for row in told] == [
        (2, "row_beside_refused"),
        (3, "bad_cell"),
        (4, "bad_money"),
        (5, "bad_money"),
        (8, "rows_apart"),
    ]
    assert "line 3" in told[0]["message"]
    assert [len(await data_of(gateway, who)) for who in (sound, scattered)] == [1, 1]
    assert (done["counts"]["accepted"], done["counts"]["events"]) == (2, 2)


async def test_a_statement_is_never_cut_where_rows_are_settled(gateway: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "ROWS", 3)
    who = [unique() for _ in range(5)]
    rows = [[one, code, DAY, "1.00", ""] for one in who for code in ("CNY", "EUR", "USD", "GBP")]
    done = await imported(gateway, "balances", csv_bytes(HEADINGS, rows))
    assert (done["counts"]["accepted"], done["counts"]["events"]) == (20, 5)
    for one in who:
        (said,) = await data_of(gateway, one)
        assert len(said["open"]) == 4


async def test_balances_can_be_undone(gateway: House) -> None:
    customer = unique()
    done = await imported(gateway, "balances", csv_bytes(HEADINGS, [[customer, "CNY", DAY, "1.00", ""]]))
    async with gateway.client(Role.OPERATOR, person="op") as client:
        assert (await client.post(f"/imports/{done['id']}/undo")).status_code == 202

    async def undone() -> bool:
        return bool((await ask(gateway, f"/imports/{done['id']}")).json()["state"] == "undone")

    await until(undone, "the import to be undone", deadline_s=30)
    (_, withdrawn) = await data_of(gateway, customer)
    assert withdrawn["under"] == f"{done['id']}/"

"""A likely loss on a real database: what the API shows of it, and what its letter is made from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date

import pytest

from contracts.events.profiles import ProfileChanged
from contracts.events.trade import InvoiceDisputed, InvoiceIssued
from contracts.money import Money
from services.alerts.model.account import Account
from services.alerts.model.activity.silence import Dated
from services.alerts.model.facts import FactKey
from services.alerts.model.staff import Colleague
from services.alerts.pipeline.letters import LETTERS
from services.alerts.reads import alert_card, rhythm_of
from services.chassis.auth import Role
from tests.alerts.apikit import House
from tests.alerts.cadence.test_cadence_house import buys, one, tick
from tests.alerts.cadence.test_churn_risk_alerts import PARAMS

pytestmark = pytest.mark.stack
__all__ = ["one"]  # the fixture


@pytest.fixture(autouse=True)
async def fitted(one: House) -> AsyncIterator[None]:
    """Parameters that hold from long ago on."""
    one.app.state.rules.churn.learn([Dated(valid_from=date(2000, 1, 1), params=PARAMS)])
    yield
    one.app.state.rules.churn.learn([])


@pytest.mark.parametrize(
    ("ago", "rule", "step"),
    [((800, 770, 750), "churn_risk", False), (tuple(range(790, 600, -10)), "purchase_slowdown", True)],
)
async def test_who_is_likely_lost_has_one_alert_that_says_why(
    one: House, ago: tuple[int, ...], rule: str, step: bool
) -> None:
    customer = await one.customer(owner="staff/r1")
    profile = ProfileChanged(revision=2, kind="organisation", name="示例商行", external_role="intermediary")
    await one.tell(profile, customer)
    await buys(one, customer, ago)
    await _disputes(one, customer, ago[-1] + 5)
    await tick(one)
    card = await rhythm_of(one.runtime.db, customer)
    (name,) = card.alerts
    async with one.client(Role.MANAGER, "staff/r1") as client:
        listed = (await client.get(f"/alerts?customer={customer}")).json()["items"]
        shown = (await client.get(f"/customers/{customer}/cadence?lang=en")).json()
        chinese = (await client.get(f"/alerts/{name}?lang=zh-CN")).json()
        english = (await client.get(f"/alerts/{name}?lang=en")).json()
    assert [(item["id"], item["rule"], item["severity"]) for item in listed] == [
        (name, rule, "serious" if step else "warning")
    ]
    assert shown["activity"]["p_none"] >= 0.9
    assert shown["activity"]["lost_since"] == card.silence.risk.since.isoformat() if card.silence.risk else None
    assert shown["sentences"][-1].startswith("Counted as likely lost since ")
    why = chinese["why"]
    assert why["figures"]["activity"]["horizon_days"] == 91
    assert (why["rule"]["probability"], why["rule"]["purchases"]) == ("0.9", 3)
    said = " ".join(why["sentences"]["why"])
    assert "今后 91 天内不再进货的概率为" in said and "流失征兆：" in said
    assert ("进货可能已停止" in said) is step
    codes = {signal["code"]: signal for signal in why["signals"]}
    assert list(codes) == [*(["stop"] if step else []), "longest_gap", "disputes"]
    stated = one.ago(ago[-1] + 5)
    assert codes["disputes"] == {
        "code": "disputes",
        "n": 1,
        "day": stated.isoformat(),
        "amounts": [{"amount": "250.00", "currency": "CNY"}],
    }
    assert f"有异议的发票 1 张，共 ¥250.00，最近一次 {stated.year}年{stated.month}月{stated.day}日" in said
    assert "请当面或电话回访" in why["sentences"]["todo"][0]
    assert "chance of no order in the next 91 days" in " ".join(english["why"]["sentences"]["why"])
    assert len(why["events"]) == (5 if step else 3)
    await _letter_is_of_a_loss(one, name, step)


async def _disputes(one: House, customer: str, ago: int) -> None:
    """He disputes an invoice that is not due yet."""
    total, due = Money.of("250.00", "CNY"), one.ago(-30)
    await one.tell(InvoiceIssued(invoice_id="I", issued_on=one.ago(ago + 5), due_on=due, total=total), customer)
    await one.tell(InvoiceDisputed(invoice_id="I", disputed=True, stated_on=one.ago(ago)), customer)


async def _letter_is_of_a_loss(one: House, name: str, step: bool) -> None:
    owned = await alert_card(one.runtime.db, name)
    assert owned is not None
    write = await LETTERS[owned.alert.rule](one.runtime.db, [owned.alert])
    key = FactKey(time=one.runtime.now(), source="hr", id="1")
    colleague = Colleague(key=key, name="Ann", mail="ann@company.example", language="zh-CN")
    account = Account(name="示例商行", role="intermediary")
    title, text, _ = write(owned.alert, account, colleague, one.settings).render()
    assert title.startswith("客户流失预警：示例商行，已 ")
    assert ("升级" in text) is step and "rapport" not in title
    assert "有异议的发票 1 张，共 ¥250.00" in text
    assert text.count("erp") + text.count("shop") >= 3


async def test_who_still_buys_sees_from_when_on_he_would_count_as_lost(one: House) -> None:
    customer = await one.customer(owner="staff/r1")
    await buys(one, customer, (40, 25, 10))
    async with one.client(Role.ANALYST) as client:
        shown = (await client.get(f"/customers/{customer}/cadence?lang=zh-CN")).json()
    assert "lost_since" not in shown["activity"]
    assert shown["activity"]["likely_on"] > one.today.isoformat()
    assert 0 < shown["activity"]["p_none"] < 0.9
    assert shown["sentences"][-1].startswith("若一直不购买，自 ")

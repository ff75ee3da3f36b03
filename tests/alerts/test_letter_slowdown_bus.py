"""A customer falls silent: from the bus to a mail with a picture in the owner's box."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from contracts.events.profiles import ProfileChanged
from contracts.events.sales import PurchaseMade
from contracts.money import Money
from deploy.local.mailbox.process import MailboxProcess
from deploy.local.stack import Stack
from tests.alerts.buskit import Bus, bus_on, unique
from tests.waiting import until

pytestmark = pytest.mark.stack
TOTAL = Money(Decimal(100), "CNY")
DAYS_AGO = (280, 270, 259, 250, 240, 230, 220, 210, 200)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bus(stack: Stack, mailbox: MailboxProcess) -> AsyncIterator[Bus]:
    async with bus_on(stack, mailbox=mailbox) as bus:
        yield bus


async def test_a_dealer_who_fell_silent_is_told_of_with_his_days_and_a_picture(bus: Bus) -> None:
    owner, address = await bus.colleague("zh-CN")
    customer = unique()
    profile = ProfileChanged(revision=1, kind="organisation", name="华东示例公司", external_role="intermediary")
    made = [
        bus.event(PurchaseMade(purchase_id=f"P{n}", purchased_on=bus.ago(days), total=TOTAL), customer)
        for n, days in enumerate(DAYS_AGO)
    ]
    await bus.send(bus.event(profile, customer, "rapport/profiles"), *made)
    await bus.taken(*made)
    # Only now does somebody answer for him: nobody is told of what half of the purchases looked like.
    await bus.send(bus.owned(customer, owner))

    async def come() -> Any:
        bus.check()
        return await bus.mails(address)

    (mail,) = await until(come, "the mail", every_s=0.05)
    (alert,) = [one for one in await bus.alerts(customer) if one["state"] != "resolved"]
    assert alert["rule"] == "purchase_slowdown"
    assert mail["subject"].startswith("进货频率下降：华东示例公司，已 ")
    assert f"/alerts/{alert['id']}" in mail["text"]
    for part in (mail["text"], mail["html"]):
        assert "100 个间隔中有 99 个不超过" in part
        assert part.count("间隔 10 天") >= 4
        assert "purchase_slowdown" in part and "erp/made" in part
    assert 'src="cid:rhythm"' in mail["html"]

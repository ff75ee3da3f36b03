"""Digests between a real broker, a real database and a real mail server, under a clock that the events move."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from contracts.events import alerts as said
from contracts.events.lifecycle import OwnerChanged
from contracts.events.staff import Digest
from deploy.local.mailbox.process import MailboxProcess
from deploy.local.stack import Stack
from services.chassis.marks import MAIL_AFTER_ANSWER
from tests.alerts.buskit import Bus, bus_on, serve
from tests.alerts.test_alerts_bus_kill import doomed
from tests.waiting import until

pytestmark = pytest.mark.stack
ZONE = ZoneInfo("Asia/Shanghai")
DAILY = Digest(days=[1, 2, 3, 4, 5, 6, 7], at="08:30")
MOMENT = timedelta(seconds=1)
_LINK = re.compile(r"/alerts/([0-9a-f-]{36})")


@pytest.fixture
async def bus(stack: Stack, mailbox: MailboxProcess) -> AsyncIterator[Bus]:
    async with bus_on(stack, mailbox=mailbox, clock="events", kafka_group_instance_id="mailer-1") as bus:
        yield bus


def morning(after: datetime) -> datetime:
    """The first 08:30 in Shanghai after a moment."""
    day = after.astimezone(ZONE).date()
    first = datetime.combine(day, time(8, 30), ZONE)
    return first + timedelta(days=first < after)


async def in_state(bus: Bus, customer: str, state: str) -> Any:
    """The customer's alert, once its message is in that state."""

    def there(alert: Any) -> bool:
        return [one["state"] for one in alert["notifications"]] == [state]

    return await bus.the_alert(customer, there, f"a message {state}")


async def overdue(bus: Bus, owner: str, *, late: int = 3) -> str:
    """A customer with an overdue invoice; returns him."""
    customer = await bus.customer(owner)
    await bus.tell(bus.invoice(late=late), customer)
    return customer


async def test_what_is_not_urgent_waits_for_one_mail_at_his_hour_and_what_is_over_by_then_is_left_out(
    bus: Bus,
) -> None:
    owner, address = await bus.colleague(zone="Asia/Shanghai", digest=DAILY)
    waiting = [await overdue(bus, owner) for _ in range(3)]
    urgent = await overdue(bus, owner, late=70)
    comes = morning(datetime.now(UTC) + 2 * MOMENT)
    await bus.tick_to(datetime.now(UTC) + MOMENT)
    for customer in waiting:
        await in_state(bus, customer, "held")
    at_once = await in_state(bus, urgent, "accepted")
    (mail,) = await bus.mails(address)
    assert _LINK.findall(mail["text"]) == [at_once["id"]], "a letter of its own"

    await bus.tell(bus.payment("P-1", "1200.00"), waiting[0], "bank/made")
    await bus.the_alert(waiting[0], lambda one: one["state"] == "resolved", "the payment")
    await bus.tick_to(comes - MOMENT)
    assert len(await bus.mails(address)) == 1, "not before its hour"
    await bus.tick_to(comes + MOMENT)
    left_out = await in_state(bus, waiting[0], "suppressed")
    assert left_out["notifications"][0]["why"] == "already_over"
    told = [await in_state(bus, customer, "accepted") for customer in waiting[1:]]
    _, digest = await bus.mails(address)
    assert set(_LINK.findall(digest["text"])) == {one["id"] for one in told}
    assert digest["subject"].startswith("Digest of ") and "2 alerts about 2 customers" in digest["subject"]
    assert digest["headers"]["Message-ID"].startswith("<digest.")
    await bus.quiet()
    words = [one for customer in (*waiting, urgent) for one in await bus.said(customer)]
    assert sum(isinstance(one, said.AlertRaised) for one in words) == 4
    assert sum(isinstance(one, said.NotificationAccepted) for one in words) == 3
    assert [one.reason for one in words if isinstance(one, said.NotificationSuppressed)] == ["already_over"]


async def test_a_digest_of_one_alert_is_its_letter(bus: Bus) -> None:
    owner, address = await bus.colleague(zone="Asia/Shanghai", digest=DAILY)
    customer = await overdue(bus, owner)
    comes = morning(datetime.now(UTC) + 2 * MOMENT)
    await bus.tick_to(datetime.now(UTC) + MOMENT)
    await in_state(bus, customer, "held")
    await bus.tick_to(comes + MOMENT)
    await in_state(bus, customer, "accepted")
    (mail,) = await bus.mails(address)
    assert mail["subject"].startswith("Overdue by 3 days: ")


async def test_what_waits_goes_to_whoever_answers_by_then(bus: Bus) -> None:
    before, address = await bus.colleague(zone="Asia/Shanghai", digest=DAILY)
    after, another = await bus.colleague("zh-CN", zone="Asia/Shanghai", digest=DAILY)
    customers = [await overdue(bus, before) for _ in range(2)]
    comes = morning(datetime.now(UTC) + 2 * MOMENT)
    await bus.tick_to(datetime.now(UTC) + MOMENT)
    for customer in customers:
        await in_state(bus, customer, "held")
        await bus.taken(
            await bus.tell(OwnerChanged(owner_id=after, valid_from=bus.today), customer, "rapport/profiles")
        )
    await bus.tick_to(comes + MOMENT)
    for customer in customers:
        alert = await in_state(bus, customer, "accepted")
        assert alert["notifications"][0]["recipient"] == after
    (mail,) = await bus.mails(another)
    assert "2 位客户，2 条预警" in mail["subject"] and not await bus.mails(address)


async def test_a_digest_of_which_nobody_knows_is_sent_again_under_its_message_id_with_the_same_alerts_alone(
    bus: Bus, tmp_path: Path
) -> None:
    owner, address = await bus.colleague(zone="Asia/Shanghai", digest=DAILY)
    first = [await overdue(bus, owner) for _ in range(2)]
    comes = morning(datetime.now(UTC) + 2 * MOMENT)
    await bus.tick_to(datetime.now(UTC) + MOMENT)
    for customer in first:
        await in_state(bus, customer, "held")
    await bus.running.stop()
    log = tmp_path / "kills"
    async with doomed(bus.settings, log) as process:
        await bus.tick_to(comes + MOMENT)
        await until(lambda: process.returncode is not None, "the process to be killed", every_s=0.05)
    assert (await asyncio.to_thread(log.read_text)).split()[0] == MAIL_AFTER_ANSWER
    (mail,) = await bus.mails(address)
    name, named = mail["headers"]["Message-ID"], set(_LINK.findall(mail["text"]))
    assert mail["copies"] == 1 and len(named) == 2

    bus.running = await serve(bus.settings)
    told = [await in_state(bus, customer, "accepted") for customer in first]
    assert [one["notifications"][0]["in_doubt"] for one in told] == [1, 1]
    later = await bus.customer(owner)
    await bus.send(bus.event(bus.invoice(), later, time=comes + 2 * MOMENT))
    await bus.tick_to(comes + 3 * MOMENT)
    await in_state(bus, later, "held")
    (again,) = await bus.mails(address)
    assert (again["copies"], again["headers"]["Message-ID"]) == (2, name), "one Message-ID, so one mail in the box"
    assert set(_LINK.findall(again["text"])) == named == {one["id"] for one in told}

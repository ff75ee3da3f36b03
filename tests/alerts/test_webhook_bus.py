"""An overdue invoice told by webhook: through the real service to a receiver that checks who calls."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr
from standardwebhooks import Webhook

from contracts.events import alerts as said
from contracts.events.staff import Channel, StaffLeft, StaffRegistered
from deploy.local.mailbox.process import MailboxProcess
from deploy.local.stack import Stack
from services.chassis.marks import HOOK_AFTER_ANSWER
from tests.alerts.buskit import Bus, bus_on, serve, unique
from tests.alerts.test_alerts_bus_kill import NAME, doomed
from tests.chassis.receiver import Receiver, Taken, receiving, status
from tests.waiting import until

pytestmark = pytest.mark.stack
KEY = f"whsec_{base64.b64encode(os.urandom(32)).decode()}"


def called(receiver: Receiver, **more: Any) -> dict[str, Any]:
    """Settings under which a receiver on this machine is called."""
    ports = ",".join(str(port) for port in (receiver.port, 443))
    given = {"webhook_networks": "127.0.0.0/8", "webhook_ports": ports, "webhook_http": True}
    return given | {"webhook_secrets": SecretStr(KEY), "webhook_timeout_seconds": 2.0} | more


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as there:
        yield there


@pytest_asyncio.fixture(loop_scope="session")
async def own() -> AsyncIterator[Receiver]:
    """A receiver that only a service of the test's own may call: all services on the stack hear of the invoice."""
    async with receiving() as there:
        yield there


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bus(stack: Stack, mailbox: MailboxProcess, receiver: Receiver) -> AsyncIterator[Bus]:
    async with bus_on(stack, mailbox=mailbox, **called(receiver)) as bus:
        yield bus


async def colleague(bus: Bus, *channels: Channel, language: Any = "en") -> tuple[str, str]:
    """A colleague who is reached by these channels; returns his id and his mail address."""
    staff = unique("staff/E").replace("E-", "E")
    address = f"{staff.rpartition('/')[2].lower()}@company.example"
    card = StaffRegistered(name="李示例", mail=address, language=language, channels=list(channels))
    await bus.taken(await bus.tell(card, staff, "hr/made"))
    return staff, address


def hook(receiver: Receiver) -> Channel:
    return Channel(kind="webhook", address=receiver.url())


async def overdue(bus: Bus, owner: str) -> str:
    """A customer of this owner with an overdue invoice."""
    customer = await bus.customer(owner)
    await bus.tell(bus.invoice(), customer)
    return customer


def states(wanted: dict[str, str]) -> Any:
    """A condition: by channel, the alert's messages are in these states."""
    return lambda alert: {one["channel"]: one["state"] for one in alert["notifications"]} == wanted


def calls(receiver: Receiver, owner: str) -> list[tuple[Taken, Any]]:
    """What has come about this owner's customers, each checked."""
    found = [(one, Webhook(KEY).verify(one.body, one.headers)) for one in receiver.taken]
    return [(one, hook) for one, hook in found if hook["data"]["owner_id"] == owner]


async def told(bus: Bus, customer: str) -> list[tuple[str, str, str]]:
    """What was said of the customer's messages: channel, event, reason."""
    await bus.quiet()
    facts = [one for one in await bus.said(customer) if isinstance(one, said.NotificationFact)]
    return sorted((one.channel, type(one).__name__, getattr(one, "reason", "")) for one in facts)


@pytest.mark.parametrize(
    ("language", "title"),
    [
        ("zh-CN", "逾期 3 天：华东示例公司，发票 INV-1，未收 ¥1,200.00"),
        ("en", "Overdue by 3 days: 华东示例公司, invoice INV-1, CN¥1,200.00 open"),
    ],
)
async def test_who_wants_both_is_told_by_both_and_can_check_who_called(
    bus: Bus, receiver: Receiver, language: str, title: str
) -> None:
    owner, address = await colleague(bus, Channel(kind="mail"), hook(receiver), language=language)
    customer = await overdue(bus, owner)
    alert = await bus.the_alert(customer, states({"mail": "accepted", "webhook": "accepted"}), "both messages")
    assert alert["state"] == "notified"
    ((request, body),) = calls(receiver, owner)
    data = body["data"]
    assert (body["type"], data["title"], data["language"]) == ("alert.raised.v1", title, language)
    assert (data["alert_id"], data["rule"], data["subject"]) == (alert["id"], "receivable_overdue", customer)
    assert data["amounts"]["open"] == {"amount": "1200.00", "currency": "CNY"}
    assert (data["figures"]["days_past_due"], data["since"]) == (3, alert["opened_on"])
    assert data["link"].endswith(f"/alerts/{alert['id']}")
    assert data["events"] == [f"{event['source']}:{event['id']}" for event in alert["why"]["events"]]
    assert address not in request.body.decode() and "李示例" not in request.body.decode()
    (mail,) = await bus.mails(address)
    assert mail["subject"] == title
    assert await told(bus, customer) == [
        ("mail", "NotificationAccepted", ""), ("webhook", "NotificationAccepted", "")
    ]  # fmt: skip


async def test_who_wants_to_be_called_only_gets_no_mail(bus: Bus, receiver: Receiver) -> None:
    owner, address = await colleague(bus, hook(receiver))
    customer = await overdue(bus, owner)
    alert = await bus.the_alert(customer, states({"webhook": "accepted"}), "the call")
    ((request, body),) = calls(receiver, owner)
    assert body["data"]["notification_id"] == alert["notifications"][0]["id"]
    assert request.headers["webhook-id"].startswith("msg_")
    assert await bus.mails(address) == []
    assert await told(bus, customer) == [("webhook", "NotificationAccepted", "")]


async def test_a_receiver_who_asks_for_time_is_called_again_with_the_same_id(bus: Bus, receiver: Receiver) -> None:
    receiver.answers = [status(503, "Retry-After: 1")]
    owner, _ = await colleague(bus, hook(receiver))
    customer = await overdue(bus, owner)
    alert = await bus.the_alert(customer, states({"webhook": "accepted"}), "the second call")
    assert [one["answer"] for one in alert["notifications"][0]["attempts"]] == [
        "503 Service Unavailable", "204 No Content"
    ]  # fmt: skip
    (first, _), (second, _) = calls(receiver, owner)
    assert first.headers["webhook-id"] == second.headers["webhook-id"] and first.body == second.body
    assert alert["notifications"][0]["in_doubt"] == 0


async def test_a_receiver_that_is_gone_or_may_not_be_called_is_on_record_and_the_mail_arrives_all_the_same(
    bus: Bus, receiver: Receiver
) -> None:
    receiver.answers = [status(410)]
    mail = Channel(kind="mail")
    inside = Channel(kind="webhook", address="https://169.254.169.254/latest/meta-data")
    for channel, why in ((hook(receiver), "http_410"), (inside, "http_refused")):
        owner, address = await colleague(bus, channel, mail)
        customer = await overdue(bus, owner)
        alert = await bus.the_alert(customer, states({"webhook": "bounced", "mail": "accepted"}), "the verdict")
        assert alert["state"] == "notified", "he was told by mail"
        assert {one.get("why") for one in alert["notifications"]} == {why, None}
        assert len(await bus.mails(address)) == 1
        assert ("webhook", "NotificationBounced", why) in await told(bus, customer)


async def test_a_receiver_that_hangs_holds_up_no_mail(bus: Bus, receiver: Receiver) -> None:
    async def hang(_: asyncio.StreamWriter) -> None:
        await released.wait()

    released = asyncio.Event()
    receiver.answers = [hang]
    owner, _ = await colleague(bus, hook(receiver))
    slow = await overdue(bus, owner)
    await until(lambda: not receiver.answers, "the call to be taken")
    other, address = await colleague(bus)
    quick = await overdue(bus, other)
    await bus.the_alert(quick, states({"mail": "accepted"}), "the mail")
    alert = (await bus.alerts(slow))[0]
    assert [one["state"] for one in alert["notifications"]] == ["sending"]
    assert len(await bus.mails(address)) == 1
    # Given up in the end it is in doubt: it may have been taken.
    alert = await bus.the_alert(slow, lambda one: one["notifications"][0]["in_doubt"] == 1, "the time-out")
    released.set()
    alert = await bus.the_alert(slow, states({"webhook": "accepted"}), "the second call")
    assert len({one.headers["webhook-id"] for one, _ in calls(receiver, owner)}) == 1


async def test_a_successor_is_told_by_the_channels_that_he_has(bus: Bus, receiver: Receiver) -> None:
    owner, _ = await colleague(bus, Channel(kind="mail"))
    await bus.taken(await bus.tell(StaffLeft(left_on=bus.ago(1)), owner, "hr/made"))
    customer = await overdue(bus, owner)
    await bus.the_alert(customer, states({"mail": "suppressed"}), "the verdict")
    successor, address = await colleague(bus, hook(receiver))
    await bus.send(bus.owned(customer, successor))
    await bus.the_alert(customer, states({"webhook": "accepted"}), "the successor's call")
    assert len(calls(receiver, successor)) == 1 and await bus.mails(address) == []


async def test_where_nothing_signs_nobody_is_called_and_he_is_written_to(
    stack: Stack, mailbox: MailboxProcess, own: Receiver
) -> None:
    async with bus_on(stack, mailbox=mailbox, **called(own, webhook_secrets=SecretStr(""))) as bus:
        owner, address = await colleague(bus, hook(own))
        customer = await overdue(bus, owner)
        await bus.the_alert(customer, states({"mail": "accepted"}), "the mail")
        assert len(await bus.mails(address)) == 1 and calls(own, owner) == []


async def test_a_call_of_which_nobody_knows_is_made_again_with_the_same_id_and_marked(
    stack: Stack, own: Receiver, tmp_path: Path
) -> None:
    """A process killed between the receiver's answer and its own record of it."""
    async with bus_on(stack, kafka_group_instance_id=NAME, **called(own)) as bus:
        owner, _ = await colleague(bus, hook(own))
        customer = await bus.customer(owner)
        await bus.running.stop()
        log = tmp_path / "kills"
        async with doomed(bus.settings, log, HOOK_AFTER_ANSWER) as process:
            await bus.tell(bus.invoice(), customer)
            await until(lambda: process.returncode is not None, "the process to be killed", every_s=0.05)
        landed = await asyncio.to_thread(log.read_text)
        assert landed.split()[0] == HOOK_AFTER_ANSWER
        assert len(calls(own, owner)) == 1
        bus.running = await serve(bus.settings)
        alert = await bus.the_alert(customer, states({"webhook": "accepted"}), "the second call")
        (message,) = alert["notifications"]
        assert [(one["in_doubt"], one["answer"]) for one in message["attempts"]] == [
            (True, "never heard"), (False, "204 No Content")
        ]  # fmt: skip
        (first, before), (again, after) = calls(own, owner)
        assert first.headers["webhook-id"] == again.headers["webhook-id"]
        assert before == after
        assert bus.running.runtime.metrics.in_doubt._value.get() == 1
        await bus.quiet()
        accepted = [one for one in await bus.said(customer) if isinstance(one, said.NotificationAccepted)]
        assert [(one.channel, one.attempt, one.in_doubt_before) for one in accepted] == [("webhook", 2, True)]

"""A process killed between the mail server's answer and its own record of it: the mail goes out again, recognisably."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from contracts.events import alerts as said
from deploy.local.mailbox.process import MailboxProcess
from deploy.local.stack import Stack
from services.alerts.settings import AlertsSettings
from services.chassis.marks import MAIL_AFTER_ANSWER
from tests.alerts.buskit import Bus, bus_on, serve
from tests.waiting import until

pytestmark = pytest.mark.stack
ROOT = Path(__file__).parent.parent.parent
NAME = "mailer-1"  # a stable name: the next process under it takes over at once


def environment(settings: AlertsSettings) -> dict[str, str]:
    """The settings that a test gave, as a process is told them."""
    given = settings.model_dump(include=settings.model_fields_set)
    open_ = {name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in given.items()}
    return {f"RAPPORT_{name.upper()}": str(value) for name, value in open_.items()}


@asynccontextmanager
async def doomed(
    settings: AlertsSettings, log: Path, stage: str = MAIL_AFTER_ANSWER
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The service as a process of its own, which is killed when its first message has been taken."""
    aim = {"RAPPORT_KILL_AT": f"{stage}:1", "RAPPORT_KILL_LOG": str(log), "RAPPORT_LOG_LEVEL": "warning"}
    env = dict(os.environ) | environment(settings) | aim
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.alerts", env=env, cwd=ROOT)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def killed_after_its_mail(bus: Bus, log: Path) -> tuple[str, str]:
    """A customer whose owner has a mail of which the service knows nothing; and the owner's address."""
    owner, address = await bus.colleague()
    customer = await bus.customer(owner)
    await bus.running.stop()
    async with doomed(bus.settings, log) as process:
        await bus.tell(bus.invoice(), customer)
        await until(lambda: process.returncode is not None, "the process to be killed", every_s=0.05)
    landed = await asyncio.to_thread(log.read_text)
    assert landed.split()[0] == MAIL_AFTER_ANSWER
    assert [mail["copies"] for mail in await bus.mails(address)] == [1]
    return customer, address


async def test_a_mail_of_which_nobody_knows_is_sent_again_under_the_same_message_id_and_marked(
    stack: Stack, mailbox: MailboxProcess, tmp_path: Path
) -> None:
    async with bus_on(stack, mailbox=mailbox, kafka_group_instance_id=NAME) as bus:
        customer, address = await killed_after_its_mail(bus, tmp_path / "kills")
        bus.running = await serve(bus.settings)
        alert = await bus.the_alert(customer, state("accepted"), "the mail to be sent again")
        (message,) = alert["notifications"]
        assert message["in_doubt"] == 1
        assert [(one["in_doubt"], one["answer"].split()[0]) for one in message["attempts"]] == [
            (True, "never"), (False, "2.0.0")
        ]  # fmt: skip
        assert [mail["copies"] for mail in await bus.mails(address)] == [2], "one Message-ID, so one mail in the box"
        await bus.quiet()
        accepted = [one for one in await bus.said(customer) if isinstance(one, said.NotificationAccepted)]
        assert [(one.attempt, one.in_doubt_before) for one in accepted] == [(2, True)]


async def test_if_the_alert_is_over_by_then_it_is_not_sent_again_and_the_doubt_stays_on_record(
    stack: Stack, mailbox: MailboxProcess, tmp_path: Path
) -> None:
    async with bus_on(stack, mailbox=mailbox, kafka_group_instance_id=NAME) as bus:
        customer, address = await killed_after_its_mail(bus, tmp_path / "kills")
        await bus.tell(bus.payment("P-1", "1200.00"), customer, "bank/made")
        bus.running = await serve(bus.settings, mails=False)
        await bus.the_alert(customer, lambda one: one["state"] == "resolved", "the payment")
        await bus.running.stop()
        bus.running = await serve(bus.settings)
        alert = await bus.the_alert(customer, state("suppressed"), "the verdict")
        (message,) = alert["notifications"]
        assert (message["why"], message["in_doubt"]) == ("already_over", 1)
        assert [mail["copies"] for mail in await bus.mails(address)] == [1]


def state(wanted: str) -> Any:
    """A condition: the alert's message is in that state."""
    return lambda alert: bool(alert["notifications"]) and alert["notifications"][0]["state"] == wanted

"""An invoice through the real service: from the bus to a mail in its owner's box, and back to quiet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from contracts.events import alerts as said
from contracts.events import trade
from contracts.events.staff import StaffChanged, StaffLeft
from deploy.local.mailbox import process as mailboxes
from deploy.local.mailbox.process import MailboxProcess
from deploy.local.stack import Stack
from tests.alerts.buskit import Bus, bus_on
from tests.waiting import until

pytestmark = pytest.mark.stack


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bus(stack: Stack, mailbox: MailboxProcess) -> AsyncIterator[Bus]:
    async with bus_on(stack, mailbox=mailbox) as bus:
        yield bus


def mailed(alert: Any) -> bool:
    """Its last message has been accepted."""
    return bool(alert["notifications"]) and alert["notifications"][-1]["state"] == "accepted"


def is_(state: str, **fields: Any) -> Any:
    """A condition: the alert is in that state, and these fields are so."""
    return lambda alert: alert["state"] == state and all(alert.get(name) == value for name, value in fields.items())


def mailed_times(number: int) -> Any:
    """A condition: so many messages, and all have been accepted."""
    return lambda alert: [one["state"] for one in alert["notifications"]] == ["accepted"] * number


def kinds(facts: list[Any]) -> list[type]:
    return [type(one) for one in facts]


async def overdue(bus: Bus, language: str = "en", **invoice: Any) -> tuple[str, str]:
    """A customer with an overdue invoice whose owner has been written to; returns his id and the owner's address."""
    owner, address = await bus.colleague(language)
    customer = await bus.customer(owner)
    await bus.tell(bus.invoice(**invoice), customer)
    await bus.the_alert(customer, mailed, "the mail")
    return customer, address


@pytest.mark.parametrize(
    ("language", "subject", "line"),
    [
        ("zh-CN", "逾期 3 天：华东示例公司，发票 INV-1，未收 ¥1,200.00", "客户 华东示例公司：发票 INV-1 已逾期 3 天"),
        ("en", "Overdue by 3 days: 华东示例公司, invoice INV-1, CN¥1,200.00 open", "Call the customer"),
    ],
)
async def test_an_invoice_overdue_on_arrival_is_one_alert_and_one_mail_in_the_owners_language(
    bus: Bus, language: str, subject: str, line: str
) -> None:
    customer, address = await overdue(bus, language)
    (alert,) = await bus.alerts(customer)
    assert (alert["rule"], alert["state"], alert["severity"]) == ("receivable_overdue", "notified", "notice")
    assert alert["open"] == {"amount": "1200.00", "currency": "CNY"}
    assert [event["type"] for event in alert["why"]["events"]] == ["rapport.invoice.issued.v1"]
    (mail,) = await bus.mails(address)
    assert mail["subject"] == subject
    assert mail["headers"]["Content-Language"] == language
    assert line in mail["text"]
    assert f"/alerts/{alert['id']}" in mail["text"]
    await bus.quiet()
    assert kinds(await bus.said(customer)) == [said.AlertRaised, said.NotificationAccepted]


async def test_a_mail_names_the_customers_other_overdue_invoices_and_their_sum(bus: Bus) -> None:
    customer, address = await overdue(bus, late=40, total="300.50")
    await bus.tell(bus.invoice("INV-2"), customer)
    (_, second) = await until_mails(bus, address, 2)
    assert "INV-1: 40 days past due, CN¥300.50" in second["text"]
    assert "Overdue in all, this one included: CN¥1,500.50" in second["text"]


async def until_mails(bus: Bus, address: str, number: int) -> list[Any]:
    """Wait until so many mails have come to somebody; returns them."""

    async def come() -> Any:
        found = await bus.mails(address)
        return found if len(found) == number else None

    return list(await until(come, f"{number} mails", every_s=0.05))


async def test_a_part_payment_updates_the_alert_and_the_rest_ends_it_without_another_mail(bus: Bus) -> None:
    customer, address = await overdue(bus)
    part = await bus.tell(bus.payment("P-1", "500.00", on=bus.ago(1)), customer, "bank/made")
    alert = await bus.the_alert(customer, lambda one: one["open"]["amount"] == "700.00", "the open amount to fall")
    assert alert["state"] == "notified"
    rest = await bus.tell(bus.payment("P-2", "700.00"), customer, "bank/made")
    alert = await bus.the_alert(customer, is_("resolved"), "the alert to end")
    assert (alert["outcome"], alert.get("resolved_by"), alert["because"]) == (
        "paid", None, [f"{rest.source}:{rest.id}"]
    )  # fmt: skip
    assert [one["what"] for one in alert["timeline"]] == ["raised", "updated", "resolved"]
    assert alert["timeline"][1]["facts"] == [f"{part.source}:{part.id}"]
    await bus.quiet()
    facts = await bus.said(customer)
    assert kinds(facts) == [said.AlertRaised, said.NotificationAccepted, said.AlertUpdated, said.AlertResolved]
    assert len(await bus.mails(address)) == 1


async def test_a_late_payment_dated_in_time_withdraws_the_alert_and_is_named(bus: Bus) -> None:
    customer, _ = await overdue(bus, late=10)
    paid = await bus.tell(bus.payment("P-1", "1200.00", on=bus.ago(12)), customer, "bank/made")
    alert = await bus.the_alert(customer, is_("resolved"), "the alert to be withdrawn")
    assert (alert["outcome"], alert["because"]) == ("withdrawn", [f"{paid.source}:{paid.id}"])
    assert "was not overdue then" in alert["why"]["sentences"]["why"][0]
    await bus.quiet()
    last = (await bus.said(customer))[-1]
    assert isinstance(last, said.AlertResolved)
    assert (last.withdrawn, last.because) == (True, [f"{paid.source}:{paid.id}"])


async def test_a_payment_that_bounces_on_its_day_reopens_the_alert_with_a_mail_of_its_own(bus: Bus) -> None:
    customer, address = await overdue(bus)
    for n in (1, 2):  # as often as it comes back
        await bus.tell(bus.payment(f"P-{n}", "1200.00"), customer, "bank/made")
        await bus.the_alert(customer, is_("resolved", outcome="paid"), "the alert to end")
        back = trade.PaymentReversed(document_id=f"P-{n}", dated_on=bus.today)
        await bus.tell(back, customer, "bank/made")
        alert = await bus.the_alert(customer, mailed_times(n + 1), "its next mail")
        assert (alert["state"], alert["notifications"][-1]["reason"]) == ("notified", "reopened")
    mails = await bus.mails(address)
    assert len({mail["message_id"] for mail in mails}) == len(mails) == 3
    await bus.quiet()
    assert kinds(await bus.said(customer)).count(said.AlertReopened) == 2


async def test_a_payment_that_bounces_later_is_a_new_cause_with_an_alert_and_a_mail_of_its_own(bus: Bus) -> None:
    customer, address = await overdue(bus)
    await bus.tell(bus.payment("P-1", "1200.00", on=bus.ago(1)), customer, "bank/made")
    await bus.the_alert(customer, is_("resolved", outcome="paid"), "the alert to end")
    await bus.tell(trade.PaymentReversed(document_id="P-1", dated_on=bus.today), customer, "bank/made")

    async def second() -> Any:
        found = await bus.alerts(customer)
        return found if len(found) == 2 and mailed(found[1]) else None

    first, now = await until(second, "the second alert's mail", every_s=0.05)
    assert (first["state"], first["outcome"]) == ("resolved", "paid")
    assert (now["opened_on"], now["open"]["amount"]) == (bus.today.isoformat(), "1200.00")
    assert [event["type"] for event in now["why"]["events"] if event["role"] == "opened"] == [
        "rapport.payment.reversed.v1"
    ]
    assert len(await bus.mails(address)) == 2


async def test_a_dispute_ends_the_alert_as_disputed_and_says_what_to_do(bus: Bus) -> None:
    customer, address = await overdue(bus)
    await bus.tell(trade.InvoiceDisputed(invoice_id="INV-1", disputed=True, stated_on=bus.today), customer)
    alert = await bus.the_alert(customer, is_("resolved", outcome="disputed"), "the dispute to end it")
    assert any("object" in line for line in alert["why"]["sentences"]["todo"])
    held = await bus.get(f"/customers/{customer}/receivables")
    assert [(one["invoice"], one["disputed"]) for one in held["open_items"]] == [("INV-1", True)]
    assert len(await bus.mails(address)) == 1


async def test_where_nobody_answers_for_the_customer_the_mail_waits_for_an_owner(bus: Bus) -> None:
    customer = await bus.customer()
    await bus.tell(bus.invoice(), customer)
    alert = await bus.the_alert(customer, lambda one: one["notifications"], "the alert")
    (message,) = alert["notifications"]
    assert (message["state"], message["why"], message["attempts"]) == ("suppressed", "no_owner", [])
    owner, address = await bus.colleague()
    await bus.send(bus.owned(customer, owner))
    alert = await bus.the_alert(customer, mailed, "the mail")
    assert (alert["owner_id"], alert["notifications"][0]["recipient"]) == (owner, owner)
    assert len(await bus.mails(address)) == 1
    await bus.quiet()
    facts = await bus.said(customer)
    assert kinds(facts) == [said.AlertRaised, said.NotificationSuppressed, said.NotificationAccepted]
    assert isinstance(facts[1], said.NotificationSuppressed)
    assert facts[1].reason == "no_owner"


@pytest.mark.parametrize("why", ["no mail address", "left yesterday"])
async def test_who_cannot_be_reached_is_no_receiver_and_his_successor_is_written_to(bus: Bus, why: str) -> None:
    owner, _ = await bus.colleague(mail=why != "no mail address")
    if why == "left yesterday":
        await bus.taken(await bus.tell(StaffLeft(left_on=bus.ago(1)), owner, "hr/made"))
    customer = await bus.customer(owner)
    await bus.tell(bus.invoice(), customer)
    alert = await bus.the_alert(
        customer, lambda one: one["notifications"] and one["notifications"][0]["state"] == "suppressed", "the verdict"
    )
    assert alert["notifications"][0]["why"] == "no_address"
    successor, address = await bus.colleague()
    await bus.send(bus.owned(customer, successor))
    await bus.the_alert(customer, mailed, "the successor's mail")
    assert len(await bus.mails(address)) == 1


async def test_who_leaves_later_is_written_to_until_then_whatever_else_is_told_of_him(bus: Bus) -> None:
    owner, address = await bus.colleague()
    leaves = await bus.tell(StaffLeft(left_on=bus.ago(-10)), owner, "hr/made")
    moves = await bus.tell(StaffChanged(name="李示例", mail=address, unit="sales"), owner, "hr/made")
    await bus.taken(leaves, moves)
    customer = await bus.customer(owner)
    await bus.tell(bus.invoice(), customer)
    await bus.the_alert(customer, mailed, "the mail")
    assert len(await bus.mails(address)) == 1


async def test_while_the_mail_server_is_away_mails_are_tried_again_and_what_is_over_by_then_is_not_sent(
    bus: Bus, mailbox: MailboxProcess
) -> None:
    (lasting, address), (passing, other) = [await waiting(bus) for _ in range(2)]
    mailbox.stop()
    for customer in (lasting, passing):
        await bus.tell(bus.invoice(), customer)
    tried = [await bus.the_alert(one, attempted, "a first attempt") for one in (lasting, passing)]
    for alert in tried:
        (attempt,) = alert["notifications"][0]["attempts"]
        assert (attempt["open"], attempt["in_doubt"]) == (False, False), "nothing has left the house"
        assert "Error" in attempt["answer"]
    await bus.tell(bus.payment("P-1", "1200.00"), passing, "bank/made")
    await bus.the_alert(passing, is_("resolved"), "the payment")
    bus.mailbox = again = mailboxes.start(mailbox.log.parent, smtp_port=mailbox.smtp_port)
    try:
        alert = await bus.the_alert(lasting, mailed, "the mail")
        assert len(alert["notifications"][0]["attempts"]) == 2
        assert alert["notifications"][0]["in_doubt"] == 0
        assert [mail["copies"] for mail in await bus.mails(address)] == [1]
        over = await bus.the_alert(passing, lambda one: one["notifications"][0]["state"] == "suppressed", "the verdict")
        assert over["notifications"][0]["why"] == "already_over"
        assert await bus.mails(other) == []
    finally:
        again.stop()


def attempted(alert: Any) -> bool:
    """Somebody has tried to deliver, and has heard that it failed."""
    messages = alert["notifications"]
    return bool(messages) and bool(messages[0]["attempts"]) and messages[0]["state"] == "queued"


async def waiting(bus: Bus) -> tuple[str, str]:
    """A customer who owes nothing yet, and his owner's address."""
    owner, address = await bus.colleague()
    return await bus.customer(owner), address

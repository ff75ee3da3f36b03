"""Every message that was accepted has arrived; what arrived twice was in doubt, after a kill in the mailer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deploy.local.mailbox.store import Entry, Store
from services.alerts.model.notification import Notification
from tests.faults.found import Found
from tests.faults.table import Table


def arrived(folder: Path) -> list[Entry]:
    """All mails in the mailbox of a run."""
    return Store(folder).after(0, 1_000_000)


def mails(table: Table, mailbox: list[Entry], found: Found, gone: set[str], in_flight: int) -> None:
    """The mailbox against the stored messages. `gone`: ids of messages about customers erased since; `in_flight`: how
    many messages can have been under way when a process or the database went.
    """
    messages = {message.message_id: message for message in found.notifications.values()}
    came = {mail.message_id: mail for mail in mailbox}
    sent = {key for key, message in messages.items() if message.state == "accepted"}
    table.told("messages accepted / suppressed", f"{len(sent):,} / {_count(messages, 'suppressed'):,}")
    table.none("messages that bounced", [key for key, message in messages.items() if message.state == "bounced"])
    table.none("accepted messages that did not arrive", sorted(sent - came.keys()))
    strangers = [key for key in came if key not in messages and key not in gone]
    table.none("mails that nobody meant to send", strangers)
    table.told("extra copies", sum(mail.copies - 1 for mail in mailbox))
    doubts = sum(message.doubts for message in messages.values())
    table.most("messages in doubt, against those in flight when something went", doubts, in_flight)
    table.none("mails that came again without having been in doubt", [*_unexplained(came, messages)])


def _unexplained(came: dict[str | None, Entry], messages: dict[str, Notification]) -> Iterator[str]:
    for key, mail in came.items():
        message = messages.get(key or "")
        if message is not None and mail.copies - 1 > message.doubts:
            yield f"{key}: {mail.copies} copies, in doubt {message.doubts} times"


def _count(messages: dict[str, Notification], state: str) -> int:
    return sum(message.state == state for message in messages.values())

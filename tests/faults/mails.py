"""Every message that was accepted has arrived, by mail or webhook; what arrived twice was in doubt, after a kill in the
mailer, and is shown so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from contracts.events.alerts import NotificationAccepted
from deploy.local.mailbox.store import Store
from services.alerts.model.notification import Channel, Notification
from tests.faults.found import Found
from tests.faults.said import Said
from tests.faults.table import Table

CHANNELS: Final[tuple[Channel, ...]] = ("mail", "webhook")


def mailed(folder: Path) -> Counter[str]:
    """How often each Message-ID has come into the mailbox of a run."""
    came: Counter[str] = Counter()
    for mail in Store(folder).after(0, 1_000_000):
        came[mail.message_id or ""] += mail.copies
    return came


def messages(
    table: Table, came: Mapping[Channel, Counter[str]], found: Found, said: Said, gone: set[str], in_flight: int
) -> None:
    """What has arrived against the stored messages, by channel. `gone`: keys of messages about customers erased since;
    `in_flight`: how many messages of a channel can have been under way when a process or the database went.
    """
    for channel in CHANNELS:
        of_it = {key: one for (_, key), one in found.notifications.items() if one.channel == channel}
        _channel(table, channel, came[channel], of_it, gone, in_flight)
    table.none("messages in doubt that were said to be in none, or the reverse", [*_untold(found, said)])


def _channel(
    table: Table, channel: Channel, came: Counter[str], of_it: dict[str, Notification], gone: set[str], in_flight: int
) -> None:
    known = {one.message_id: one for one in of_it.values()}
    sent = {name for name, one in known.items() if one.state == "accepted"}
    states = Counter(one.state for one in of_it.values())
    table.told(f"{channel}: messages accepted / suppressed", f"{len(sent):,} / {states['suppressed']:,}")
    table.none(f"{channel}: messages that bounced", [key for key, one in of_it.items() if one.state == "bounced"])
    table.none(f"{channel}: accepted messages that did not arrive", sorted(sent - came.keys()))
    # Message-IDs of the erased can be told from their keys; ids of webhooks also hold their receiver.
    table.none(
        f"{channel}: what nobody meant to send", [name for name in came if name not in known and name not in gone]
    )
    table.told(f"{channel}: extra copies", came.total() - len(came))
    doubts = sum(one.doubts for one in of_it.values())
    table.most(f"{channel}: in doubt, against those in flight when something went", doubts, in_flight)
    table.none(f"{channel}: what came again without having been in doubt", [*_unexplained(came, known)])


def _unexplained(came: Counter[str], known: dict[str, Notification]) -> Iterator[str]:
    for name, copies in came.items():
        one = known.get(name)
        if one is not None and copies - 1 > one.doubts:
            yield f"{name}: {copies} copies, in doubt {one.doubts} times"


def _untold(found: Found, said: Said) -> Iterator[str]:
    told = {one.notification_id: one for one in _accepted(said)}
    for (_, key), one in found.notifications.items():
        fact = told.get(key)
        if one.state == "accepted" and fact is not None and bool(fact.in_doubt_before) != (one.doubts > 0):
            yield f"{key}: in doubt {one.doubts} times, said {fact.in_doubt_before}"


def _accepted(said: Said) -> Iterable[NotificationAccepted]:
    return (event.data for event in said.events if isinstance(event.data, NotificationAccepted))

"""What a rule has found becomes of an alert: what changes is stored, said and, where it is news, sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from services.alerts.emits import alert_fact, notification_fact
from services.alerts.model.account import Account, next_change, owner_on
from services.alerts.model.alert import Alert, Change
from services.alerts.model.notification import (
    HISTORY,
    NO_OWNER,
    NOBODY,
    Notification,
    Reason,
    requeued,
    sent_as,
    suppressed,
)
from services.alerts.model.rules import purchase_slowdown, receivable_over_limit
from services.alerts.rules import Rules
from services.alerts.store import ACCOUNTS, ALERTS, NOTIFICATIONS, Owned
from services.chassis.aggregate import Desk

# Rules of which a higher stage is news by itself. (An invoice that grows older is not: its stages are those of a
# calendar, and whoever was told of it knows. Where nobody was, it is: see Alert.untold.)
STEPS_TOLD: Final = frozenset({receivable_over_limit.RULE, purchase_slowdown.RULE})

_BEGINS: Final[Mapping[str, Reason]] = {"raised": "raised", "reopened": "reopened"}


def follow(desk: Desk, rules: Rules, changes: Sequence[Change], *, by_clock: bool) -> bool:
    """Store, say and send what changed in the alerts of one cause. Returns whether there is bad news left for the
    clock: good news does not wait, bad news does until everything that lies unread has been read, for it may hold the
    payment. Whoever asked then has to be due now.
    """
    for change in changes:
        if by_clock or news(change) is None:
            _store(desk, rules, change)
    return not by_clock and any(news(change) is not None for change in changes)


def news(change: Change) -> Reason | None:
    """Why somebody has to be told of it; None where nobody has."""
    if change.first or (change.stepped and change.alert.rule in STEPS_TOLD):
        return "stepped_up"
    return _BEGINS.get(change.kind)


def told(changes: Sequence[Change], *, by_clock: bool) -> tuple[str, ...]:
    """The ids of the alerts that `follow` has stored."""
    return tuple(change.alert.alert_id for change in changes if by_clock or news(change) is None)


def _store(desk: Desk, rules: Rules, change: Change) -> None:
    alert = change.alert
    account = desk.get(ACCOUNTS)
    owner = alert.assigned_to or (owner_on(account, rules.day(desk.now)) if account is not None else "")
    desk.put(ALERTS, Owned(alert=alert, owner_id=owner), alert.alert_id)
    if account is not None:
        keep(desk, rules, account)  # its next owner may be known by now, and has to take this alert over too
    fact = alert_fact(alert, change.kind, desk.now, owner)
    if fact is not None:
        desk.emit(fact)
    if (reason := news(change)) is not None:
        _notify(desk, change, reason, owner)


def _notify(desk: Desk, change: Change, reason: Reason, owner: str) -> None:
    alert = change.alert
    key = notification_key(change, desk.now)
    if desk.get(NOTIFICATIONS, key) is not None:
        return  # a refold comes to the same news; nobody is told twice
    notification = Notification(
        alert_id=alert.alert_id,
        reason=reason,
        recipient=owner,
        message_id=sent_as("mail", key, owner),
        created_at=desk.now,
        next_at=desk.now,
        account=alert.account,
    )
    if change.past:
        notification = suppressed(notification, HISTORY)
    elif not owner:
        notification = suppressed(notification, NO_OWNER)
    _queue(desk, key, notification)


def announce(desk: Desk, rules: Rules, alert: Alert) -> None:
    """Queue the message about an alert that began without the clock: facts of two accounts came together."""
    account = desk.get(ACCOUNTS)
    owner = alert.assigned_to or (owner_on(account, rules.day(desk.now)) if account is not None else "")
    _notify(desk, Change(alert=alert, kind="raised"), "raised", owner)


def notification_key(change: Change, now: datetime) -> str:
    """One message each time it begins or steps up: the alert's id, and where it is not the first also the moment (ms
    since 1970), for the same opening can come back more than once.
    """
    alert = change.alert
    return alert.alert_id if change.kind == "raised" else f"{alert.alert_id}/{int(now.timestamp() * 1000)}"


def _queue(desk: Desk, key: str, notification: Notification) -> None:
    desk.put(NOTIFICATIONS, notification, key)
    fact = notification_fact(key, notification, desk.now)
    if fact is not None:
        desk.emit(fact)


def keep(desk: Desk, rules: Rules, account: Account, *, by_clock: bool = False) -> None:
    """Store an account, to be looked at again on the day on which something known already takes hold. Such a day that
    has come and that the clock has not seen yet is left to it.
    """
    moment = desk.stored(ACCOUNTS).due
    if by_clock or moment is None or moment > desk.now:
        day = next_change(account, rules.day(desk.now))
        moment = rules.midnight(day) if day is not None else None
    desk.put(ACCOUNTS, account, due=moment)


def hand_over(desk: Desk, rules: Rules) -> None:
    """The customer's owner has changed: his standing alerts go along, and what nobody has been told yet is sent."""
    account = desk.get(ACCOUNTS)
    owner = owner_on(account, rules.day(desk.now)) if account is not None else ""
    standing: set[str] = set()
    given: set[str] = set()  # those that a person gave to somebody stay with him
    for name, owned in desk.all(ALERTS).items():
        if owned.alert.state == "resolved":
            continue
        standing.add(name)
        if owned.alert.assigned_to:
            given.add(name)
        if not owned.alert.assigned_to and owned.owner_id != owner:
            desk.put(ALERTS, msgspec.structs.replace(owned, owner_id=owner), name)
    for key, notification in desk.all(NOTIFICATIONS).items():
        # What waits, for a digest or its turn, has not been said to who answered before. A copy follows its message.
        unsaid = notification.untried and notification.alert_id not in given
        waits = (notification.why in NOBODY or unsaid) and notification.recipient != owner and not notification.copy_of
        if owner and waits and notification.alert_id in standing:
            desk.put(NOTIFICATIONS, requeued(notification, owner, desk.now), key)

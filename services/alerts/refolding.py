"""What a refold has to say: alerts that were not there before, and alerts that are no longer."""

from __future__ import annotations

import msgspec

from contracts.payload import Payload
from services.alerts.emits import alert_fact
from services.alerts.model.alert import REGROUPED, WITHDRAWN, ChangeKind, TimelineEntry, noted
from services.alerts.rules import Rules
from services.alerts.store import ALERTS, FALLEN, NOTIFICATIONS, Owned
from services.alerts.watch.life import announce, hand_over
from services.chassis.aggregate import Desk
from services.chassis.service import Before


def compare(rules: Rules, desk: Desk, before: Before) -> None:
    """Say the difference between the alerts as they were and as the ledger gives them."""
    then, now = before.of(ALERTS), desk.all(ALERTS)
    for name, owned in now.items():
        was = then.get(name)
        stands = owned.alert.state != "resolved"
        stood = was is not None and was.alert.state != "resolved"
        if stands and not stood:
            _say(desk, alert_fact(owned.alert, "reopened" if was is not None else "raised", desk.now, owned.owner_id))
        elif stood and not stands:
            kind: ChangeKind = "withdrawn" if owned.alert.outcome == WITHDRAWN else "resolved"
            _say(desk, alert_fact(owned.alert, kind, desk.now, owned.owner_id))
    fallen = {name: _fallen(owned, before, desk, rules) for name, owned in then.items() if name not in now}
    for name, owned in fallen.items():
        if then[name].alert.state != "resolved":
            _say(desk, alert_fact(owned.alert, "withdrawn", desk.now, owned.owner_id))
    if before.because:
        _regrouped(rules, desk, then, fallen)


def _fallen(owned: Owned, before: Before, desk: Desk, rules: Rules) -> Owned:
    """An alert that is no longer; where accounts came together or were parted, because of that."""
    if not before.because or owned.alert.state == "resolved":
        return owned
    entry = TimelineEntry(at=desk.now, what=REGROUPED, facts=(before.because,))
    alert = msgspec.structs.replace(
        noted(owned.alert, entry),
        state="resolved",
        outcome=REGROUPED,
        because=(before.because,),
        closed_on=rules.day(desk.now),
        snoozed_until=None,
    )
    return msgspec.structs.replace(owned, alert=alert)


def _regrouped(rules: Rules, desk: Desk, then: dict[str, Owned], fallen: dict[str, Owned]) -> None:
    """Accounts came together or were parted. Unlike new rules that is news: of what stands only since then the
    customer's owner is told, and what nobody has been told yet goes to him. Nobody is told twice.
    """
    now = desk.all(ALERTS)
    for name in desk.all(FALLEN):
        if name in now:
            desk.drop(FALLEN, name)
    for name, owned in fallen.items():
        desk.put(FALLEN, owned, name)
    hand_over(desk, rules)
    told = {notification.alert_id for notification in desk.all(NOTIFICATIONS).values()}
    for name, owned in desk.all(ALERTS).items():
        if owned.alert.state != "resolved" and name not in then and name not in told:
            announce(desk, rules, owned.alert)


def _say(desk: Desk, fact: Payload | None) -> None:
    if fact is not None:
        desk.emit(fact)

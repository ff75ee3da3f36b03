"""What a refold has to say: alerts that were not there before, and alerts that are no longer."""

from __future__ import annotations

from contracts.payload import Payload
from services.alerts.emits import alert_fact
from services.alerts.model.alert import ChangeKind
from services.alerts.rules import Rules
from services.alerts.store import ALERTS
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
            kind: ChangeKind = "withdrawn" if owned.alert.outcome == "withdrawn" else "resolved"
            _say(desk, alert_fact(owned.alert, kind, desk.now, owned.owner_id))
    for name, owned in then.items():
        if name not in now and owned.alert.state != "resolved":
            _say(desk, alert_fact(owned.alert, "withdrawn", desk.now, owned.owner_id))


def _say(desk: Desk, fact: Payload | None) -> None:
    if fact is not None:
        desk.emit(fact)

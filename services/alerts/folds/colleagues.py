"""Events about colleagues in: how they are reached, and that they are gone."""

from __future__ import annotations

from typing import cast

from contracts.envelope import Event
from contracts.events import staff
from services.alerts.model.facts import FactKey
from services.alerts.model.staff import Colleague, Digest, Hours, Way, latest, leaves
from services.alerts.store import (
    STAFF,
)
from services.chassis.aggregate import Desk


def staff_told(desk: Desk, event: Event) -> None:
    """How a colleague is reached."""
    data = cast("staff.StaffRegistered", event.data)
    told = Colleague(
        key=FactKey.of(event),
        name=data.name,
        mail=data.mail or "",
        language=data.language or "zh-CN",
        zone=data.zone or "",
        deputy=data.deputy or "",
        supervisor=data.supervisor or "",
        token_subject=data.token_subject or "",
        ways=tuple(Way(kind=one.kind, address=one.address or "") for one in data.channels or ()),
        hours=tuple(Hours(days=tuple(one.days), start=one.start) for one in data.hours or ()),
        digest=Digest(days=tuple(data.digest.days), at=data.digest.at or "") if data.digest is not None else None,
    )
    desk.put(STAFF, latest(desk.get(STAFF), told, registers=event.type == staff.StaffRegistered.TYPE))


def staff_left(desk: Desk, event: Event) -> None:
    """A colleague goes; from that day on nothing is sent to him any more."""
    data = cast("staff.StaffLeft", event.data)
    desk.put(STAFF, leaves(desk.get(STAFF), FactKey.of(event), data.left_on))

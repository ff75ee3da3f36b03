"""What people do to alerts: an HTTP write becomes an event, and the event is folded here like any other.

The texts people write never go on the bus. They come beside the event, are stored as notes under its id and stay there
when the customer is folded again from his ledger, which holds the events alone.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import singledispatch
from typing import Any, Final, cast

import msgspec

from contracts.envelope import Event
from contracts.events.alerts import (
    AlertAcknowledged,
    AlertAssigned,
    AlertCommented,
    AlertFact,
    AlertResolved,
    AlertSnoozed,
    AlertWorked,
)
from contracts.money import Money
from contracts.refusal import Refused
from services.alerts.model.alert import Alert, Promise, Recovered
from services.alerts.model.decisions import (
    Acknowledge,
    AnyDecision,
    Assign,
    Comment,
    NotAllowed,
    Resolve,
    Snooze,
    Work,
    decide,
    woken,
)
from services.alerts.store import ACCOUNTS, ALERTS, NOTES, Note, Owned
from services.chassis.aggregate import Desk, cause_of
from services.chassis.service import Service

DECISIONS: Final = (AlertAcknowledged, AlertAssigned, AlertCommented, AlertWorked, AlertSnoozed, AlertResolved)
BY_PERSON: Final = "by_person"
# Reasons of a refusal, for the API to answer by.
NOT_FOUND: Final = "not_found"
STALE: Final = "stale"
NOT_ALLOWED: Final = "not_allowed"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """What goes with a decision to the fold and not on the bus: the version its author has seen, and his words."""

    version: int
    text: str = ""


def register(service: Service) -> None:
    """Let people's decisions in. They are commands: said by this service, and never taken from the bus."""
    for payload in DECISIONS:
        service.command(payload, ACCOUNTS)(decided)


def decided(desk: Desk, event: Event) -> None:
    """The alert after a person's decision.

    Raises:
        Refused: `not_found`, `stale` (it has changed since its author read it), or `not_allowed` with what is possible.
    """
    data = cast("AlertFact", event.data)
    owned = desk.get(ALERTS, data.alert_id)
    if owned is None:
        raise Refused(NOT_FOUND, f"There is no alert {data.alert_id} of this customer.", "$.alert_id")
    asked: Asked | None = desk.private
    if asked is not None and asked.version != version_of(owned):
        raise Refused(STALE, "The alert has changed since it was read.")
    desk.account = owned.alert.account or desk.subject  # if that account parts again, what was decided goes along
    # Folded again from the ledger there is no asker, only what was kept of him.
    note = desk.get(NOTES, event.id) if asked is None else _note(asked, owned.alert)
    before = woken(owned.alert, desk.now)
    after = _after(before, event, note, desk.now)
    if asked is not None and note is not None:
        if after is before:
            raise Refused(NOT_ALLOWED, "This is so already; to add the note, comment on the alert.")
        desk.put(NOTES, note, event.id)
    if after is not owned.alert:
        owner = data.owner_id if isinstance(data, AlertAssigned) else owned.owner_id
        desk.put(ALERTS, Owned(alert=after, owner_id=owner), data.alert_id)


def _note(asked: Asked, alert: Alert) -> Note | None:
    return Note(text=asked.text, account=alert.account) if asked.text else None


def version_of(owned: Owned) -> int:
    """A number that changes with the alert: the same however it was stored and loaded in between."""
    return zlib.crc32(_json.encode(_plain(msgspec.to_builtins(owned, builtin_types=(datetime,)))))


def _after(alert: Alert, event: Event, note: Note | None, now: datetime) -> Alert:
    """The alert after the decision; the timeline entry names the event, under whose id the text lies."""
    try:
        after = decide(alert, decision_of(event.data, note.text if note else ""), now, _author(event))
    except NotAllowed as verdict:
        raise Refused(NOT_ALLOWED, str(verdict)) from verdict
    if after is alert:
        return alert
    entry = msgspec.structs.replace(after.timeline[-1], facts=(cause_of(event),))
    if entry.what == "commented":
        entry = msgspec.structs.replace(entry, note="")
    return msgspec.structs.replace(after, timeline=(*after.timeline[:-1], entry))


def _author(event: Event) -> str:
    return cast("AlertAcknowledged", event.data).by or ""


@singledispatch
def decision_of(data: object, text: str) -> AnyDecision:
    """The decision an event stands for. Of all of them only a comment needs its text to be one."""
    raise TypeError(f"{type(data).__name__} is no decision about an alert")


@decision_of.register
def _(data: AlertAcknowledged, text: str) -> Acknowledge:
    return Acknowledge()


@decision_of.register
def _(data: AlertAssigned, text: str) -> Assign:
    return Assign(to=data.owner_id)


@decision_of.register
def _(data: AlertCommented, text: str) -> Comment:
    return Comment(text=text or "-")  # its note may have been removed since


@decision_of.register
def _(data: AlertSnoozed, text: str) -> Snooze:
    return Snooze(until=_EPOCH + (data.until - _EPOCH) // _MILLISECOND * _MILLISECOND)


@decision_of.register
def _(data: AlertResolved, text: str) -> Resolve:
    return Resolve(outcome=data.outcome)


@decision_of.register
def _(data: AlertWorked, text: str) -> Work:
    promise = None
    if data.promised is not None and data.promised_by is not None:
        promise = Promise(amount=data.promised.amount, currency=data.promised.currency, by=data.promised_by)
    return Work(cause=data.cause, measure=data.measure, promise=promise, recovered=_recovered(data.recovered))


def _recovered(money: Money | None) -> Recovered | None:
    return None if money is None else Recovered(amount=money.amount, currency=money.currency)


_json = msgspec.json.Encoder(order="deterministic")


def _plain(value: Any) -> Any:
    # The database keeps milliseconds and no zones; what has not been there yet must give the same number.
    if isinstance(value, datetime):
        return (value - _EPOCH) // _MILLISECOND
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value

"""What the service has said on the bus, and whether it is all that it meant to say, once and in order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from aiokafka.structs import ConsumerRecord

from contracts.envelope import Event, decode
from contracts.events.alerts import (
    AlertRaised,
    AlertReopened,
    AlertResolved,
    AlertUpdated,
    NotificationAccepted,
    NotificationBounced,
    NotificationSuppressed,
)
from services.alerts.store import Owned
from tests.faults.found import Found
from tests.faults.table import Table

ALERTS: Final = "rapport.alerts"
DEAD: Final = "rapport.dead.alerts"
SPOKEN: Final = frozenset({"raised", "updated", "resolved", "withdrawn", "reopened"})
Moment = tuple[str, datetime]  # what happened to an alert, and when


@dataclass
class Said:
    """Everything on the outgoing topics, each id once, in order; and how often ids came again."""

    events: list[Event] = field(default_factory=list)
    letters: set[str] = field(default_factory=set)
    again: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, records: Iterable[ConsumerRecord]) -> Said:
        """Read the records of `rapport.alerts` and the dead letters."""
        said, seen = cls(), set()
        for record in records:
            headers = dict(record.headers)
            if record.topic == DEAD:
                name = headers["x-rapport-id"].decode()
                said.again[DEAD] += name in said.letters
                said.letters.add(name)
                continue
            event = decode(record.value, record.headers, record.key)
            said.again[ALERTS] += event.id in seen
            if event.id not in seen:
                said.events.append(event)
            seen.add(event.id)
        return said


def wire(table: Table, said: Said, found: Found) -> None:
    """The outgoing topics against what is stored."""
    spoken = _spoken(said.events)
    meant = {name: _meant(owned) for (_, name), owned in found.alerts.items()}
    gone = {event.data.alert_id for event in said.events if event.subject in found.erased}  # type: ignore[attr-defined]
    table.told("alert events said", sum(len(moments) for moments in spoken.values()))
    table.none("lost on the wire: alert events", [*_missing(meant, spoken)])
    table.none("alert events that nothing stored stands behind", [*_missing(_without(spoken, gone), meant)])
    table.none("alert events out of order", [*_disorder(meant, spoken)])
    table.none("alerts whose life goes back in time", [*_backwards(meant)])
    table.none("lost on the wire: dead letters", sorted(found.letters.keys() - said.letters))
    table.none("dead letters on the wire that are not in the file", sorted(said.letters - found.letters.keys()))
    table.none("messages whose end was not said as it is stored", [*_messages(said, found)])
    table.told("repeats on the wire: alert events / dead letters", f"{said.again[ALERTS]:,} / {said.again[DEAD]:,}")


def _spoken(events: Iterable[Event]) -> dict[str, list[Moment]]:
    found: dict[str, list[Moment]] = defaultdict(list)
    for event in events:
        data = event.data
        if isinstance(data, AlertRaised):
            found[data.alert_id].append(("raised", _cut(data.raised_at)))
        elif isinstance(data, AlertUpdated):
            found[data.alert_id].append(("updated", _cut(data.updated_at)))
        elif isinstance(data, AlertReopened):
            found[data.alert_id].append(("reopened", _cut(data.reopened_at)))
        elif isinstance(data, AlertResolved) and data.by is None:
            found[data.alert_id].append(("withdrawn" if data.withdrawn else "resolved", _cut(data.resolved_at)))
    return found


def _meant(owned: Owned) -> list[Moment]:
    return [(one.what, _cut(one.at)) for one in owned.alert.timeline if one.what in SPOKEN and not one.by]


def _cut(moment: datetime) -> datetime:
    # The database keeps milliseconds.
    return moment - timedelta(microseconds=moment.microsecond % 1000)


def _without(spoken: dict[str, list[Moment]], gone: set[str]) -> dict[str, list[Moment]]:
    return {name: moments for name, moments in spoken.items() if name not in gone}


def _missing(wanted: dict[str, list[Moment]], have: dict[str, list[Moment]]) -> Iterator[str]:
    for name, moments in wanted.items():
        for (what, at), count in (Counter(moments) - Counter(have.get(name, []))).items():
            yield f"{name} {what} at {at.isoformat()} ({count})"


def _disorder(meant: dict[str, list[Moment]], spoken: dict[str, list[Moment]]) -> Iterator[str]:
    for name, moments in meant.items():
        have = spoken.get(name, [])
        if have != moments and sorted(have) == sorted(moments):
            yield f"{name}: said {have}, stored {moments}"


def _backwards(meant: dict[str, list[Moment]]) -> Iterator[str]:
    for name, moments in meant.items():
        times = [at for _, at in moments]
        if times != sorted(times):
            yield f"{name}: {moments}"


def _messages(said: Said, found: Found) -> Iterator[str]:
    told: dict[str, Counter[str]] = defaultdict(Counter)
    for event in said.events:
        if isinstance(event.data, NotificationAccepted | NotificationBounced | NotificationSuppressed):
            told[event.data.notification_id][event.type.split(".")[2]] += 1
    for (_, key), message in found.notifications.items():
        # One that had nobody to go to was suppressed, and may be again once it has.
        most = 2 if message.state == "suppressed" else 1
        if not 1 <= told[key][message.state] <= most:
            yield f"{key}: {message.state}, said {dict(told[key])}"

"""Which messages are due: those that go by themselves, and those that go together in one mail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from services.alerts.model.notification import Channel, Notification
from services.alerts.store import NOTIFICATIONS
from services.chassis.mongo import Database, Doc, find, from_doc

OPEN: Final = ("queued", "sending")
DIGEST_MOST: Final = 100  # alerts in a mail; who has more gets another
_HELD_MOST: Final = 5000  # read in one round


class Row(NamedTuple):
    """A notification as it is stored."""

    subject: str
    key: str
    notification: Notification


@dataclass(frozen=True)
class Due:
    """What is due. Each list of `together` goes as one mail to one receiver: a digest that has been begun, with all its
    parts, or one whose moment has come.
    """

    single: list[Row]
    together: list[list[Row]]

    def wanted(self) -> list[tuple[str, Notification]]:
        """Subject and notification of all."""
        rows = [*self.single, *(row for rows in self.together for row in rows)]
        return [(row.subject, row.notification) for row in rows]


async def read(db: Database, channel: Channel, now: datetime, moment: datetime, most: int) -> Due:
    """What is due by a channel, `most` at a time: attempts by the wall clock (`now`), for those are waited for in real
    time, or by the service's moment where a simulation has run ahead of it; digests by that moment alone.
    """
    begun = {"state.state": {"$in": list(OPEN)}, "state.next_at": {"$lte": max(now, moment)}, "state.channel": channel}
    found = _rows(await find(db, NOTIFICATIONS.name, begun, sort=[("state.next_at", 1)], limit=most))
    together: list[list[Row]] = []
    if ids := sorted({row.notification.digest for row in found} - {""}):
        # With all its parts, or somebody who knows its Message-ID already would miss some.
        parts = {"state.state": {"$in": list(OPEN)}, "state.digest": {"$in": ids}}
        together += _by(_rows(await find(db, NOTIFICATIONS.name, parts)), "digest")
    held = {"state.state": "held", "state.next_at": {"$lte": moment}, "state.channel": channel}
    if first := _rows(await find(db, NOTIFICATIONS.name, held, sort=[("state.next_at", 1)], limit=most)):
        whose = held | {"state.recipient": {"$in": sorted({row.notification.recipient for row in first})}}
        rows = await find(db, NOTIFICATIONS.name, whose, sort=[("state.next_at", 1), ("_id", 1)], limit=_HELD_MOST)
        for own in _by(_rows(rows), "recipient"):
            together += [own[at : at + DIGEST_MOST] for at in range(0, len(own), DIGEST_MOST)]
    return Due([row for row in found if not row.notification.digest], together)


def _rows(docs: Iterable[Doc]) -> list[Row]:
    return [Row(doc["s"], doc["k"], from_doc(doc["state"], Notification)) for doc in docs]


def _by(rows: Iterable[Row], field: str) -> list[list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(getattr(row.notification, field), []).append(row)
    return list(found.values())

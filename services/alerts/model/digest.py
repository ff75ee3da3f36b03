"""When a digest comes and what goes into it: one mail a day (or on some days) in place of a mail an alert."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Final
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

import msgspec

from services.alerts.model.alert import SEVERITIES
from services.alerts.model.staff import Colleague

EVERY_DAY: Final = (1, 2, 3, 4, 5, 6, 7)
_NAMESPACE: Final = uuid5(NAMESPACE_URL, "rapport/digests")


class Params(msgspec.Struct, frozen=True, kw_only=True):
    """What holds where a colleague says nothing. `on`: he gets digests; `at`: when, on days without working hours of
    his; `urgent`: the severity from which an alert waits for none.
    """

    on: bool = False
    at: time = time(8, 30)
    urgent: str = "serious"


def urgent(severity: str, params: Params) -> bool:
    """Whether an alert of this severity goes out at once, whatever its receiver wishes."""
    return SEVERITIES.index(severity) >= SEVERITIES.index(params.urgent)


def next_digest(colleague: Colleague, after: datetime, params: Params, home: ZoneInfo) -> datetime | None:
    """The moment of his first digest at or after a moment; None where he gets none. `home` is the company's zone, for
    those without one.

    It comes on the days he names, else on those he works, else daily; at the hour he names, else as his work begins.
    """
    hours: dict[int, time] = {}
    for span in colleague.hours:
        for weekday in span.days:
            hours[weekday] = min(_clock(span.start), hours.get(weekday, time.max))
    wish = colleague.digest
    days = wish.days if wish is not None else tuple(hours) or EVERY_DAY
    if not days or (wish is None and not params.on):
        return None
    named = _clock(wish.at) if wish is not None and wish.at else None
    zone = ZoneInfo(colleague.zone) if colleague.zone else home
    day = after.astimezone(zone).date()
    while True:
        if day.isoweekday() in days:
            moment = datetime.combine(day, named or hours.get(day.isoweekday(), params.at), zone).astimezone(UTC)
            if moment >= after:
                return moment
        day += timedelta(days=1)


def digest_id(recipient: str, keys: Iterable[str]) -> str:
    """The digest's id: a message begins one digest at most, so that its parts name it for ever."""
    return uuid5(_NAMESPACE, "\x1f".join((recipient, *sorted(keys)))).hex


def _clock(text: str) -> time:
    return time.fromisoformat(text)

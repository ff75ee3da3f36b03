"""How facts are named, ordered and dated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import msgspec


class FactKey(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Which event said something: its time (aware), its source, its id. Of two facts about the same thing the one with
    the greater key holds, in whatever order they came.

    Times are cut to the millisecond, which is what the database keeps: else a key would sort differently after it was
    stored.
    """

    time: datetime
    source: str
    id: str

    def __post_init__(self) -> None:
        if finer := self.time.microsecond % 1000:
            coarse = self.time.replace(microsecond=self.time.microsecond - finer)
            msgspec.structs.force_setattr(self, "time", coarse)


@dataclass(frozen=True)
class CompanyDays:
    """The company's calendar: its days begin at midnight in its zone."""

    zone: ZoneInfo

    def of(self, moment: datetime) -> date:
        """The company's date at a moment (aware)."""
        return moment.astimezone(self.zone).date()

    def begins(self, day: date) -> datetime:
        """The moment, in UTC, at which a day begins."""
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

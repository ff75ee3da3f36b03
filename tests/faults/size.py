"""How large a seed is, and the made calendar it lives in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

FIRST_DAY: Final = date(2026, 3, 2)
ZONE: Final = ZoneInfo("Asia/Shanghai")
OPENS: Final = time(8, 0)
OPEN_MS: Final = 12 * 3600 * 1000  # business hours, in which facts happen
DAY_ENDS: Final = time(23, 59, 59, 999_000)


@dataclass(frozen=True, slots=True)
class Size:
    """One run. `days` are simulated; `kills` says how many a stage; `inside` how many of them inside a transaction."""

    seed: int
    customers: int
    days: int
    kills: int
    inside: int
    waiting: int  # invoices that fall due, and are paid, while the service is down
    erased: int

    @property
    def last(self) -> int:
        """The last simulated day."""
        return self.days - 1

    @property
    def outage(self) -> range:
        """The days that pass while the service is down."""
        return range(self.days - 5, self.days - 2)

    @property
    def refit(self) -> int:
        """Every how many days the cadence's priors are fitted; 0: never. They are fitted on the first morning and once
        more, on days on which one process reads: simulated days pass in seconds, and others would learn of it late.
        """
        return self.days // 2 + 1 if self.kills else 0

    @property
    def erasure(self) -> int:
        """The day on whose morning some customers are erased."""
        return self.days // 2


def whole(seed: int) -> Size:
    """A full seed: more than 50,000 events."""
    return Size(seed, customers=3000, days=26, kills=5, inside=12, waiting=1000, erased=8)


def short(seed: int) -> Size:
    """A short one, for every change: some 8,000 events."""
    return Size(seed, customers=420, days=14, kills=1, inside=2, waiting=200, erased=3)


def tiny(seed: int) -> Size:
    """Enough to catch a planted bug."""
    return Size(seed, customers=160, days=8, kills=0, inside=0, waiting=0, erased=0)


def on(day: int) -> date:
    """The date of a simulated day."""
    return FIRST_DAY + timedelta(days=day)


def moment(day: int, ms: int) -> datetime:
    """A moment within the business hours of a day."""
    return (datetime.combine(on(day), OPENS, ZONE) + timedelta(milliseconds=ms)).astimezone(UTC)


def evening(day: int) -> datetime:
    """The end of a day, when its source has delivered it whole."""
    return datetime.combine(on(day), DAY_ENDS, ZONE).astimezone(UTC)

"""What the cadence is judged by beside a customer's own purchases: the priors known by now, and the closed days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Final

from services.alerts.model.cadence.closures import Calendar, Closure, closed_days
from services.alerts.model.cadence.course import Times
from services.alerts.model.cadence.priors import Dated, untried

LONGEST_CLOSURE: Final = 366
DEFAULT_BUDGET: Final = 0.1
_NO_DAYS: Final[frozenset[date]] = frozenset()
_YEARS_AHEAD: Final = 2  # closures further ahead than this after a purchase put no deadline off


class Cadence:
    """The one thing among the rules that changes while the service runs: priors come into force.

    They hold from days ahead only, so whoever learns of them a little later than his neighbour folds the same; and
    what was folded in between under older ones is told again when it is next looked at.
    """

    def __init__(
        self, budget: float = DEFAULT_BUDGET, country: str = "", announced: frozenset[date] = _NO_DAYS
    ) -> None:
        self.budget, self.country, self.announced = budget, country, announced
        # Before the first fit what holds without a past does.
        self.timeline: tuple[Dated, ...] = (Dated(valid_from=date.min, priors=untried(budget)),)

    @property
    def times(self) -> Times:
        """As they stand now."""
        return Times(self.timeline, self.closed)

    def times_of(self, calendar: Calendar) -> Times:
        """The same for a customer who has announced closures of his own."""
        if not calendar.closures:
            return self.times
        own = closed_days(calendar.closures)
        return Times(self.timeline, lambda last: self.closed(last) | own)

    @property
    def latest(self) -> date:
        """The day from which the latest priors hold that are known."""
        return self.timeline[-1].valid_from

    def learn(self, fitted: Iterable[Dated]) -> bool:
        """Take over all priors there are; returns whether any was new."""
        known = tuple(sorted(fitted, key=lambda one: one.valid_from))
        if known == self.timeline[1:]:
            return False
        self.timeline = (self.timeline[0], *known)
        return True

    def closed(self, last: date) -> frozenset[date]:
        """Days that do not count in a gap that opens with a purchase on `last`."""
        if not self.country:
            return self.announced
        return _holidays(self.country, last.year) | self.announced


def closures_in(text: str) -> frozenset[date]:
    """The days of a list such as `2026-08-03/2026-08-14, 2026-12-24`. Raises ValueError where it cannot be read."""
    found: list[Closure] = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        first, _, last = part.partition("/")
        try:
            one = Closure(first=date.fromisoformat(first), last=date.fromisoformat(last or first))
        except ValueError as error:
            raise ValueError(f"{part!r} is no closure ({error}); expected 2026-08-03/2026-08-14, or one day") from error
        if not 0 <= (one.last - one.first).days <= LONGEST_CLOSURE:
            raise ValueError(f"the closure {part} ends before it begins, or is longer than {LONGEST_CLOSURE} days")
        found.append(one)
    return closed_days(tuple(found))


def check_country(country: str) -> None:
    """Raises ValueError for a country whose holidays are not known."""
    if not country:
        return
    import holidays  # noqa: PLC0415 - as below

    if country not in holidays.list_supported_countries():
        raise ValueError(f"no holidays are known for {country!r}; expected a code of ISO 3166 such as CN, or nothing")


@lru_cache(maxsize=256)
def _holidays(country: str, year: int) -> frozenset[date]:
    import holidays  # noqa: PLC0415 - a slow import, and not every company closes on them

    years = range(year, min(year + _YEARS_AHEAD, date.max.year) + 1)
    return frozenset(holidays.country_holidays(country, years=years))

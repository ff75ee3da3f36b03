"""What rule churn_risk judges by beside a customer's own purchases: the parameters known by now, and the settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import date
from typing import Final

from services.alerts.model.activity.silence import UNJUDGED, Dated, Terms

DEFAULT_HORIZON_DAYS: Final = 91
DEFAULT_THRESHOLD: Final = 0.9
DEFAULT_LEAST_PURCHASES: Final = 3


class Churn:
    """Parameters come into force while the service runs, from days ahead only, like the cadence's (see cadence.py).

    Before the first fit there are none, and nobody is said to be lost.
    """

    def __init__(
        self,
        horizon_days: int = DEFAULT_HORIZON_DAYS,
        threshold: float = DEFAULT_THRESHOLD,
        least_purchases: int = DEFAULT_LEAST_PURCHASES,
    ) -> None:
        self.horizon_days, self.threshold, self.least_purchases = horizon_days, threshold, least_purchases
        self.timeline: tuple[Dated, ...] = ()

    def terms(self, closed: Callable[[date], Collection[date]]) -> Terms:
        """As they stand now; `closed` are the days that do not count in a silence that opens on a day."""
        return Terms(self.timeline, self.horizon_days, self.threshold, self.least_purchases, closed)

    @property
    def latest(self) -> date:
        """The day from which the latest parameters hold that are known."""
        return self.timeline[-1].valid_from if self.timeline else UNJUDGED

    def learn(self, fitted: Iterable[Dated]) -> bool:
        """Take over all parameters there are; returns whether any was new."""
        known = tuple(sorted(fitted, key=lambda one: one.valid_from))
        new, self.timeline = known != self.timeline, known
        return new

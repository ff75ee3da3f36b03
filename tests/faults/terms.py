"""By which terms the service under test runs and the judge judges: in one place, so that they cannot differ."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

from services.alerts.cadence import Cadence
from services.alerts.model.rules.receivable_over_limit import Params
from services.alerts.rules import Rules

_COUNTRY: Final = "CN"
# Open orders count: without them nothing would look at the sums of what is ordered.
ENV: Final = {"RAPPORT_ALERTS_EXPOSURE_ORDERS": "true", "RAPPORT_ALERTS_HOLIDAYS": _COUNTRY}


def rules(zone: ZoneInfo) -> Rules:
    """The rules of a run, before any prior is fitted."""
    return Rules(zone, credit=Params(orders=True), cadence=Cadence(country=_COUNTRY))

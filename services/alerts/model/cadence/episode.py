"""An alarm and what became of it."""

from __future__ import annotations

from datetime import date
from typing import Final, Literal

import msgspec
import numpy as np

from services.alerts.model.cadence.tail import Floats

Kind = Literal["stop", "slowdown"]
Outcome = Literal["standing", "recovered", "new_rhythm"]

RECOVERED_GAPS: Final = 3  # so many in a row ...
RECOVERED_MEANS: Final = 4  # ... within so many old mean gaps, and he buys as before
NEW_GAPS: Final = 4  # so many without it, and this is how he buys now
VERDICT_DAYS: Final = 56
VERDICT_MEANS: Final = 4


class Episode(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A customer's alarm, from the day of crossing until he has recovered or found a new rhythm.

    `kind` is `stop` where the open gap alone is enough on the day of crossing (`statistic` reaches the full bar -ln q),
    and `slowdown` where it is enough only because the bar was lowered by earlier late orders that are remembered.
    `statistic` is v = -ln p on that day and `bar` what it had to reach; `p` how often he would be silent so long by
    chance. `mean_gap` is his own mean gap by then (days, of closed gaps alone). `ended_on` is the purchase day that
    ended it, None while it stands.
    """

    raised_on: date
    kind: Kind
    p: float
    statistic: float
    bar: float
    last_purchase: date
    mean_gap: float
    ended_on: date | None = None
    outcome: Outcome = "standing"


def fits(three_gaps: int, mean_gap: float) -> bool:
    """Whether three gaps in a row, `three_gaps` days in all, are as good as the old rhythm."""
    return three_gaps <= RECOVERED_MEANS * mean_gap


def window(mean_gap: Floats) -> Floats:
    """Days after an alarm in which it shows whether it was founded."""
    days: Floats = np.maximum(VERDICT_DAYS, VERDICT_MEANS * mean_gap)
    return days

"""Whether an alarm was unfounded: the customer went on as before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from services.alerts.model.cadence.episode import window
from services.alerts.model.cadence.histories import Histories, Ints
from services.alerts.model.cadence.replay import Alarms, Flags
from services.alerts.model.cadence.tail import Floats

AS_BEFORE: Final = 0.5  # of what the old rate would give


@dataclass(frozen=True, slots=True)
class Verdicts:
    """An entry an alarm. `bought` purchase days came in the `window` days after it, `expected` at the old rate.

    `complete`: the whole window is known. `unfounded`: it is, and more was bought than half of what was expected.
    """

    window: Floats
    bought: Ints
    expected: Floats
    complete: Flags
    unfounded: Flags


def verdicts(base: Histories, alarms: Alarms, until: int) -> Verdicts:
    """What followed each alarm, as known at the end of the day `until` (an ordinal)."""
    length = window(alarms.own_mean)
    last = alarms.raised + np.floor(length).astype(np.int64)
    bought = base.bought_between(alarms.customer, alarms.raised, last)
    expected = length / alarms.own_mean
    complete = last <= until
    return Verdicts(length, bought, expected, complete, complete & (bought > AS_BEFORE * expected))


def days_before(alarms: Alarms, since: int = 0) -> Ints:
    """Days of the open gap until each alarm, those from the day `since` on."""
    return np.maximum(alarms.raised - np.maximum(alarms.last, since - 1), 0)

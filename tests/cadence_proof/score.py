"""How a rule does on customers of whom it is known when they changed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from services.alerts.model.cadence.decision import YEAR_DAYS
from services.alerts.model.cadence.rhythm import JUDGED_GAPS
from tests.cadence_proof.made import BEGIN, DAYS, LEARNT, Made
from tests.cadence_proof.rules import Raised

UNTIL: Final = BEGIN + timedelta(days=DAYS - 1)
COUNTED: Final = BEGIN + timedelta(days=LEARNT)
WITHIN: Final = (3, 5, 10)  # own mean gaps after the change
_STEPS: Final = 12


@dataclass(frozen=True, slots=True)
class Score:
    """`false`: alarms a customer-year before any change. `recall` and `stops`: shares of all that changed, and of those
    that stopped, with an alarm within WITHIN own mean gaps of the change. `silent` is `stops` counted from the last
    purchase, which lies before the change. `warning`: share of the first ten own gaps that is left."""

    false: float
    recall: tuple[float, ...]
    stops: tuple[float, ...]
    silent: tuple[float, ...]
    warning: float


def scored(base: Mapping[str, Made], raised: Raised, counted: date = COUNTED) -> Score:
    """The score of alarms raised from `counted` on. Customers are judged from their third gap on."""
    false, days = 0, 0
    late: list[tuple[float, bool]] = []
    silent: list[float] = []
    for name, one in base.items():
        if len(one.days) <= JUDGED_GAPS:
            continue
        alarms = raised.get(name, [])
        end = one.changed_on or UNTIL
        false += sum(counted <= day <= end for day in alarms)
        days += max((end - max(one.days[JUDGED_GAPS], counted)).days, 0)
        if one.changed_on is not None and one.days[JUDGED_GAPS] < one.changed_on:
            after = min((day for day in alarms if day > one.changed_on), default=None)
            gaps = float("inf") if after is None else (after - one.changed_on).days / one.mean_gap
            late.append((gaps, one.stopped))
            if one.stopped:
                before = one.changed_on - one.days[bisect_right(one.days, one.changed_on) - 1]
                silent.append(gaps + before.days / one.mean_gap)
    return Score(
        false=false / (days / YEAR_DAYS),
        recall=_shares(gaps for gaps, _ in late),
        stops=_shares(gaps for gaps, stopped in late if stopped),
        silent=_shares(silent),
        warning=sum(max(1 - gaps / WITHIN[-1], 0.0) for gaps, _ in late) / len(late),
    )


def _shares(late: Iterable[float]) -> tuple[float, ...]:
    gaps = list(late)
    return tuple(sum(one <= most for one in gaps) / len(gaps) for most in WITHIN)


def in_hindsight(false_at: Callable[[float], float], wanted: float) -> float:
    """The factor with which the simple rule raises as many false alarms, which nobody could have known before."""
    low, high = 1.0, 12.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if false_at(middle) > wanted else (low, middle)
    return high

"""When a customer is likely lost: the day on which it becomes so, known ahead, and whether it has come."""

from __future__ import annotations

from bisect import bisect_left
from datetime import date, timedelta
from typing import Final

import msgspec

from services.alerts.model.activity.rate import Activity, Params, expected, p_none, silent_chance

LONGEST_DAYS: Final = 3653  # ten years: what has not become likely by then is never said
LEAST_PURCHASES: Final = 2  # who bought on one day only had no activity that could be lost


class ChurnRisk(msgspec.Struct, frozen=True, kw_only=True):
    """What a churn_risk alert says: since when, and the figures at the day on which it was asked."""

    since: date
    as_of: date
    p_none: float
    expected: float
    horizon_days: int
    threshold: float


def crossing_day(
    state: Activity,
    params: Params,
    horizon_days: int,
    threshold: float,
    least_purchases: int = LEAST_PURCHASES,
) -> date | None:
    """The first day at whose end p_none is at or above `threshold`, if nothing is bought until then.

    None where that never comes (within ten years), or where there is nothing to lose: fewer purchase days than
    `least_purchases`, or p_none at the threshold already on the day of the last purchase. About 12 evaluations, for
    p_none rises with every silent day. Only a purchase or new parameters move the day.

    Raises:
        ValueError: the threshold does not lie between 0 and 1, or the state was kept with another decay.
    """
    if not 0 < threshold < 1:
        raise ValueError(f"{threshold} is no probability to warn at; expected one between 0 and 1, such as 0.8")
    if state.purchases < least_purchases:
        return None

    chance = silent_chance(state, params, horizon_days)

    def likely(silent: int) -> bool:
        return chance(silent) >= threshold

    longest = min(LONGEST_DAYS, (date.max - state.last).days)
    if likely(0) or not likely(longest):
        return None
    return state.last + timedelta(days=bisect_left(range(longest), True, key=likely))


def churn_risk(
    state: Activity,
    params: Params,
    as_of: date,
    horizon_days: int,
    threshold: float,
    least_purchases: int = LEAST_PURCHASES,
) -> ChurnRisk | None:
    """What is to be said at the end of `as_of`; None before the crossing day, and where there is none.

    Raises:
        ValueError: as `crossing_day` and `expected`.
    """
    since = crossing_day(state, params, horizon_days, threshold, least_purchases)
    if since is None or as_of < since:
        return None
    return ChurnRisk(
        since=since,
        as_of=as_of,
        p_none=p_none(state, params, as_of, horizon_days),
        expected=expected(state, params, as_of, horizon_days),
        horizon_days=horizon_days,
        threshold=threshold,
    )

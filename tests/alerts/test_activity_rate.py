"""The activity of one customer: the formulas worked by hand, streaming as batch, and the day on which he is lost."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from math import exp

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import integrate, stats

from services.alerts.model.activity.rate import (
    Activity,
    Params,
    after_purchase,
    expected,
    first_purchase,
    folded,
    p_none,
    rate,
    silent_chance,
)
from services.alerts.model.activity.risk import LONGEST_DAYS, churn_risk, crossing_day

START = date(2026, 1, 5)
decays = st.floats(1e-4, 3)
gaps = st.lists(st.integers(1, 400), max_size=30)


def params(decay: float = 0.1, shape: float = 0.5, weeks: float = 10) -> Params:
    return Params(
        decay=decay, shape=shape, weeks=weeks, as_of=START, block_days=91, blocks=1, customers=100, purchases=100
    )


def days(*after: int) -> list[date]:
    return [START + timedelta(days=day) for day in after]


def history(gaps_: list[int]) -> list[date]:
    found = [START]
    for gap in gaps_:
        found.append(found[-1] + timedelta(days=gap))
    return found


def test_a_worked_example() -> None:
    # Purchases in weeks 0, 1 and 3, asked at the end of week 5, a tenth forgotten each week.
    state = folded(days(0, 7, 21), 0.1)
    repeats = exp(-0.1 * 4) + exp(-0.1 * 2)
    watched = (1 - exp(-0.1 * 5)) / 0.1
    as_of = START + timedelta(days=35)
    assert rate(state, params(), as_of) == pytest.approx((0.5 + repeats) / (10 + watched))
    assert expected(state, params(), as_of, 14) == pytest.approx(2 * (0.5 + repeats) / (10 + watched))
    none = ((10 + watched) / (10 + watched + 2)) ** (0.5 + repeats)
    assert p_none(state, params(), as_of, 14) == pytest.approx(none)


def test_figures_are_those_of_a_gamma_distributed_rate() -> None:
    state = folded(days(0, 3, 9, 30), 0.05)
    held, as_of, weeks = params(0.05), START + timedelta(days=44), 6
    watched = 10 + (1 - exp(-0.05 * 44 / 7)) / 0.05
    density = stats.gamma(rate(state, held, as_of) * watched, scale=1 / watched).pdf
    mean, _ = integrate.quad(lambda x: weeks * x * density(x), 0, 10, limit=200)
    none, _ = integrate.quad(lambda x: exp(-weeks * x) * density(x), 0, 10, limit=200)
    assert expected(state, held, as_of, 7 * weeks) == pytest.approx(mean, rel=1e-6)
    assert p_none(state, held, as_of, 7 * weeks) == pytest.approx(none, rel=1e-6)


@given(gaps, st.integers(0, 400), decays)
def test_streaming_gives_what_the_recursion_and_the_sums_over_all_purchases_give(
    gaps_: list[int], silent: int, decay: float
) -> None:
    bought = history(gaps_)
    as_of = bought[-1] + timedelta(days=silent)
    state = first_purchase(bought[0], decay)
    repeats = watched = 0.0
    for before, day in pairwise(bought):
        state = after_purchase(state, day)
        faded = exp(-decay * (day - before).days / 7)
        repeats, watched = repeats * faded + 1, watched * faded + (1 - faded) / decay
    faded = exp(-decay * silent / 7)
    summed = sum(exp(-decay * (as_of - day).days / 7) for day in bought[1:])
    seen = rate(state, params(decay, 0.5, 10), as_of)
    assert seen == pytest.approx((0.5 + summed) / (10 + (1 - exp(-decay * (as_of - START).days / 7)) / decay))
    assert seen == pytest.approx((0.5 + repeats * faded) / (10 + watched * faded + (1 - faded) / decay))
    assert folded(reversed(bought), decay) == state


@given(gaps, decays)
def test_a_day_counts_once_however_many_purchases_it_has(gaps_: list[int], decay: float) -> None:
    bought = history(gaps_)
    once = folded(bought, decay)
    twice = folded([*bought, *bought], decay)
    assert once == twice == after_purchase(once, once.last)
    assert once.purchases == len(bought)


@given(gaps, st.integers(0, 2000), st.integers(1, 400), decays)
def test_every_silent_day_makes_none_likelier_and_a_longer_horizon_less_likely(
    gaps_: list[int], silent: int, horizon: int, decay: float
) -> None:
    state = folded(history(gaps_), decay)
    today = state.last + timedelta(days=silent)
    now = p_none(state, params(decay), today, horizon)
    assert 0 < now < 1
    assert p_none(state, params(decay), today + timedelta(days=1), horizon) >= now
    assert p_none(state, params(decay), today, horizon + 1) < now


@given(gaps, st.integers(1, 400), st.floats(0.01, 0.99), st.floats(1e-3, 1))
def test_the_crossing_day_is_the_first_at_which_none_is_likely_enough(
    gaps_: list[int], horizon: int, threshold: float, decay: float
) -> None:
    assume(gaps_)
    state, held = folded(history(gaps_), decay), params(decay)
    day = crossing_day(state, held, horizon, threshold)
    if day is None:
        first, latest = state.last, state.last + timedelta(days=LONGEST_DAYS)
        begins = p_none(state, held, first, horizon) >= threshold
        assert begins or p_none(state, held, latest, horizon) < threshold
        return
    assert day > state.last
    assert p_none(state, held, day, horizon) >= threshold
    assert p_none(state, held, day - timedelta(days=1), horizon) < threshold


def test_the_risk_is_said_from_the_crossing_day_on_and_not_the_day_before() -> None:
    state = folded(days(0, 10, 21, 30, 44), 0.1)
    day = crossing_day(state, params(), 91, 0.6)
    assert day is not None
    assert churn_risk(state, params(), day - timedelta(days=1), 91, 0.6) is None
    said = churn_risk(state, params(), day + timedelta(days=3), 91, 0.6)
    assert said is not None
    assert (said.since, said.as_of, said.threshold, said.horizon_days) == (day, day + timedelta(days=3), 0.6, 91)
    assert said.p_none == p_none(state, params(), day + timedelta(days=3), 91) > 0.6
    later = after_purchase(state, day)
    assert churn_risk(later, params(), day, 91, 0.6) is None, "a purchase on that day puts it off"


def test_who_had_nothing_to_lose_is_no_risk() -> None:
    once = first_purchase(START, 0.1)
    assert crossing_day(once, params(), 91, 0.7) is None
    assert crossing_day(once, params(), 91, 0.7, least_purchases=1) is not None
    rare = folded(days(0, 300), 0.1)
    assert p_none(rare, params(), rare.last, 14) > 0.7
    assert crossing_day(rare, params(), 14, 0.7) is None, "he was as likely not to buy when he last bought"
    assert churn_risk(rare, params(), rare.last + timedelta(days=900), 14, 0.7) is None


def test_a_threshold_that_is_never_reached_has_no_day() -> None:
    # In the end everybody's rate is the base's with all that can be watched: (20 / (20 + 52))^.5 = .53.
    state = folded(days(0, 10, 20), 0.1)
    assert crossing_day(state, params(), 364, 0.52) is not None
    assert crossing_day(state, params(), 364, 0.54) is None


def test_days_at_the_end_of_the_calendar_are_no_trouble() -> None:
    state = folded([date(9999, 12, 1), date(9999, 12, 20)], 0.1)
    assert crossing_day(state, params(), 364, 0.99) is None


@pytest.mark.parametrize("threshold", [0, 1, -0.5, 80])
def test_a_threshold_that_is_no_probability_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="expected one between 0 and 1"):
        crossing_day(folded(days(0, 10), 0.1), params(), 91, threshold)


def test_what_cannot_be_answered_is_refused_and_says_why() -> None:
    state = folded(days(0, 10), 0.1)
    with pytest.raises(ValueError, match="expected a day on or after it"):
        after_purchase(state, START + timedelta(days=9))
    with pytest.raises(ValueError, match="expected a day on or after it"):
        p_none(state, params(), START, 91)
    with pytest.raises(ValueError, match="fold the purchases again"):
        expected(state, params(0.2), START + timedelta(days=20), 91)
    with pytest.raises(ValueError, match="at least one day"):
        folded([], 0.1)


def test_the_state_is_five_values_however_long_the_history() -> None:
    assert len(Activity.__struct_fields__) == 5
    assert not any(isinstance(getattr(folded(history([7] * 500), 0.1), name), list | tuple | dict)
                   for name in Activity.__struct_fields__)  # fmt: skip


def test_the_chance_by_silent_days_is_that_by_dates() -> None:
    held, today = folded([date(2026, 1, 1), date(2026, 1, 20), date(2026, 3, 2)], 0.09), date(2026, 3, 2)
    chance = silent_chance(held, params(0.09), 91)
    for days in range(0, 400, 7):
        assert chance(days) == p_none(held, params(0.09), today + timedelta(days=days), 91)
    with pytest.raises(ValueError, match="another decay"):
        silent_chance(held, params(0.1), 91)

"""All customers at once: the same alarms as one at a time, and what a base says about itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from math import exp, log, sqrt

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.alerts.model.cadence.base import pauses, typical
from services.alerts.model.cadence.calibrate import GRID, calibrated, tried
from services.alerts.model.cadence.decision import YEAR_DAYS, kind_of
from services.alerts.model.cadence.histories import Histories
from services.alerts.model.cadence.histories import histories as base_of
from services.alerts.model.cadence.priors import Dated, untried
from services.alerts.model.cadence.replay import Replay, replay
from services.alerts.model.cadence.tell import told
from services.alerts.model.cadence.timeline import dated
from services.alerts.model.cadence.timeline import settings as side_by_side
from services.alerts.model.cadence.trial import tried_out
from services.alerts.model.cadence.verdict import verdicts
from tests.alerts.cadence.cadencekit import PRIORS, START, day, days_of, histories, timelines

UNTIL = day(900)
Alarm = tuple[date, date | None, str, str, float]


def alarms_of(found: Replay, base: Histories, setting: int = 0) -> dict[str, list[Alarm]]:
    by: dict[str, list[Alarm]] = {name: [] for name in base.names}
    one = found.alarms
    for i in np.flatnonzero(one.setting == setting):
        ended = int(one.ended[i])
        outcome = "standing" if not ended else "new_rhythm" if one.new_rhythm[i] else "recovered"
        by[base.names[int(one.customer[i])]].append(
            (
                date.fromordinal(int(one.raised[i])),
                date.fromordinal(ended) if ended else None,
                outcome,
                kind_of(float(one.statistic[i]), float(one.full_bar[i])),
                round(float(one.statistic[i]), 9),
            )
        )
    return {name: sorted(own) for name, own in by.items()}


def alarms_told(days: Sequence[date], timeline: list[Dated]) -> list[Alarm]:
    return [
        (one.raised_on, one.ended_on, one.outcome, one.kind, round(one.statistic, 9))
        for one in told(days, timeline, UNTIL)
    ]


@settings(max_examples=60)
@given(bases=st.lists(histories, min_size=1, max_size=6), timeline=timelines())
def test_all_at_once_has_the_alarms_of_each_told_alone(bases: list[list[int]], timeline: list[Dated]) -> None:
    days = {str(n): [one for one in days_of(gaps) if one <= UNTIL] for n, gaps in enumerate(bases)}
    base = base_of(days)
    found = alarms_of(replay(base, dated(timeline), UNTIL.toordinal()), base)
    assert found == {name: alarms_told(own, timeline) for name, own in days.items()}


@settings(max_examples=30)
@given(gaps=histories)
def test_settings_side_by_side_do_not_touch_one_another(gaps: list[int]) -> None:
    base = base_of({"a": [one for one in days_of(gaps) if one <= UNTIL]})
    grid = np.array([0.1, 1.0, 10.0])
    found = replay(base, side_by_side(PRIORS, grid), UNTIL.toordinal())
    for place, c in enumerate(grid):
        alone = [Dated(valid_from=START, priors=msgspec.structs.replace(PRIORS, c=(float(c),) * 3))]
        assert alarms_of(found, base, place)["a"] == alarms_told(days_of(gaps), alone)


def made(customers: int, seed: int, days: int = 700, shape: float = 3.0, mean: float = 12.0) -> dict[str, list[date]]:
    """Gamma customers who never change."""
    chance = np.random.default_rng(seed)
    bought = np.cumsum(chance.gamma(shape, mean / shape, (customers, 2 * int(days / mean))), axis=1)
    return {str(n): sorted({day(int(one)) for one in row if one < days}) for n, row in enumerate(bought)}


def test_what_is_typical_of_a_base_is_found_in_it() -> None:
    found = typical(base_of({"a": days_of([10] * 4), "b": days_of([40] * 4), "c": days_of([5])}), untried(0.1))
    assert found.m0 == pytest.approx(20)  # geometric mean of 10 and 40; one gap is too few
    assert found.rate_mean == pytest.approx(((10**-0.5 + 40**-0.5) / 2) ** -2)
    assert found.k0 == 1.5  # nobody has more than eight gaps
    many = typical(base_of(made(60, 1)), untried(0.1))
    assert many.k0 == pytest.approx(3, rel=0.15)
    assert many.cuts[0] < many.k0 < many.cuts[1]


def test_customers_who_take_no_pause_are_said_to_take_hardly_any() -> None:
    base = base_of(made(60, 2))
    assert pauses(base, typical(base, untried(0.1))).pause_share <= 0.02


def test_pauses_are_found_where_they_are_taken() -> None:
    days = made(80, 3)
    for own in days.values():
        own[20:] = [one + timedelta(days=50) for one in own[20:]]
        own[40:] = [one + timedelta(days=50) for one in own[40:]]
    base = base_of(days)
    assert pauses(base, typical(base, untried(0.1))).pause_share >= 0.03


def test_without_a_past_c_is_what_the_budget_alone_says() -> None:
    c = 0.8 * sqrt(0.1)
    assert untried(0.1).c == (c, c, c)
    nothing = base_of({"a": days_of([10])})
    assert calibrated(nothing, untried(0.1), START.toordinal() + 10).c == pytest.approx((c, c, c))


def test_the_grid_tried_only_as_far_as_needed_gives_the_c_of_the_whole() -> None:
    base, until = base_of(made(60, 4)), day(700).toordinal()
    priors = typical(base, untried(0.1))
    whole = tried(base, priors, until)
    rate = np.maximum.accumulate(
        (whole.unfounded.sum(axis=1) + 20 * (GRID / 0.8) ** 2) / (whole.years.sum(axis=1) + 20)
    )
    c = exp(float(np.interp(log(0.1), np.log(rate), np.log(GRID))))
    found = calibrated(base, priors, until).c
    assert all(c / 2 <= one <= c * 2 for one in found)
    assert c == pytest.approx(float(np.exp(np.mean(np.log(found)))), rel=0.35)


def test_an_alarm_is_unfounded_when_more_than_half_of_what_was_usual_follows() -> None:
    steady = [14] * 10
    for bought, unfounded in ((2, False), (3, True)):
        # 56 days, four own means: four purchases are usual.
        days = days_of([*steady, 70, *[5] * (bought - 1)])
        base = base_of({"a": days})
        found = replay(base, dated([Dated(valid_from=START, priors=PRIORS)]), day(400).toordinal())
        verdict = verdicts(base, found.alarms, day(400).toordinal())
        raised = int(found.alarms.raised[0])
        assert raised + 56 >= days[-1].toordinal(), "else the example says nothing"
        assert (int(verdict.bought[0]), bool(verdict.unfounded[0])) == (bought, unfounded)
        assert not verdicts(base, found.alarms, raised + 55).complete[0]
        assert verdicts(base, found.alarms, raised + 56).complete[0]


def test_years_at_risk_end_where_no_verdict_can_be_known_yet() -> None:
    base = base_of({"a": days_of([14] * 20)})
    quiet = replay(base, dated([Dated(valid_from=START, priors=PRIORS)]), day(280).toordinal()).quiet
    # From the third gap's end, day 42, to 56 days before the end.
    assert quiet.sum() == 280 - 56 - 42


@pytest.fixture(scope="module")
def growing() -> dict[str, list[date]]:
    return made(120, 6)


def test_priors_never_see_their_own_day_or_a_later_one(growing: dict[str, list[date]]) -> None:
    whole = tried_out(growing, START, day(699), 0.1).timeline
    assert [(one.valid_from - whole[0].valid_from).days for one in whole] == [0, 182, 273, 364, 455, 546, 637]
    cut = whole[3].valid_from
    known = {name: [one for one in own if one < cut] for name, own in growing.items()}
    assert tried_out(known, START, cut, 0.1).timeline == whole[:4]


def test_a_trial_is_each_customers_own_story_under_the_days_priors(growing: dict[str, list[date]]) -> None:
    begin, until = day(300), day(699)
    trial = tried_out(growing, begin, until, 0.5)
    found: dict[str, list[date]] = {}
    for customer, raised in zip(trial.alarms.customer, trial.alarms.raised, strict=True):
        found.setdefault(trial.base.names[int(customer)], []).append(date.fromordinal(int(raised)))
    expected = {
        name: [one.raised_on for one in told(own, trial.timeline, until) if one.raised_on >= begin]
        for name, own in growing.items()
    }
    assert found == {name: own for name, own in expected.items() if own}
    assert trial.watched == 120
    assert trial.watched_years == pytest.approx(120 * 400 / YEAR_DAYS)

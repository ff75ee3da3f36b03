"""The day of alarm, known when a purchase has come."""

from __future__ import annotations

from datetime import date, timedelta
from math import log, sqrt

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.model.cadence.decision import bars, crossed, deadline, judge, kind_of
from services.alerts.model.cadence.priors import Priors, from_parameters
from services.alerts.model.cadence.rhythm import OutOfOrder, Rhythm, bought
from services.alerts.model.cadence.tail import single
from tests.alerts.cadence.cadencekit import PRIORS, after_gaps, day, days_of, gaps, priors

_DAY = timedelta(days=1)


def stepped(state: Rhythm, by: Priors, closed: frozenset[date] = frozenset()) -> date:
    """The deadline found by waiting, a day at a time."""
    last = state.last
    assert last is not None
    found, open_days, at = judge(state, by), 0, last
    while True:
        at += _DAY
        open_days += at not in closed
        if open_days and found.tail.surprise(single(open_days)) >= found.bar:
            return at


@given(own=st.lists(gaps, min_size=3, max_size=12), by=priors)
def test_the_deadline_is_the_day_that_waiting_would_find(own: list[int], by: Priors) -> None:
    state = after_gaps(*own, priors=by)
    due = deadline(state, by)
    assert due is not None
    assert due == stepped(state, by)


@given(own=st.lists(st.integers(1, 30), min_size=3, max_size=8), closed=st.sets(st.integers(0, 400), max_size=60))
def test_closed_days_do_not_count_as_silence(own: list[int], closed: set[int]) -> None:
    state = after_gaps(*own)
    last = state.last
    assert last is not None
    days = frozenset(last + timedelta(days=number) for number in closed)
    due = deadline(state, PRIORS, days)
    assert due == stepped(state, PRIORS, days)
    assert due is not None
    assert due not in days
    open_days = sum(last + timedelta(days=n) not in days for n in range(1, (due - last).days + 1))
    plain = deadline(state, PRIORS)
    assert plain is not None
    assert open_days == (plain - last).days


def test_nobody_is_judged_before_his_third_gap_has_closed() -> None:
    assert deadline(Rhythm(), PRIORS) is None
    assert deadline(after_gaps(10, 10), PRIORS) is None
    assert deadline(after_gaps(10, 10, 10), PRIORS) is not None


def test_several_purchases_of_a_day_count_once() -> None:
    state = after_gaps(10, 10, 10)
    assert bought(state, day(30), PRIORS) is state


def test_a_purchase_before_the_last_one_asks_for_the_whole_history() -> None:
    with pytest.raises(OutOfOrder, match="tell the whole history again"):
        bought(after_gaps(10, 10, 10), day(29), PRIORS)


def test_the_bar_is_the_share_of_gaps_that_a_years_alarms_allow() -> None:
    full, bar = bars(single(14), single(14), single(0.25), single(1))
    q = 0.25 * sqrt(14 * 14) / 365.25
    assert float(full) == pytest.approx(-log(q))
    assert float(bar) == float(full)


def test_remembered_late_orders_lower_the_bar_but_never_raise_it() -> None:
    full, bar = bars(single(14), single(14), single(0.25), single(3))
    assert float(bar) == pytest.approx(0.787 + 1.148 * float(full) - 3)
    assert kind_of(float(bar), float(full)) == "slowdown"
    assert kind_of(float(full), float(full)) == "stop"


def test_a_lowered_bar_above_five_is_none() -> None:
    """The memory must not stand in for a gap that says next to nothing."""
    full, bar = bars(single(14), single(14), single(0.01), single(2))
    assert 0.787 + 1.148 * float(full) - 2 > 5
    assert float(bar) == float(full)


def test_no_more_than_three_in_ten_gaps_are_ever_asked_for() -> None:
    assert float(bars(single(100), single(100), single(200), single(1))[0]) == pytest.approx(-log(0.3))


def test_an_alarm_says_what_it_rests_on() -> None:
    state = after_gaps(10, 12, 8)
    due = deadline(state, PRIORS)
    assert due is not None
    episode = crossed(state, due, PRIORS).episode
    assert episode is not None
    assert (episode.raised_on, episode.last_purchase, episode.mean_gap) == (due, day(30), 10)
    assert episode.statistic >= episode.bar
    assert episode.p == pytest.approx(2.718281828459045**-episode.statistic)
    with pytest.raises(ValueError, match="one stands"):
        crossed(crossed(state, due, PRIORS), due, PRIORS)


def test_a_budget_so_small_that_no_silence_is_enough_gives_no_day() -> None:
    by = msgspec.structs.replace(PRIORS, c=(1e-290, 1e-290, 1e-290))
    assert deadline(after_gaps(300, 301, 299), by) is None


def test_priors_come_back_from_what_is_published_to_the_last_digit() -> None:
    by = msgspec.structs.replace(PRIORS, m0=100 / 7, c=(0.1 + 0.2, 1 / 3, 2 / 3))
    assert from_parameters(by.parameters()) == by


def test_a_rhythm_survives_storing() -> None:
    state = after_gaps(10, 12, 8)
    due = deadline(state, PRIORS)
    assert due is not None
    raised = crossed(state, due, PRIORS)
    assert msgspec.json.decode(msgspec.json.encode(raised), type=Rhythm) == raised
    assert days_of([10, 12, 8])[-1] == raised.last

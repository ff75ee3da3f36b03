"""A history told again: episodes with their boundary days, new priors in the middle of a gap, any order."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.alerts.model.cadence.decision import crossed, deadline
from services.alerts.model.cadence.episode import Episode
from services.alerts.model.cadence.priors import Dated
from services.alerts.model.cadence.rhythm import CALM, Rhythm, bought
from services.alerts.model.cadence.tell import tell, told
from tests.alerts.cadence.cadencekit import PRIORS, START, after_gaps, day, days_of, histories, timelines

ALWAYS = [Dated(valid_from=START, priors=PRIORS)]
REGULAR = [10] * 8
LAST = 80  # the day of the last regular purchase
_DAY = timedelta(days=1)


def due_after(*gaps: int) -> int:
    """The deadline's number of days after START."""
    due = deadline(after_gaps(*gaps), PRIORS)
    assert due is not None
    return (due - START).days


DUE = due_after(*REGULAR)


def test_a_purchase_on_the_deadline_is_in_time() -> None:
    assert told(days_of([*REGULAR, DUE - LAST]), ALWAYS, day(DUE)) == []


def test_a_purchase_on_the_day_after_the_deadline_is_late() -> None:
    (episode,) = told(days_of([*REGULAR, DUE - LAST + 1]), ALWAYS, day(DUE + 1))
    assert (episode.raised_on, episode.ended_on, episode.outcome) == (day(DUE), None, "standing")


def test_an_alarm_is_raised_on_the_last_day_that_is_asked_for_and_not_before() -> None:
    assert told(days_of(REGULAR), ALWAYS, day(DUE - 1)) == []
    assert [one.raised_on for one in told(days_of(REGULAR), ALWAYS, day(DUE))] == [day(DUE)]


def late(*gaps: int) -> tuple[list[Episode], Rhythm]:
    """A regular customer who is 40 days late and then buys after these gaps."""
    days = days_of([*REGULAR, 40, *gaps])
    rhythm, episodes = tell(days, ALWAYS, days[-1])
    return episodes, rhythm


def test_three_gaps_within_four_old_means_are_a_recovery() -> None:
    (episode,), rhythm = late(13, 13, 14)
    assert (episode.ended_on, episode.outcome) == (day(LAST + 80), "recovered")
    assert (rhythm.gaps, rhythm.memory) == (12, CALM)


def test_one_day_more_is_none_and_the_fourth_gap_makes_a_new_rhythm() -> None:
    (episode,), rhythm = late(13, 14, 14)
    assert (episode.ended_on, episode.outcome) == (day(LAST + 81), "new_rhythm")
    # It begins with the four gaps that closed after the alarm, the overdue one among them.
    assert (rhythm.gaps, rhythm.total, rhythm.memory) == (4, 81, CALM)


def test_before_the_fourth_gap_the_alarm_stands() -> None:
    (episode,), _ = late(13, 14)
    assert episode.outcome == "standing"


def test_the_overdue_gap_counts_among_the_three() -> None:
    days = days_of([*REGULAR, DUE - LAST + 1, 1, 1])
    assert DUE - LAST + 3 <= 40, "else the example says nothing"
    (episode,) = told(days, ALWAYS, days[-1])
    assert (episode.ended_on, episode.outcome) == (days[-1], "recovered")


def test_there_is_no_second_alarm_while_one_stands() -> None:
    assert len(told(days_of([*REGULAR, 100, 100, 100]), ALWAYS, day(LAST + 399))) == 1


def test_after_an_end_there_may_be_another() -> None:
    days = days_of([*REGULAR, 40, 10, 10, 10])
    assert len(told(days, ALWAYS, days[-1] + timedelta(days=200))) == 2


STRICT = msgspec.structs.replace(PRIORS, c=(2.5, 2.5, 2.5))


def test_new_priors_raise_a_deadline_already_past_on_the_day_they_come_into_force() -> None:
    strict = deadline(after_gaps(*REGULAR), STRICT)
    assert strict is not None
    assert strict < day(DUE - 2)
    (episode,) = told(days_of(REGULAR), [*ALWAYS, Dated(valid_from=day(DUE - 1), priors=STRICT)], day(DUE + 9))
    assert episode.raised_on == day(DUE - 1)
    bought_then = days_of([*REGULAR, DUE - 1 - LAST])
    assert told(bought_then, [*ALWAYS, Dated(valid_from=day(DUE - 1), priors=STRICT)], day(DUE - 1)) == []


def test_new_priors_solve_an_open_deadline_again() -> None:
    strict = deadline(after_gaps(*REGULAR), STRICT)
    assert strict is not None
    (episode,) = told(days_of(REGULAR), [*ALWAYS, Dated(valid_from=strict - _DAY, priors=STRICT)], day(DUE + 9))
    assert episode.raised_on == strict
    lenient = msgspec.structs.replace(PRIORS, c=(0.01, 0.01, 0.01))
    (later,) = told(days_of(REGULAR), [*ALWAYS, Dated(valid_from=day(DUE), priors=lenient)], day(400))
    assert later.raised_on == deadline(after_gaps(*REGULAR), lenient)


def test_late_orders_that_are_remembered_make_it_a_slowdown() -> None:
    steady = [10, 9, 11, 10, 9, 11] * 3
    slow = [*steady, 19, 19]
    state = after_gaps(*slow)
    due = deadline(state, PRIORS)
    assert due is not None
    episode = crossed(state, due, PRIORS).episode
    assert episode is not None
    assert episode.kind == "slowdown"
    assert episode.bar <= episode.statistic
    unmindful = deadline(msgspec.structs.replace(state, memory=CALM), PRIORS)
    assert unmindful is not None
    assert due < unmindful


@given(gaps=histories, timeline=timelines(), seed=st.integers(0, 9))
def test_the_order_in_which_purchases_are_known_changes_nothing(
    gaps: list[int], timeline: list[Dated], seed: int
) -> None:
    days = days_of(gaps)
    mixed = days * 2
    Random(seed).shuffle(mixed)
    assert told(mixed, timeline, day(900)) == told(days, timeline, day(900))


def waited_day_by_day(days: list[date], timeline: list[Dated], until: date) -> list[Episode]:
    """What a service does: it holds the deadline, solves it again after a purchase and under new priors, and looks
    every morning; a purchase of the day comes first."""
    state, found, today = Rhythm(), dict[date, Episode](), days[0]
    while today <= until:
        by = [one.priors for one in timeline if one.valid_from <= today][-1]
        if today in days:
            state = bought(state, today, by)
        else:
            due = deadline(state, by)
            if due is not None and due <= today:
                state = crossed(state, today, by)
        if state.episode is not None:
            found[state.episode.raised_on] = state.episode
        today += _DAY
    return list(found.values())


@settings(deadline=None)
@given(gaps=histories, timeline=timelines())
def test_the_history_told_at_once_has_the_alarms_of_one_purchase_at_a_time(
    gaps: list[int], timeline: list[Dated]
) -> None:
    days = days_of(gaps)
    until = min(days[-1] + timedelta(days=120), day(700))
    assert told(days, timeline, until) == waited_day_by_day(days, timeline, until)


def test_nothing_after_the_end_is_seen() -> None:
    days = days_of([*REGULAR, 100])
    assert told(days, ALWAYS, day(LAST + 90)) == told(days[:-1], ALWAYS, day(LAST + 90))


def test_the_first_priors_hold_before_their_day_too() -> None:
    later = [Dated(valid_from=day(500), priors=PRIORS)]
    assert told(days_of(REGULAR), later, day(300)) == told(days_of(REGULAR), ALWAYS, day(300))


@pytest.mark.parametrize("gaps", [[], [10], [10, 10]])
def test_short_histories_have_no_alarms(gaps: list[int]) -> None:
    assert told(days_of(gaps), ALWAYS, day(2000)) == []

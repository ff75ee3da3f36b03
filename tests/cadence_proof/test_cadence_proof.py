"""What is promised of the cadence, on customers made for it and on real ones. `make cadence` prints the figures."""

from __future__ import annotations

from statistics import mean

import pytest

from tests.cadence_proof.score import Score
from tests.cadence_proof.table import SEEDS, SHAPES, cdnow, compared

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def ours() -> list[Score]:
    return [compared(seed, (2.0, 6.0)).ours for seed in SEEDS]


def test_false_alarms_stay_near_the_budget(ours: list[Score]) -> None:
    assert max(score.false for score in ours) <= 0.12


def test_slow_downs_and_stops_are_seen_in_time(ours: list[Score]) -> None:
    least = (0.37, 0.65, 0.855)
    assert all(mean(score.recall[i] for score in ours) >= least[i] for i in range(3))


def test_stops_are_seen_within_a_few_gaps(ours: list[Score]) -> None:
    assert mean(score.stops[0] for score in ours) >= 0.72
    assert mean(score.stops[1] for score in ours) >= 0.98


@pytest.mark.parametrize("shape", SHAPES)
def test_the_budget_holds_for_regular_customers_and_for_irregular_ones(shape: int) -> None:
    assert 0.06 <= compared(10 + shape, (shape, shape)).ours.false <= 0.17


def test_on_real_customers_few_alarms_are_unfounded() -> None:
    trial = cdnow(0.1)
    assert trial.unfounded / trial.years_at_risk <= 0.20

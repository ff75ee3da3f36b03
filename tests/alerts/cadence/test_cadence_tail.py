"""The tail of the open gap: worked numbers, and the mixture that its closed form stands for."""

from __future__ import annotations

from math import exp, lgamma, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import gammaincc

from services.alerts.model.cadence.tail import SHAPES, Tail, own_shape, shape, single, tail


def gap_after(gaps: list[int], k0: float = 3.0, m0: float = 14.0, share: float = 0.0, length: float = 2.0) -> Tail:
    logs = sum(log(max(gap, 0.5)) for gap in gaps)
    own = single(len(gaps)), single(sum(gaps)), single(logs)
    return tail(*own, single(m0), single(k0), single(share), single(length))


def mixture(gap: Tail, days: float) -> float:
    """P(G > days) by integration over the rate: gamma(weight k) with rate k reach, gaps gamma(k) with that rate."""
    k, a = float(gap.shape), float(gap.weight * gap.shape)
    b = k * float(gap.reach)

    def part(rate: float) -> float:
        density = a * log(b) + (a - 1) * log(rate) - b * rate - lgamma(a)
        return exp(density) * float(gammaincc(k, rate * k * days))

    # The rate of a gap of mean m is 1/m in these units, so that its posterior mean is weight / reach.
    middle = float(gap.weight / gap.reach)
    b = k * float(gap.reach)
    return float(quad(part, 1e-12, middle * 12, points=[middle], limit=300)[0])


@pytest.mark.parametrize("days", [1, 7, 14, 30, 60])
@pytest.mark.parametrize("gaps", [[10, 14, 18], [7, 7, 8, 6, 7, 9], [3, 40, 11, 2, 25]])
def test_the_tail_is_the_gamma_mixture_over_the_rate(gaps: list[int], days: int) -> None:
    gap = gap_after(gaps)
    assert float(gap.regular(single(days))) == pytest.approx(mixture(gap, days), rel=1e-6)


def test_a_worked_example_of_shape_mean_and_tail() -> None:
    gap = gap_after([10, 14, 18], share=0.05)
    # B = 7 + 42, mean = 49 / 3.5; x = ln 14 - (ln 10 + ln 14 + ln 18) / 3 = .02848, k^ = 17.7 cut to 15, w = 3 / 23.
    assert float(gap.reach) == 49
    assert float(gap.mean) == 14
    assert float(gap.shape) == pytest.approx(exp(3 / 23 * log(15) + 20 / 23 * log(3)))
    pause = 0.05 * exp(-42 / 28)
    assert float(gap.chance(single(42))) == pytest.approx(0.95 * mixture(gap, 42) + pause, rel=1e-6)


def test_without_gaps_to_tell_them_apart_the_customer_is_as_regular_as_can_be() -> None:
    assert float(own_shape(single(5), single(35), single(5 * log(7)))) == SHAPES[1]


def test_the_own_shape_is_near_the_likeliest_of_many_gamma_gaps() -> None:
    gaps = np.random.default_rng(5).gamma(4.0, 14 / 4.0, 20_000)
    found = own_shape(single(len(gaps)), single(gaps.sum()), single(np.log(gaps).sum()))
    assert float(found) == pytest.approx(4.0, rel=0.03)


def test_few_gaps_leave_the_shape_near_that_of_the_base() -> None:
    logs = log(2) + log(9) + log(30)
    few = float(shape(single(3), single(41), single(logs), single(3)))
    many = float(shape(single(300), single(4100), single(100 * logs), single(3)))
    own = float(own_shape(single(3), single(41), single(logs)))
    assert abs(few - 3) < abs(many - 3)
    assert many == pytest.approx(own, rel=0.1)


@given(
    gaps=st.lists(st.integers(1, 300), min_size=3, max_size=30),
    k0=st.floats(0.7, 15),
    share=st.sampled_from((0.0, 0.05, 0.15)),
)
def test_every_silent_day_is_a_greater_surprise(gaps: list[int], k0: float, share: float) -> None:
    v = gap_after(gaps, k0, share=share).surprise(np.arange(0.0, 400.0))
    assert v[0] == pytest.approx(0, abs=1e-12)
    assert (np.diff(v) >= -1e-9).all()

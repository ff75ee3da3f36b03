"""The parameters of activity: what they reach on real data, and that they are found from the past and only from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from deploy.demo.data import purchases
from services.alerts.model.activity.fit import TooLittle, fit
from services.alerts.model.activity.rate import Params, expected, folded, p_none

WEEKS = 39 * 7
SEEN_UNTIL = date(1997, 9, 30)  # 39 weeks from the first day of 1997
Histories = dict[str, list[date]]


@pytest.fixture(scope="module")
def cdnow() -> Histories:
    """Purchase days of the 23,570 customers who first bought at CDNOW in the first quarter of 1997."""
    days: dict[str, set[date]] = {}
    for purchase in purchases():
        days.setdefault(purchase.customer, set()).add(purchase.bought_on)
    return {customer: sorted(held) for customer, held in days.items()}


@pytest.fixture(scope="module")
def fitted(cdnow: Histories) -> Params:
    return fit(cdnow.values(), SEEN_UNTIL, WEEKS)


def auc(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """The chance that one of the positive is ranked above one who is not, ties counting half."""
    high = [score for score, hit in zip(scores, positive, strict=True) if hit]
    low = [score for score, hit in zip(scores, positive, strict=True) if not hit]
    return float(mannwhitneyu(high, low).statistic) / (len(high) * len(low))


def test_on_cdnow_it_ranks_who_will_not_buy_in_the_next_39_weeks(cdnow: Histories, fitted: Params) -> None:
    scores: list[tuple[int, float, bool]] = []
    for days in cdnow.values():
        seen = [day for day in days if day <= SEEN_UNTIL]
        none = not any(SEEN_UNTIL < day <= SEEN_UNTIL + timedelta(days=WEEKS) for day in days)
        scores.append((len(seen), p_none(folded(seen, fitted.decay), fitted, SEEN_UNTIL, WEEKS), none))
    assert len(scores) == 23_570
    for least, target in ((1, 0.765), (2, 0.728), (3, 0.710)):
        kept = [(p, none) for bought, p, none in scores if bought >= least]
        reached = auc([p for p, _ in kept], [none for _, none in kept])
        assert reached >= target, f"with {least} purchases or more: {reached:.4f}"
    # Ranking is not all: what it says of everybody together must come true as well.
    said, came = np.mean([p for _, p, _ in scores]), np.mean([none for _, _, none in scores])
    assert said == pytest.approx(came, abs=0.02)


def test_on_cdnow_as_many_purchases_come_as_are_expected(cdnow: Histories, fitted: Params) -> None:
    said = sum(
        expected(folded([day for day in days if day <= SEEN_UNTIL], fitted.decay), fitted, SEEN_UNTIL, WEEKS)
        for days in cdnow.values()
    )
    came = sum(day > SEEN_UNTIL for days in cdnow.values() for day in days)
    assert said == pytest.approx(came, rel=0.05)


def test_the_parameters_are_those_of_the_documented_run(fitted: Params) -> None:
    assert fitted.decay == pytest.approx(0.08, abs=0.005)
    assert fitted.shape == pytest.approx(0.205, abs=0.005)
    assert fitted.weeks == pytest.approx(12.87, abs=0.3)


def test_what_comes_after_the_day_is_not_seen(cdnow: Histories, fitted: Params) -> None:
    cut = [[day for day in days if day <= SEEN_UNTIL] for days in cdnow.values()]
    assert fit(cut, SEEN_UNTIL, WEEKS) == fitted


def made(customers: int, weeks: int, shape: float, prior_weeks: float, decay: float, seed: int) -> list[list[date]]:
    """Customers of the model itself: each day's chance of a purchase is a seventh of the rate that day."""
    chance, start = np.random.default_rng(seed), date(2024, 1, 1)
    repeats, watched = np.zeros(customers), np.zeros(customers)
    found = [[start] for _ in range(customers)]
    for day in range(1, 7 * weeks):
        buys = chance.random(customers) < (shape + repeats) / (prior_weeks + watched) / 7
        faded = np.exp(-decay / 7)
        repeats, watched = repeats * faded + buys, watched * faded + (1 - faded) / decay
        for customer in np.flatnonzero(buys):
            found[customer].append(start + timedelta(days=day))
    return found


def test_it_finds_the_parameters_that_made_a_base() -> None:
    histories = made(4000, 60, 0.8, 8, 0.05, seed=3)
    # With blocks of a week the rate hardly moves within one, as the forecast assumes.
    fitted = fit(histories, date(2024, 1, 1) + timedelta(days=7 * 60 - 1), 7)
    assert (fitted.block_days, fitted.blocks) == (7, 13)
    assert fitted.decay == pytest.approx(0.05, rel=0.2)
    assert fitted.shape / fitted.weeks == pytest.approx(0.1, rel=0.1)
    assert fitted.shape == pytest.approx(0.8, rel=0.2)


@pytest.mark.parametrize(
    ("past", "horizon", "block_days", "blocks"),
    [
        (273, 273, 91, 1),  # a third of the past, and nothing has twice that before it but the last
        (273, 30, 30, 7),
        (1200, 91, 91, 4),  # a year
        (1200, 7, 7, 13),  # a year, every fourth week
        (3000, 900, 900, 1),
        (4, 10, 1, 1),
    ],
)
def test_blocks_are_as_long_as_the_horizon_and_have_twice_that_before_them(
    past: int, horizon: int, block_days: int, blocks: int
) -> None:
    start = date(2020, 1, 1)
    as_of = start + timedelta(days=past - 1)
    histories = [[start + timedelta(days=at) for at in range(0, past, step)] for step in (1, 3, 10)]
    fitted = fit(histories, as_of, horizon)
    assert (fitted.block_days, fitted.blocks) == (block_days, blocks)
    assert fitted.customers == 3 * blocks


def test_a_handful_of_customers_gives_figures_of_their_own_order() -> None:
    start = date(2026, 1, 1)
    as_of = start + timedelta(days=179)
    weekly = [[start + timedelta(days=at + 7 * n) for n in range(25)] for at in (0, 2)]
    fitted = fit([*weekly, [start]], as_of, 30)
    for days in weekly:
        assert 2 < expected(folded(days, fitted.decay), fitted, as_of, 30) < 6
    assert p_none(folded([start], fitted.decay), fitted, as_of, 30) > 0.5


def test_nobody_who_ever_came_back_is_no_reason_to_fail() -> None:
    start = date(2026, 1, 1)
    fitted = fit([[start + timedelta(days=n)] for n in range(50)], start + timedelta(days=200), 30)
    assert fitted.purchases == 0
    assert p_none(folded([start], fitted.decay), fitted, start + timedelta(days=200), 30) > 0.9


def test_a_base_without_a_past_is_refused_and_says_what_is_wanted() -> None:
    day = date(2026, 1, 1)
    for histories, as_of in (([[day]], day + timedelta(days=1)), ([[day]], day - timedelta(days=1)), ([], day)):
        with pytest.raises(TooLittle, match="expected a past of weeks at least"):
            fit(histories, as_of, 30)
    with pytest.raises(ValueError, match="expected 1 or more"):
        fit([[day]], day + timedelta(days=90), 0)

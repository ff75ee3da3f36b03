"""Made purchases and priors for the tests of the cadence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import accumulate

from hypothesis import strategies as st

from services.alerts.model.cadence.priors import Dated, Priors
from services.alerts.model.cadence.rhythm import Rhythm, bought

START = date(2024, 1, 1)
PRIORS = Priors(
    m0=14, rate_mean=13, k0=3, pause_share=0.02, pause_length=2, cuts=(2.5, 4), c=(0.2, 0.25, 0.3), budget=0.1
)


def day(number: int) -> date:
    """Days are counted from START, day 0."""
    return START + timedelta(days=number)


def after_gaps(*gaps: int, priors: Priors = PRIORS) -> Rhythm:
    """The rhythm of a customer who bought on day 0 and then after each gap."""
    state = Rhythm()
    for number in accumulate(gaps, initial=0):
        state = bought(state, day(number), priors)
    return state


def days_of(gaps: Sequence[int]) -> list[date]:
    """Purchase days from day 0 on."""
    return [day(number) for number in accumulate(gaps, initial=0)]


gaps = st.one_of(st.integers(1, 30), st.integers(1, 30), st.integers(31, 200))
histories = st.lists(gaps, max_size=18)
priors = st.builds(
    Priors,
    m0=st.floats(5, 60),
    rate_mean=st.floats(5, 60),
    k0=st.floats(0.8, 8),
    pause_share=st.sampled_from((0.0, 0.02, 0.05, 0.15)),
    pause_length=st.sampled_from((1.5, 2.0, 6.0)),
    cuts=st.tuples(st.floats(1, 2), st.floats(2, 5)),
    c=st.tuples(*[st.floats(0.05, 20)] * 3),
    budget=st.just(0.1),
)


@st.composite
def timelines(draw: st.DrawFn) -> list[Dated]:
    """Priors that change on up to three days of the first year and a half."""
    starts = sorted(draw(st.sets(st.integers(1, 500), max_size=3)))
    return [Dated(valid_from=day(start), priors=draw(priors)) for start in (0, *starts)]

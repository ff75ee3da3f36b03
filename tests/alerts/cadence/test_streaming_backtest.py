"""The alarms that stand at the end are the backtest's, in whatever order the purchases of CDNOW become known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from random import Random

import pytest

from services.alerts.model.cadence.decision import kind_of
from services.alerts.model.cadence.tell import told
from services.alerts.model.cadence.trial import Trial
from tests.alerts.cadence.rhythmkit import Alarm, Customer, streamed
from tests.cadence_proof.table import cdnow

EVERY = 7  # one customer in so many is streamed
MONTH = 30

Known = Callable[[Random, date], date]


def in_order(chance: Random, on: date) -> date:
    """Known on its own day."""
    return on


def within_a_week(chance: Random, on: date) -> date:
    """Known up to seven days later."""
    return on + timedelta(days=chance.randrange(8))


def a_month_late(chance: Random, on: date) -> date:
    """One in a hundred is known a month later."""
    return on + timedelta(days=MONTH if chance.random() < 0.01 else 0)


@pytest.fixture(scope="module")
def trial() -> Trial:
    """CDNOW from the first purchase to the last, with the priors of each day."""
    return cdnow(0.1)


@pytest.fixture(scope="module")
def backtest(trial: Trial) -> dict[str, list[Alarm]]:
    """Each customer's alarms."""
    found: dict[str, list[Alarm]] = {}
    alarms = trial.alarms
    for n, customer in enumerate(alarms.customer):
        kind = kind_of(float(alarms.statistic[n]), float(alarms.full_bar[n]))
        raised = date.fromordinal(int(alarms.raised[n]))
        found.setdefault(trial.base.names[customer], []).append((raised, kind))
    return found


def days_of(trial: Trial) -> dict[str, list[date]]:
    """The purchase days of every seventh customer who can have an alarm at all (the others were looked at by name)."""
    base = trial.base
    chosen = [n for n in range(base.customers) if base.count[n] > 3][::EVERY]
    return {
        base.names[n]: [date.fromordinal(int(day)) for day in base.days[base.first[n] : base.first[n] + base.count[n]]]
        for n in chosen
    }


def all_streamed(trial: Trial, known: Known) -> dict[str, Customer]:
    chance = Random(7)
    # What is known late must be known before the end, or the service could not know what the backtest knows.
    end = trial.until + timedelta(days=MONTH)
    return {
        name: streamed(trial.timeline, [(day, known(chance, day)) for day in days], end)
        for name, days in days_of(trial).items()
    }


@pytest.mark.parametrize("known", [in_order, within_a_week, a_month_late])
def test_the_alarms_that_stand_are_the_backtests(trial: Trial, backtest: dict[str, list[Alarm]], known: Known) -> None:
    customers = all_streamed(trial, known)
    days = days_of(trial)
    found = alarms = withdrawn = 0
    for name, customer in customers.items():
        by_the_end = [one for one in customer.standing if one[0] <= trial.until]
        assert by_the_end == backtest.get(name, []), name
        end = trial.until + timedelta(days=MONTH)
        whole = [(one.raised_on, one.kind) for one in told(days[name], trial.timeline, end)]
        assert customer.standing == whole, name
        assert not customer.desk.dead
        alarms += len(by_the_end)
        found += bool(by_the_end)
        withdrawn += len(customer.withdrawn)
    assert alarms > 200, "else the example says little"
    assert (withdrawn == 0) == (known is in_order)
    if known is in_order:
        assert not any(alert.history for one in customers.values() for alert in one.alerts), "each was told in time"

"""Alarms of a base by the rule that is proven and by the one to beat, a gap of so many own means (the hiatus rule)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from services.alerts.model.cadence.episode import NEW_GAPS, RECOVERED_GAPS, fits
from services.alerts.model.cadence.rhythm import JUDGED_GAPS
from services.alerts.model.cadence.trial import Trial

Raised = dict[str, list[date]]


def of_trial(trial: Trial) -> Raised:
    """The alarms of a trial by customer."""
    found: Raised = {name: [] for name in trial.base.names}
    for customer, day in zip(trial.alarms.customer, trial.alarms.raised, strict=True):
        found[trial.base.names[int(customer)]].append(date.fromordinal(int(day)))
    return found


def by_factor(days: Mapping[str, Sequence[date]], factor: float, begin: date, until: date) -> Raised:
    """Alarms on the first day on which the open gap is longer than `factor` own means; episodes end as ours do."""
    return {
        name: [day for day in _one([day.toordinal() for day in own], factor, until) if day >= begin]
        for name, own in days.items()
    }


def _one(days: list[int], factor: float, until: date) -> list[date]:
    raised: list[date] = []
    start, since, old = 0, -1, 0.0  # since: gaps closed in the standing episode, -1 without one
    for at, day in enumerate(days):
        if since >= 0:
            since += 1
            recovered = since >= RECOVERED_GAPS and fits(day - days[at - RECOVERED_GAPS], old)
            if recovered or since >= NEW_GAPS:
                since, start = -1, start if recovered else at - NEW_GAPS
        if since < 0 and at - start >= JUDGED_GAPS:
            mean = (day - days[start]) / (at - start)
            due = day + int(factor * mean) + 1
            if due < (days[at + 1] if at + 1 < len(days) else until.toordinal() + 1):
                raised.append(date.fromordinal(due))
                since, old = 0, mean
    return raised

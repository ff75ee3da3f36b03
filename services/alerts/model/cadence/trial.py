"""The rule tried on a base's own past: the alarms of a period, and what followed them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date

import numpy as np

from services.alerts.model.cadence.decision import YEAR_DAYS
from services.alerts.model.cadence.histories import Histories, histories
from services.alerts.model.cadence.priors import Dated
from services.alerts.model.cadence.replay import Alarms, Flags, replay
from services.alerts.model.cadence.rhythm import JUDGED_GAPS
from services.alerts.model.cadence.timeline import dated
from services.alerts.model.cadence.verdict import Verdicts, days_before, verdicts
from services.alerts.model.cadence.walk import walked


@dataclass(frozen=True, slots=True)
class Trial:
    """What a period from `begin` to the end of `until` would have brought under the priors of each day.

    `alarms` (by day, then customer) and `verdicts` are those raised in the period, in `base`'s order of customers.
    `watched` of them had three closed gaps before its end, for `watched_years` customer-years of the period in all.
    `years_at_risk` are those by which the budget is kept: in gaps that closed without an alarm or up to an unfounded
    one, as far back from the end as a verdict takes.
    """

    begin: date
    until: date
    base: Histories
    timeline: list[Dated]
    alarms: Alarms
    verdicts: Verdicts
    watched: int
    watched_years: float
    years_at_risk: float

    @property
    def unfounded(self) -> int:
        """How many alarms were unfounded, as far as is known by the end."""
        return int(np.count_nonzero(self.verdicts.unfounded))


def tried_out(
    days: Mapping[str, Sequence[date]],
    begin: date,
    until: date,
    budget: float,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Trial:
    """Walk through a base's purchase days (distinct, in order, none after `until`; one at least) with priors from the
    past only. What came before `begin` warms up priors and rhythms; only alarms from then on are found, also those of
    customers whose last purchase lies before it. `budget`: unfounded alarms a customer-year, above 0.
    """
    base = histories(days)
    since, end = begin.toordinal(), until.toordinal()
    timeline = walked(base, until, budget, progress)
    found = replay(base, dated(timeline), end, since)
    alarms = _chosen(found.alarms, since)
    verdict = verdicts(base, alarms, end)
    at_risk = float(found.quiet.sum()) + float(days_before(alarms, since)[verdict.unfounded].sum())
    customers, years = watched(base, since, end)
    return Trial(
        begin=begin,
        until=until,
        base=base,
        timeline=timeline,
        alarms=alarms,
        verdicts=verdict,
        watched=customers,
        watched_years=years,
        years_at_risk=at_risk / YEAR_DAYS,
    )


def _chosen(alarms: Alarms, since: int) -> Alarms:
    order = np.lexsort((alarms.customer, alarms.raised))
    order = order[alarms.raised[order] >= since]
    return Alarms(**{one.name: getattr(alarms, one.name)[order] for one in fields(Alarms)})


def watched(base: Histories, since: int, until: int) -> tuple[int, float]:
    """How many customers have three closed gaps by `until`, and their years from `since` on (ordinals, both in)."""
    those: Flags = base.count > JUDGED_GAPS
    judged_on = base.days[base.first[those] + JUDGED_GAPS]
    days = until - np.maximum(judged_on, since - 1)
    return int(np.count_nonzero(days > 0)), float(np.maximum(days, 0).sum()) / YEAR_DAYS

"""What `GET /customers/{id}/cadence` gives. Days are the company's."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field


class AlarmView(BaseModel):
    """The alarm that stands; `id` is its alert's, absent until the clock has raised that."""

    id: str | None = None
    kind: Literal["stop", "slowdown"]
    opened_on: date
    last_purchase: date
    usual_gap: float = Field(description="Mean gap when it was raised, days.")
    bought_since: int


class ActivityView(BaseModel):
    """How likely the customer is lost. `p_none`: the chance that nothing is bought in the `horizon_days` after today,
    absent where it needs purchases of long ago. From the end of `likely_on` on, if nothing is bought up to then, he
    counts as likely lost, from `lost_since` on he does; both are absent where that never comes, or where he had bought
    on fewer than `least_purchases` days.
    """

    p_none: float | None = None
    expected: float | None = Field(default=None, description="Purchase days expected in the horizon.")
    horizon_days: int
    threshold: float
    least_purchases: int
    likely_on: date | None = None
    lost_since: date | None = None


class ClosureView(BaseModel):
    """Days that do not count, both ends included."""

    first: date
    last: date


class CadenceView(BaseModel):
    """How a customer's rhythm stands at the end of yesterday and with what was bought today.

    `not_judged`: fewer than three gaps are known. `usual_gap` is the mean of his own gaps, `reach_days` how far 99 of
    100 such gaps reach allowing for the pauses customers take here, `earlier_late`: earlier late orders are remembered
    and bring the day of warning forward. `alarm_on`: if nothing is bought up to the end of that day, there is an alarm.
    """

    customer: str
    customer_name: str | None = None
    as_of: date
    state: Literal["not_judged", "in_rhythm", "alarm"]
    gaps: int
    usual_gap: float | None = None
    last_purchase: date | None = None
    silent_days: int | None = None
    expected_next: date | None = None
    alarm_on: date | None = None
    reach_days: int | None = None
    earlier_late: bool = False
    last_days: list[date] = Field(description="The last purchase days, five at most, the oldest first.")
    budget: float = Field(description="Unfounded alarms a customer-year that are put up with.")
    priors_from: date | None = Field(default=None, description="From when the parameters hold, fitted to all.")
    alarm: AlarmView | None = None
    activity: ActivityView | None = Field(default=None, description="Absent before parameters were fitted.")
    closures: list[ClosureView] | None = Field(default=None, description="His own, as announced.")
    sentences: list[str] = []

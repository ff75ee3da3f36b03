"""What a rule finds: a stretch of days on which its cause stood."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import msgspec

from services.alerts.model.facts import FactKey


class Episode(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One cause standing for a stretch of days, as a rule sees it from the facts known now.

    `opening_fact` names what opened it and keeps its alert the same one for ever; `opened_by` are the facts to read
    when asking why. `stages` are the days on which a stage (1 and up, growing) was reached, first that at the opening.
    `closed_on` is None while it stands; then `outcome` says how it ended and `because` which facts ended it.
    `past`: of this stage and lower ones nobody is told, for they were reached before the company's cut-over and are
    known from a load of the past; below zero where there is none.
    `account` is that of the customer's accounts with which the opening fact came, where it is not his first.
    `figures` are what a manager reads and is told about when they change; `moving` is what the calendar alone changes.
    """

    rule: str
    subject: str
    cause: str
    opening_fact: str
    opened_on: date
    opened_by: tuple[str, ...] = ()
    stages: tuple[tuple[date, int], ...] = ()
    closed_on: date | None = None
    outcome: str | None = None
    because: tuple[str, ...] = ()
    past: int = -1
    account: str = ""
    figures: dict[str, str] = {}
    moving: dict[str, str] = {}

    @property
    def named_after(self) -> str:
        """The account that the alert is named after: whatever it is merged into, its alerts stay the same ones."""
        return self.account or self.subject

    @property
    def stage(self) -> int:
        """The stage reached last; 0 before the first."""
        return self.stages[-1][1] if self.stages else 0


def cut_over(keys: Iterable[FactKey]) -> date | None:
    """The day of cut-over of what these facts were loaded with; None where none of them is of the past."""
    return max((key.history for key in keys if key.history is not None), default=None)


def past_on(opened_on: date, stages: Iterable[tuple[date, int]], cutover: date | None) -> int:
    """The stage that was reached before a day of cut-over (None: there is none); -1 where it opened later."""
    if cutover is None or opened_on >= cutover:
        return -1
    return max((stage for day, stage in stages if day < cutover), default=0)

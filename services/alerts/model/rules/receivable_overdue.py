"""Rule receivable_overdue (应收账款逾期预警): an invoice unpaid past its due date plus grace, escalating with ageing.

An episode stands while something is open, no dispute stands, and the day is past due date + grace. Within a day the
clock comes first, at the midnight that begins it, and then the day's facts in the order of their keys: an invoice paid
on its first day past due was overdue that morning, so its episode opens and closes on that day. What only happens
between two facts of one day and changes nothing by its end does not break an episode.

What opened an episode names it. Opened by the calendar or by the issue it is named after the invoice, so that a
corrected due date or total keeps its alert; opened again by a reversal or the end of a dispute it is named after that
fact, and no late fact about earlier days can rename it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Final

import msgspec

from contracts.money import amount_text
from services.alerts.model.episode import Episode, past_on
from services.alerts.model.facts import FactKey
from services.alerts.model.open_item import (
    Cancelled,
    Dispute,
    Entry,
    InvoiceFacts,
    OpenItem,
    bucket,
    converted,
    days_past_due,
    disputed_on,
    open_on,
)

RULE: Final = "receivable_overdue"
_ZERO: Final = Decimal(0)
_OUTCOMES: Final = {"payment": "paid", "credit_note": "credited", "write_off": "written_off"}
_ISSUE: Final = 0
_CLOCK: Final = 1
_FACT: Final = 2


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`grace_days` after the due date before anything is said; `stages`: days past due on which 1, 2, ... begin."""

    grace_days: int = 0
    stages: tuple[int, ...] = (1, 31, 61, 91)

    def __post_init__(self) -> None:
        if self.grace_days < 0:
            raise ValueError(f"grace_days is {self.grace_days}; expected 0 or more")
        if any(low >= high for low, high in zip((0, *self.stages), self.stages, strict=False)):
            raise ValueError(f"stages are {self.stages}; expected days past due from 1 on, each above the one before")


DEFAULTS: Final = Params()


def episodes(item: OpenItem, params: Params, until: date) -> tuple[Episode, ...]:
    """The episodes of an invoice that began by the end of `until`, oldest first; the last may stand.

    Facts dated after `until` are as if unknown, so that the past reads the same as it did.
    """
    facts = item.invoice
    if facts is None or until < _first_late_day(facts, params):
        return ()
    return tuple(_episode(item, facts, params, run, until) for run in _runs(item, facts, params, until).runs)


def next_due(item: OpenItem, params: Params, after: date) -> date | None:
    """The first day after `after` on which waiting alone changes what `episodes` says; None for never.

    That is an opening, a stage, an end by a fact dated ahead, or a change of the open amount while it stands. (What the
    calendar moves every day, such as the days past due, is no change.)
    """
    facts = item.invoice
    if facts is None:
        return None
    if not _dated_ahead(item, facts, after):
        return _next_without_facts(item, facts, params, after)
    sweep = _runs(item, facts, params, date.max)
    days = set(sweep.moved)
    for run in sweep.runs:
        days.add(run.opened_on)
        if run.closed_on is not None:
            days.add(run.closed_on)
        days.update(day for day, _ in _stages(facts, params, run, date.max))
    return min((day for day in days if day > after), default=None)


def _dated_ahead(item: OpenItem, facts: InvoiceFacts, after: date) -> bool:
    return (
        facts.issued_on > after
        or any(entry.on > after for entry in item.entries)
        or any(dispute.on > after for dispute in item.disputes)
        or (item.cancelled is not None and item.cancelled.on > after)
    )


def _next_without_facts(item: OpenItem, facts: InvoiceFacts, params: Params, after: date) -> date | None:
    """The common case, worked out without a sweep: the calendar alone is left to move."""
    if not open_on(item, after) or disputed_on(item, after):
        return None
    first = _first_late_day(facts, params)
    if first > after:
        return first
    return next((day for days in params.stages if (day := _plus(facts.due_on, days)) > after), None)


def may_stand(item: OpenItem, params: Params, day: date) -> bool:
    """Whether the invoice is past its due date and grace on a day, paid or not: without that there is no episode."""
    return item.invoice is not None and day >= _first_late_day(item.invoice, params)


@dataclass(slots=True)
class _Point:
    """Something that may open or close an episode: the calendar, the issue, or a fact of its day."""

    day: date
    rank: int
    key: FactKey
    fact: Entry | Dispute | Cancelled | None = None


@dataclass(slots=True)
class _Run:
    """An episode in the making."""

    opened_on: date
    opener: _Point
    closed_on: date | None = None
    outcome: str | None = None
    because: tuple[str, ...] = ()


@dataclass(slots=True)
class _Sweep:
    """The invoice as it stood after each point, and the runs found so far."""

    facts: InvoiceFacts
    exists: bool = False
    late: bool = False
    disputed: bool = False
    cancelled: bool = False
    own: Decimal = _ZERO
    foreign: dict[tuple[str, str, Decimal], Decimal] = field(default_factory=dict)
    runs: list[_Run] = field(default_factory=list)
    moved: list[date] = field(default_factory=list)

    @property
    def applied(self) -> Decimal:
        return self.own + converted(self.foreign, self.facts.currency) if self.foreign else self.own

    @property
    def stands(self) -> bool:
        ready = self.exists and self.late and not self.disputed and not self.cancelled
        return ready and self.applied < self.facts.total

    def take(self, point: _Point) -> None:
        fact = point.fact
        if isinstance(fact, Entry):
            self._enter(fact)
        elif isinstance(fact, Dispute):
            self.disputed = fact.disputed
        elif isinstance(fact, Cancelled):
            self.cancelled = True
        elif point.rank == _ISSUE:
            self.exists = True
        else:
            self.late = True

    def _enter(self, entry: Entry) -> None:
        if entry.currency == self.facts.currency:
            self.own += entry.amount
        elif entry.rate is not None:
            at = (entry.document_id, entry.application, entry.rate)
            self.foreign[at] = self.foreign.get(at, _ZERO) + entry.amount

    def day(self, day: date, points: list[_Point]) -> None:
        stood, applied = self.stands, self.applied
        opener: _Point | None = None
        closer: int | None = None
        for at, point in enumerate(points):
            before = self.stands
            self.take(point)
            if self.stands and not before:
                opener = opener or point
            elif before and not self.stands:
                closer = at
        if not stood and opener is not None:
            self.runs.append(_Run(day, opener))
        elif stood and self.stands and applied != self.applied:
            self.moved.append(day)
        if closer is not None and not self.stands:
            self._close(day, points, closer)

    def _close(self, day: date, points: list[_Point], at: int) -> None:
        run = self.runs[-1]
        run.closed_on = day
        run.outcome = _outcome(points[at])
        run.because = tuple(dict.fromkeys(one.key.ref for one in points[: at + 1] if _outcome(one) is not None))


def _runs(item: OpenItem, facts: InvoiceFacts, params: Params, until: date) -> _Sweep:
    sweep = _Sweep(facts)
    points = (point for point in _points(item, facts, params) if point.day <= until)
    for day, group in groupby(sorted(points, key=_order), key=_day):
        sweep.day(day, list(group))
    return sweep


def _points(item: OpenItem, facts: InvoiceFacts, params: Params) -> Iterator[_Point]:
    yield _Point(facts.issued_on, _ISSUE, facts.key)
    yield _Point(_first_late_day(facts, params), _CLOCK, facts.key)
    if item.cancelled is not None:
        yield _Point(item.cancelled.on, _FACT, item.cancelled.key, item.cancelled)
    for dispute in item.disputes:
        yield _Point(dispute.on, _FACT, dispute.key, dispute)
    for entry in item.entries:
        yield _Point(entry.on, _FACT, entry.key, entry)


def _order(point: _Point) -> tuple[date, int, FactKey]:
    return point.day, point.rank, point.key


def _day(point: _Point) -> date:
    return point.day


def _outcome(point: _Point) -> str | None:
    """How a point ends an episode; None for one that cannot."""
    fact = point.fact
    if isinstance(fact, Entry):
        return _OUTCOMES[fact.kind] if fact.amount > 0 else None
    if isinstance(fact, Dispute):
        return "disputed" if fact.disputed else None
    return "cancelled" if isinstance(fact, Cancelled) else None


def _episode(item: OpenItem, facts: InvoiceFacts, params: Params, run: _Run, until: date) -> Episode:
    seen_on = run.closed_on or until
    late = days_past_due(item, seen_on) or 0
    stages = _stages(facts, params, run, until)
    return Episode(
        rule=RULE,
        subject=item.subject,
        cause=item.cause,
        opening_fact=item.cause if run.opener.rank != _FACT else run.opener.key.ref,
        account=item.account,
        opened_on=run.opened_on,
        opened_by=(run.opener.key.ref,),
        stages=stages,
        closed_on=run.closed_on,
        outcome=run.outcome,
        because=run.because,
        past=past_on(run.opened_on, stages, run.opener.key.history),
        figures={
            "invoice": item.invoice_id,
            "open": amount_text(open_on(item, seen_on), facts.currency),
            "total": amount_text(facts.total, facts.currency),
            "currency": facts.currency,
            "due_on": facts.due_on.isoformat(),
        },
        moving={"days_past_due": str(late), "bucket": bucket(late)},
    )


def _stages(facts: InvoiceFacts, params: Params, run: _Run, until: date) -> tuple[tuple[date, int], ...]:
    # A stage that begins on the closing day had begun at its midnight, before the fact that closed it.
    last = run.closed_on or until
    late = (run.opened_on - facts.due_on).days
    reached = [(run.opened_on, sum(1 for days in params.stages if days <= late))]
    for stage, days in enumerate(params.stages, start=1):
        day = _plus(facts.due_on, days)
        if run.opened_on < day <= last:
            reached.append((day, stage))
    return tuple(reached)


def _first_late_day(facts: InvoiceFacts, params: Params) -> date:
    return _plus(facts.due_on, params.grace_days + 1)


def _plus(day: date, days: int) -> date:
    return date.fromordinal(min(day.toordinal() + days, date.max.toordinal()))

"""What people do to an alert. Every decision is a value; `decide` gives the alert after it, or says why not."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import singledispatch
from typing import Final

import msgspec

from services.alerts.model.alert import TIMELINE_MOST, Alert, Promise, Recovered, TimelineEntry, noted

MOST_TEXT: Final = 1000
LONGEST_SNOOZE: Final = timedelta(days=92)


class NotAllowed(ValueError):  # noqa: N818 - a verdict, not a failure of the program
    """The alert's state does not admit the decision; the message says what would be possible."""


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=str.lower):
    """What a person decided about an alert; the subclass names it."""


class Acknowledge(Decision, frozen=True, kw_only=True, omit_defaults=True):
    """I have seen it and it is mine to handle."""

    note: str = ""


class Assign(Decision, frozen=True, kw_only=True, omit_defaults=True):
    """It is for another to handle."""

    to: str
    note: str = ""


class Comment(Decision, frozen=True, kw_only=True, omit_defaults=True):
    """Something to remember about it."""

    text: str


class Snooze(Decision, frozen=True, kw_only=True, omit_defaults=True):
    """Leave me alone with it until then (a moment with an offset)."""

    until: datetime
    note: str = ""


class Resolve(Decision, frozen=True, kw_only=True, omit_defaults=True):
    """It is settled in my judgement; it stays so until its cause begins anew."""

    outcome: str
    note: str = ""


class Work(Decision, frozen=True, kw_only=True, omit_defaults=True):
    """What came of working it: what is given replaces what was held."""

    cause: str | None = None
    measure: str | None = None
    promise: Promise | None = None
    recovered: Recovered | None = None
    note: str = ""


AnyDecision = Acknowledge | Assign | Comment | Snooze | Resolve | Work


def decide(alert: Alert, decision: AnyDecision, now: datetime, by: str) -> Alert:
    """The alert after a person's decision.

    Raises:
        NotAllowed: the alert's state, or something in the decision, does not admit it.
    """
    if not by:
        raise NotAllowed("nobody is named; expected the person who decides")
    for name in decision.__struct_fields__:
        said = getattr(decision, name)
        if isinstance(said, str) and len(said) > MOST_TEXT:
            raise NotAllowed(f"{name} has {len(said)} characters; expected at most {MOST_TEXT}")
    return _take(decision, alert, now, by)


def notified(alert: Alert, now: datetime, to: str) -> Alert:
    """The alert after its owner was told. Only a raised one changes its state."""
    state = "notified" if alert.state == "raised" else alert.state
    return noted(msgspec.structs.replace(alert, state=state), TimelineEntry(at=now, what="notified", note=to))


def woken(alert: Alert, now: datetime) -> Alert:
    """The alert after its snooze ran out; unchanged while it runs, and where there is none."""
    if alert.state != "snoozed" or alert.snoozed_until is None or now < alert.snoozed_until:
        return alert
    state = "acknowledged" if alert.acknowledged_by else "raised"
    awake = msgspec.structs.replace(alert, state=state, snoozed_until=None)
    return noted(awake, TimelineEntry(at=now, what="woken"))


@singledispatch
def _take(decision: object, alert: Alert, now: datetime, by: str) -> Alert:
    raise TypeError(f"{type(decision).__name__} is no decision")


@_take.register
def _(decision: Acknowledge, alert: Alert, now: datetime, by: str) -> Alert:
    _refuse_resolved(alert, "acknowledge")
    if alert.acknowledged_by == by and alert.state == "acknowledged":
        return alert
    if alert.acknowledged_by and by not in (alert.acknowledged_by, alert.assigned_to):
        raise NotAllowed(
            f"it was acknowledged by {alert.acknowledged_by} on {_when(alert.acknowledged_at)}; "
            f"comment on it, or have it assigned to {by} first"
        )
    taken = msgspec.structs.replace(
        alert, state="acknowledged", acknowledged_by=by, acknowledged_at=now, snoozed_until=None
    )
    return noted(taken, TimelineEntry(at=now, what="acknowledged", by=by, note=decision.note))


@_take.register
def _(decision: Assign, alert: Alert, now: datetime, by: str) -> Alert:
    _refuse_resolved(alert, "assign")
    if not decision.to:
        raise NotAllowed("nobody is named to assign it to; expected a staff id")
    if alert.assigned_to == decision.to:
        return alert
    given = msgspec.structs.replace(alert, assigned_to=decision.to)
    note = f"{decision.to}: {decision.note}" if decision.note else decision.to
    return noted(given, TimelineEntry(at=now, what="assigned", by=by, note=note))


@_take.register
def _(decision: Comment, alert: Alert, now: datetime, by: str) -> Alert:
    if not decision.text.strip():
        raise NotAllowed("the comment is empty; expected some text")
    said = sum(1 for entry in alert.timeline if entry.by)
    if said >= TIMELINE_MOST - 10:
        raise NotAllowed(f"people have written {said} entries on it; resolve it, or go on in the customer's contacts")
    return noted(alert, TimelineEntry(at=now, what="commented", by=by, note=decision.text))


@_take.register
def _(decision: Snooze, alert: Alert, now: datetime, by: str) -> Alert:
    _refuse_resolved(alert, "snooze")
    if not now < decision.until <= now + LONGEST_SNOOZE:
        raise NotAllowed(
            f"{_when(decision.until)} is not within the {LONGEST_SNOOZE.days} days from {_when(now)}; "
            "expected a moment ahead, at most that far"
        )
    asleep = msgspec.structs.replace(alert, state="snoozed", snoozed_until=decision.until)
    note = f"until {_when(decision.until)}" + (f": {decision.note}" if decision.note else "")
    return noted(asleep, TimelineEntry(at=now, what="snoozed", by=by, note=note))


@_take.register
def _(decision: Resolve, alert: Alert, now: datetime, by: str) -> Alert:
    _refuse_resolved(alert, "resolve")
    if not decision.outcome.strip():
        raise NotAllowed("no outcome is given; expected how it was settled, in a word or two")
    settled = msgspec.structs.replace(
        alert, state="resolved", outcome=decision.outcome, resolved_by=by, because=(), snoozed_until=None
    )
    note = f"{decision.outcome}: {decision.note}" if decision.note else decision.outcome
    return noted(settled, TimelineEntry(at=now, what="resolved", by=by, note=note))


@_take.register
def _(decision: Work, alert: Alert, now: datetime, by: str) -> Alert:
    # A resolved alert may still be worked: what was recovered is often known only afterwards.
    given = {
        name: value
        for name in ("cause", "measure", "promise", "recovered")
        if (value := getattr(decision, name)) is not None
    }
    if not given:
        raise NotAllowed("nothing is said; expected a cause, a measure, a promise or an amount recovered")
    for money in (decision.promise, decision.recovered):
        if money is not None and money.amount <= 0:
            raise NotAllowed(f"{money.amount} {money.currency} is not above zero; expected the amount of money")
    if decision.promise is not None and decision.promise.by < now.date():
        raise NotAllowed(f"the promise is for {decision.promise.by}, which is over; expected a day ahead")
    worked = msgspec.structs.replace(alert, worked=msgspec.structs.replace(alert.worked, **given))
    note = ", ".join(given) + (f": {decision.note}" if decision.note else "")
    return noted(worked, TimelineEntry(at=now, what="worked", by=by, note=note))


def _refuse_resolved(alert: Alert, wish: str) -> None:
    if alert.state == "resolved":
        how = f"by {alert.resolved_by}" if alert.resolved_by else "by what happened"
        raise NotAllowed(
            f"it is resolved already ({alert.outcome}, {how}), so there is nothing to {wish}; comment or note work"
        )


def _when(moment: datetime | None) -> str:
    return "an unknown day" if moment is None else moment.isoformat(timespec="minutes")

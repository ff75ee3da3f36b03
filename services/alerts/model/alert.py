"""An alert's life: one cause, one alert, from the first sight of an episode to its end and, if need be, back.

`reconcile` lays what a rule finds now beside the alerts that are known and says what changed. Told the same again it
says nothing. What people do to an alert is in `decisions.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal
from uuid import NAMESPACE_URL, uuid5

import msgspec

from services.alerts.model.episode import Episode

AlertState = Literal["raised", "notified", "acknowledged", "snoozed", "resolved"]
ChangeKind = Literal["raised", "updated", "resolved", "withdrawn", "reopened", "recorded"]
SEVERITIES: Final = ("notice", "warning", "serious", "critical")
WITHDRAWN: Final = "withdrawn"
REGROUPED: Final = "regrouped"  # accounts became one customer, or were parted, and with that it no longer stands
# The alert is one document; what people said stays whole in the ledger, the oldest updates make room here.
TIMELINE_MOST: Final = 100
_NAMESPACE: Final = uuid5(NAMESPACE_URL, "rapport/alerts")


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Something in an alert's life. `by` is a person, or empty for what came by itself; `facts` are event refs."""

    at: datetime
    what: str
    by: str = ""
    facts: tuple[str, ...] = ()
    note: str = ""


class Promise(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The customer promised to pay so much by a day."""

    amount: Decimal
    currency: str
    by: date


class Recovered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What working the alert has brought in so far."""

    amount: Decimal
    currency: str


class Worked(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A receivable alert's handling: the cause found, the measure taken, the promise got, the amount recovered."""

    cause: str = ""
    measure: str = ""
    promise: Promise | None = None
    recovered: Recovered | None = None


class Alert(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One alert. `opened_on` is when its cause began, `raised_at` when it was first seen.

    `history`: over when first seen, so it is recorded and nobody is told. `untold`: it stood before the company's
    cut-over, so that nobody was told either; its next stage is news. `loudest` is the highest stage it has had
    since it opened or came back. `resolved_by` is the person who resolved it, empty where facts did; `outcome` is how
    it ended, `withdrawn` where facts showed that it never was; `because` are the facts that ended it. `account` is the
    customer's account that it is named after, where that is not his first.
    """

    alert_id: str
    rule: str
    subject: str
    cause: str
    opening_fact: str
    opened_on: date
    raised_at: datetime
    opened_by: tuple[str, ...] = ()
    stage: int = 0
    loudest: int = 0
    severity: str = SEVERITIES[0]
    figures: dict[str, str] = {}
    state: AlertState = "raised"
    history: bool = False
    untold: bool = False
    closed_on: date | None = None
    outcome: str | None = None
    because: tuple[str, ...] = ()
    resolved_by: str = ""
    assigned_to: str = ""
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    snoozed_until: datetime | None = None
    worked: Worked = Worked()
    timeline: tuple[TimelineEntry, ...] = ()
    account: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of an alert, and the alert as it is now. `stepped`: it stands, and has reached a stage that is higher
    than any before; `first`: and nobody has been told of it yet. `past`: it is so since before the company's cut-over.
    """

    alert: Alert
    kind: ChangeKind
    stepped: bool = False
    first: bool = False
    past: bool = False


def alert_id(rule: str, subject: str, cause: str, opening_fact: str) -> str:
    """The alert's id: the same for the same opening for ever, so that a refold finds the same alerts again."""
    return str(uuid5(_NAMESPACE, "\x1f".join((rule, subject, cause, opening_fact))))


def severity(stage: int) -> str:
    """How loud a stage is: 0 and 1 notice, 2 warning, 3 serious, 4 and up critical."""
    return SEVERITIES[min(max(stage - 1, 0), len(SEVERITIES) - 1)]


def reconcile(
    known: Mapping[str, Alert], found: Iterable[Episode], now: datetime, today: date, because: str
) -> list[Change]:
    """What changes in the alerts of one cause, given all its episodes as known at `today`.

    Args:
        known: every alert of this rule, subject and cause by id, resolved and recorded ones too.
        found: every episode of the cause; those that open after `today` are left out.
        now: the moment written into the alerts.
        because: ref of the fact that led here, empty for the clock.
    """
    changes: list[Change] = []
    seen: set[str] = set()
    for episode in found:
        if episode.opened_on > today:
            continue
        name = alert_id(episode.rule, episode.named_after, episode.cause, episode.opening_fact)
        seen.add(name)
        over = episode.closed_on is not None and episode.closed_on <= today
        alert = known.get(name)
        if alert is None:
            change: Change | None = _first_sight(name, episode, over, now)
        else:
            follow = _follow_over if over else _follow_standing
            change = follow(alert, episode, now, (because,) if because else ())
        if change is not None:
            changes.append(change)
    for name, alert in known.items():
        if name not in seen and alert.outcome != WITHDRAWN:
            changes.append(_withdraw(alert, now, because))
    return changes


def noted(alert: Alert, entry: TimelineEntry) -> Alert:
    """The alert with one more timeline entry; where it is full the oldest update makes room."""
    timeline = (*alert.timeline, entry)
    if len(timeline) > TIMELINE_MOST:
        drop = next((at for at, one in enumerate(timeline) if one.what == "updated"), 1)
        timeline = timeline[:drop] + timeline[drop + 1 :]
    return msgspec.structs.replace(alert, timeline=timeline)


def _first_sight(name: str, episode: Episode, over: bool, now: datetime) -> Change:
    kind: ChangeKind = "recorded" if over else "raised"
    alert = Alert(
        alert_id=name,
        rule=episode.rule,
        subject=episode.subject,
        cause=episode.cause,
        opening_fact=episode.opening_fact,
        opened_on=episode.opened_on,
        raised_at=now,
        history=over,
        account=episode.account,
    )
    return _told(_over(alert, episode) if over else alert, episode, kind, now, episode.because if over else ())


def _follow_over(alert: Alert, episode: Episode, now: datetime, trigger: tuple[str, ...]) -> Change | None:
    if alert.state != "resolved":
        return _told(_over(alert, episode), episode, "resolved", now, episode.because)
    if alert.resolved_by:
        # Resolved by a person before: it stays resolved, only how it ended is better known.
        return _told(_over(alert, episode), episode, "updated", now, episode.because)
    held = alert.opened_on, alert.stage, alert.closed_on, alert.outcome, alert.because
    if held == (episode.opened_on, episode.stage, episode.closed_on, episode.outcome, episode.because):
        return None
    # Nobody heard of a recorded one, so nobody hears that it is better known either.
    return _told(_over(alert, episode), episode, "recorded" if alert.history else "updated", now, trigger)


def _follow_standing(alert: Alert, episode: Episode, now: datetime, trigger: tuple[str, ...]) -> Change | None:
    if alert.state == "resolved":
        if alert.resolved_by:
            return None
        # Nobody was told of a recorded one, so its standing after all is news and no return.
        return _told(_again(alert, now), episode, "raised" if alert.history else "reopened", now, trigger)
    told = {name: text for name, text in alert.figures.items() if name not in episode.moving}
    if (alert.opened_on, alert.stage, told) == (episode.opened_on, episode.stage, episode.figures):
        return None
    change = _told(alert, episode, "updated", now, trigger)
    # An alert from before `loudest` was kept has none; its stage is what was known of it.
    stepped = episode.stage > max(alert.loudest, alert.stage)
    first = stepped and alert.untold and alert.state == "raised" and episode.stage > episode.past
    now_known = msgspec.structs.replace(change.alert, untold=alert.untold and not first)
    return msgspec.structs.replace(change, alert=now_known, stepped=stepped, first=first)


def _withdraw(alert: Alert, now: datetime, because: str) -> Change:
    trigger = (because,) if because else ()
    gone = msgspec.structs.replace(
        alert,
        state="resolved",
        outcome=WITHDRAWN,
        because=trigger,
        closed_on=None,
        resolved_by="",
        snoozed_until=None,
    )
    kind: ChangeKind = "recorded" if alert.history else "withdrawn"
    return Change(alert=noted(gone, TimelineEntry(at=now, what=kind, facts=trigger)), kind=kind)


def _over(alert: Alert, episode: Episode) -> Alert:
    return msgspec.structs.replace(
        alert,
        state="resolved",
        closed_on=episode.closed_on,
        outcome=episode.outcome,
        because=episode.because,
        resolved_by="",
        snoozed_until=None,
    )


def _again(alert: Alert, now: datetime) -> Alert:
    return msgspec.structs.replace(
        alert,
        state="raised",
        raised_at=now if alert.history else alert.raised_at,
        history=False,
        closed_on=None,
        outcome=None,
        because=(),
        loudest=0,
        acknowledged_by="",
        acknowledged_at=None,
    )


def _told(alert: Alert, episode: Episode, kind: ChangeKind, now: datetime, facts: tuple[str, ...]) -> Change:
    past = episode.stage <= episode.past
    current = msgspec.structs.replace(
        alert,
        untold=past if kind in ("raised", "reopened") else alert.untold,
        opened_on=episode.opened_on,
        opened_by=episode.opened_by,
        stage=episode.stage,
        loudest=max(alert.loudest, episode.stage),
        severity=severity(episode.stage),
        figures=episode.figures | episode.moving,
    )
    return Change(alert=noted(current, TimelineEntry(at=now, what=kind, facts=facts)), kind=kind, past=past)

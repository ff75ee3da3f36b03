"""Rules purchase_slowdown and churn_risk laid beside the alerts of one customer's purchases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

import msgspec

from services.alerts.model import alert as alerts
from services.alerts.model.activity import silence as silences
from services.alerts.model.activity.silence import Terms, lost_by
from services.alerts.model.alert import Alert
from services.alerts.model.cadence.closures import Calendar
from services.alerts.model.cadence.course import Stretch, Times, known_day, renewed, retold, stretch, taken
from services.alerts.model.cadence.course import waiting as waiting_alarm
from services.alerts.model.episode import Episode
from services.alerts.model.purchase import Bought
from services.alerts.model.rules import churn_risk, purchase_slowdown
from services.alerts.rules import Rules
from services.alerts.store import ALERTS, PURCHASES, RHYTHMS, RhythmCard
from services.alerts.watch.life import follow, told
from services.chassis.aggregate import Desk

_DAY = timedelta(days=1)


def _times(rules: Rules, card: RhythmCard) -> Times:
    return rules.cadence.times_of(card.calendar)


def _terms(rules: Rules, card: RhythmCard) -> Terms:
    return rules.churn.terms(_times(rules, card).closed)


class Found(NamedTuple):
    """What the purchases say: stretches of the cadence, and silences of those who have no rhythm."""

    stretches: Sequence[Stretch]
    lapses: Sequence[Episode]


def purchase_known(desk: Desk, rules: Rules, before: Bought | None, after: Bought | None, because: str) -> None:
    """A purchase stands for another day than before, or for one at last, or for none any more.

    What comes in its turn costs the same however long the history is; all else tells the history again.
    """
    if before == after:
        return
    card = desk.get(RHYTHMS) or RhythmCard()
    today = today_of(desk, rules, card)
    if before is None and after is not None and after.on > today:
        card = msgspec.structs.replace(card, ahead=min(card.ahead or after.on, after.on))
        _look(desk, rules, card, today, because)
        return
    now = None if before is not None or after is None else _in_turn(card, after, today, rules)
    if now is None:
        _tell_again(desk, rules, card, today, because)
    else:
        _watch(desk, rules, now, _renewed(card, today, rules) or card, because)


def _in_turn(card: RhythmCard, one: Bought, today: date, rules: Rules) -> RhythmCard | None:
    """The card with one more purchase, where that can be had without the others."""
    held = _renewed(card, today, rules)
    if held is None:
        return None
    last = held.course.rhythm.last
    if last is not None and one.on <= last:
        # Who bought seldom may have an alert that names these purchases; all of them are soon read again.
        course = known_day(held.course, one) if held.silence.count > silences.KEPT_DAYS else None
        return msgspec.structs.replace(held, course=course) if course is not None else None
    silence = silences.taken(held.silence, one.on, _terms(rules, card))
    if silence is None:
        return None
    return msgspec.structs.replace(held, course=taken(held.course, one, _times(rules, card)), silence=silence)


def _renewed(card: RhythmCard, today: date, rules: Rules) -> RhythmCard | None:
    """The card under the priors that are known now; None where the purchases have to be read for it."""
    course = None if _has_come(card, today) else renewed(card.course, _times(rules, card))
    silence = silences.renewed(card.silence, _terms(rules, card))
    if course is None or silence is None:
        return None
    return msgspec.structs.replace(card, course=course, silence=silence)


def rhythm_due(rules: Rules, desk: Desk, key: str, card: RhythmCard) -> None:
    """The day has come on which waiting alone changes something about the rhythm."""
    _look(desk, rules, card, today_of(desk, rules, card), "", by_clock=True)


def calendar_known(desk: Desk, rules: Rules, calendar: Calendar, because: str) -> None:
    """The customer has announced closures: the whole history is told again without these days."""
    card = desk.get(RHYTHMS) or RhythmCard()
    if calendar != card.calendar:
        card = msgspec.structs.replace(card, calendar=calendar)
        _tell_again(desk, rules, card, today_of(desk, rules, card), because)


def priors_changed(rules: Rules, desk: Desk) -> None:
    """Newer priors are known: the open deadline is solved again, and what they find past is due at once."""
    card = desk.get(RHYTHMS)
    if card is not None and _renewed(card, date.min, rules) != card:
        _look(desk, rules, card, today_of(desk, rules, card), "")


def _look(desk: Desk, rules: Rules, card: RhythmCard, today: date, because: str, *, by_clock: bool = False) -> None:
    """No purchase came: the day or the priors are others."""
    now = _renewed(card, today, rules)
    if now is None:
        _tell_again(desk, rules, card, today, because, by_clock=by_clock)
    else:
        _watch(desk, rules, now, card, because, by_clock=by_clock)


def today_of(desk: Desk, rules: Rules, card: RhythmCard) -> date:
    """The company's day; a purchase that has been counted stays counted, whatever the clock says."""
    today, last = rules.day(desk.now), card.course.rhythm.last
    return today if last is None else max(today, last)


def _has_come(card: RhythmCard, today: date) -> bool:
    return card.ahead is not None and card.ahead <= today


def _tell_again(
    desk: Desk, rules: Rules, card: RhythmCard, today: date, because: str, *, by_clock: bool = False
) -> None:
    """Tell the history from all purchase days, and lay every episode of it beside all alerts there have been."""
    days = [bought for one in desk.all(PURCHASES).values() if (bought := one.bought) is not None]
    ahead = min((one.on for one in days if one.on > today), default=None)
    come = [next(same) for _, same in groupby(sorted(one for one in days if one.on <= today), key=lambda one: one.on)]
    course, found = retold(come, _times(rules, card))
    silence, lapses = silences.told([one.on for one in come], _terms(rules, card))
    seldom = [
        churn_risk.episode(desk.subject, one.risk, come[: one.place + 1], ended)
        for one in lapses
        if one.place + 1 < churn_risk.RHYTHM_DAYS
        and ((ended := _after(come, one.place)) is not None or one.risk.since < today)
    ]
    known = {name: owned.alert for name in card.alerts if (owned := desk.get(ALERTS, name)) is not None}
    after = msgspec.structs.replace(card, course=course, silence=silence, ahead=ahead)
    _lay(desk, rules, after, Found(found, seldom), known, because, by_clock=by_clock)


def _after(come: Sequence[Bought], place: int) -> Bought | None:
    return come[place + 1] if place + 1 < len(come) else None


def _watch(
    desk: Desk, rules: Rules, card: RhythmCard, before: RhythmCard, because: str, *, by_clock: bool = False
) -> None:
    """The same for what came in its turn: it can touch no episode but the one that stands and the one that began with
    the last purchase but one.
    """
    last = stretch(card.course)
    changed = last is not None and (last.episode.ended_on is None or last != stretch(before.course))
    found = [last] if last is not None and changed else []
    names = [_name(desk.subject, purchase_slowdown.RULE, one.opened[-1]) for one in found if one.opened]
    for bought in dict.fromkeys((*before.course.recent[-1:], *card.course.recent[-1:])):
        names += [_name(desk.subject, rule, bought) for rule in (purchase_slowdown.RULE, churn_risk.RULE)]
    known = {name: owned.alert for name in names if name in card.alerts and (owned := desk.get(ALERTS, name))}
    today = today_of(desk, rules, card)
    _lay(desk, rules, card, Found(found, _seldom(desk.subject, card, before, today)), known, because, by_clock=by_clock)


def _seldom(subject: str, card: RhythmCard, before: RhythmCard, today: date) -> list[Episode]:
    """The open silence of who has no rhythm, and the one that his last purchase has ended."""
    found: list[Episode] = []
    course, was = card.course, before.silence
    if card.silence.count == was.count + 1 < churn_risk.RHYTHM_DAYS + 1 and was.last is not None:
        ended = course.recent[-1]
        if (risk := lost_by(was, ended.on - _DAY)) is not None:
            found.append(churn_risk.episode(subject, risk, course.recent[:-1], ended))
    if card.silence.count < churn_risk.RHYTHM_DAYS and (risk := lost_by(card.silence, today - _DAY)) is not None:
        found.append(churn_risk.episode(subject, risk, course.recent, None))
    return found


def _name(subject: str, rule: str, last: Bought) -> str:
    cause = churn_risk.CAUSE if rule == churn_risk.RULE else purchase_slowdown.CAUSE
    return alerts.alert_id(rule, last.account or subject, cause, purchase_slowdown.opening_fact(last.on))


def _lay(
    desk: Desk,
    rules: Rules,
    card: RhythmCard,
    found: Found,
    known: Mapping[str, Alert],
    because: str,
    *,
    by_clock: bool,
) -> None:
    """Store the rhythm with all that follows from it. Bad news waits for the clock, good news does not."""
    today = today_of(desk, rules, card)
    silent = waiting_alarm(card.course, today - _DAY, _times(rules, card))
    stretches = [*found.stretches, silent] if silent is not None else found.stretches
    lost = lost_by(card.silence, today - _DAY)
    episodes = [*found.lapses, *(purchase_slowdown.episode(desk.subject, one, lost) for one in stretches)]
    changes = alerts.reconcile(known, episodes, desk.now, today, because)
    due = _next_due(rules, card, desk.now)
    if follow(desk, rules, changes, by_clock=by_clock):
        due = desk.now
    names = tuple(dict.fromkeys((*card.alerts, *told(changes, by_clock=by_clock))))
    desk.put(RHYTHMS, msgspec.structs.replace(card, alerts=names), due=due)


def _next_due(rules: Rules, card: RhythmCard, now: datetime) -> datetime | None:
    """The midnight that ends the day of alarm or that from whose end the customer is likely lost, or begins that of a
    purchase dated ahead.
    """
    ends = [card.course.alarm_on, lost_on(card)]
    days = [card.ahead, *(day + _DAY for day in ends if day is not None)]
    moments = [rules.midnight(day) for day in days if day is not None]
    return min((moment for moment in moments if moment > now), default=None)


def lost_on(card: RhythmCard) -> date | None:
    """From whose end he is likely lost, where there is an alert to be made of it: his own, or a step of the one about
    his rhythm.
    """
    course, risk = card.course, card.silence.risk
    alarming = card.silence.count < churn_risk.RHYTHM_DAYS or course.rhythm.standing or course.alarm_on is not None
    return risk.since if risk is not None and alarming else None

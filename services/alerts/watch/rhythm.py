"""Rule purchase_slowdown laid beside the alerts of one customer's rhythm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

import msgspec

from services.alerts.model import alert as alerts
from services.alerts.model.alert import Alert
from services.alerts.model.cadence.course import Course, Stretch, Times, known_day, renewed, retold, stretch, taken
from services.alerts.model.cadence.course import waiting as waiting_alarm
from services.alerts.model.purchase import Bought
from services.alerts.model.rules import purchase_slowdown
from services.alerts.rules import Rules
from services.alerts.store import ALERTS, PURCHASES, RHYTHMS, RhythmCard
from services.alerts.watch.life import follow, told
from services.chassis.aggregate import Desk

_DAY = timedelta(days=1)


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
    course = None if before is not None or after is None else _in_turn(card, after, today, rules.cadence.times)
    if course is None:
        _tell_again(desk, rules, card, today, because)
    else:
        _watch(desk, rules, msgspec.structs.replace(card, course=course), card.course, because)


def _in_turn(card: RhythmCard, one: Bought, today: date, times: Times) -> Course | None:
    """The course with one more purchase, where that can be had without the others."""
    course = None if _has_come(card, today) else renewed(card.course, times)
    if course is None:
        return None
    last = course.rhythm.last
    return taken(course, one, times) if last is None or one.on > last else known_day(course, one)


def rhythm_due(rules: Rules, desk: Desk, key: str, card: RhythmCard) -> None:
    """The day has come on which waiting alone changes something about the rhythm."""
    _look(desk, rules, card, today_of(desk, rules, card), "", by_clock=True)


def priors_changed(rules: Rules, desk: Desk) -> None:
    """Newer priors are known: the open deadline is solved again, and what they find past is due at once."""
    card = desk.get(RHYTHMS)
    if card is not None and renewed(card.course, rules.cadence.times) is not card.course:
        _look(desk, rules, card, today_of(desk, rules, card), "")


def _look(desk: Desk, rules: Rules, card: RhythmCard, today: date, because: str, *, by_clock: bool = False) -> None:
    """No purchase came: the day or the priors are others."""
    course = None if _has_come(card, today) else renewed(card.course, rules.cadence.times)
    if course is None:
        _tell_again(desk, rules, card, today, because, by_clock=by_clock)
    else:
        _watch(desk, rules, msgspec.structs.replace(card, course=course), card.course, because, by_clock=by_clock)


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
    course, found = retold((one for one in days if one.on <= today), rules.cadence.times)
    known = {name: owned.alert for name in card.alerts if (owned := desk.get(ALERTS, name)) is not None}
    after = msgspec.structs.replace(card, course=course, ahead=ahead)
    _lay(desk, rules, after, found, known, because, by_clock=by_clock)


def _watch(desk: Desk, rules: Rules, card: RhythmCard, before: Course, because: str, *, by_clock: bool = False) -> None:
    """The same for what came in its turn: it can touch no episode but the one that stands and the one that began with
    the last purchase but one.
    """
    last = stretch(card.course)
    changed = last is not None and (last.episode.ended_on is None or last != stretch(before))
    found = [last] if last is not None and changed else []
    names = [_name(desk.subject, one.episode.last_purchase) for one in found]
    lasts = (before.rhythm.last, card.course.rhythm.last)
    names += [_name(desk.subject, day) for day in dict.fromkeys(lasts) if day is not None]
    known = {name: owned.alert for name in names if name in card.alerts and (owned := desk.get(ALERTS, name))}
    _lay(desk, rules, card, found, known, because, by_clock=by_clock)


def _name(subject: str, last_purchase: date) -> str:
    fact = purchase_slowdown.opening_fact(last_purchase)
    return alerts.alert_id(purchase_slowdown.RULE, subject, purchase_slowdown.CAUSE, fact)


def _lay(
    desk: Desk,
    rules: Rules,
    card: RhythmCard,
    found: Iterable[Stretch],
    known: Mapping[str, Alert],
    because: str,
    *,
    by_clock: bool,
) -> None:
    """Store the rhythm with all that follows from it. Bad news waits for the clock, good news does not."""
    today = today_of(desk, rules, card)
    silent = waiting_alarm(card.course, today - _DAY, rules.cadence.times)
    stretches = [*found, silent] if silent is not None else found
    episodes = [purchase_slowdown.episode(desk.subject, one) for one in stretches]
    changes = alerts.reconcile(known, episodes, desk.now, today, because)
    due = _next_due(rules, card, desk.now)
    if follow(desk, rules, changes, by_clock=by_clock):
        due = desk.now
    names = tuple(dict.fromkeys((*card.alerts, *told(changes, by_clock=by_clock))))
    desk.put(RHYTHMS, msgspec.structs.replace(card, alerts=names), due=due)


def _next_due(rules: Rules, card: RhythmCard, now: datetime) -> datetime | None:
    """The midnight that ends the day of alarm, or begins that of a purchase dated ahead."""
    alarm = card.course.alarm_on
    days = [card.ahead, alarm + _DAY if alarm is not None else None]
    moments = [rules.midnight(day) for day in days if day is not None]
    return min((moment for moment in moments if moment > now), default=None)

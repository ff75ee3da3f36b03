"""A customer's open silence as a service keeps it: his activity after the last purchase, and the day from which he is
likely lost if nothing more is bought.

`taken` adds a purchase day at constant cost, `told` goes through all of them; both give the same. Each day is judged by
the parameters that held on it, and days before the first ones by none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

import msgspec

from services.alerts.model.activity.rate import Activity, Params, after_purchase, expected, folded, p_none
from services.alerts.model.activity.risk import LEAST_PURCHASES, ChurnRisk, crossing_day
from services.alerts.model.cadence.decision import put_off

KEPT_DAYS: Final = 12  # with so many days on hand, most customers need no purchase read when parameters change
UNJUDGED: Final = date.min  # `latest` of whom no parameters have judged yet
_DAY: Final = timedelta(days=1)
_FAR: Final = date.max - 2 * _DAY  # there is a midnight after it in every zone


class Dated(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Parameters with the day from which they hold, until the next ones do."""

    valid_from: date
    params: Params


class Terms(NamedTuple):
    """What decides beside the purchases: parameters by day (sorted; none before the first fit), and from which
    probability of no purchase in the next `horizon_days` on a customer of so many purchase days is likely lost; and the
    days on which nobody buys, for a silence that opens on a given day: they put that off.
    """

    timeline: Sequence[Dated] = ()
    horizon_days: int = 91
    threshold: float = 0.9
    least_purchases: int = LEAST_PURCHASES
    closed: Callable[[date], Collection[date]] = lambda _: ()


class Silence(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What is known right after the last purchase, whatever has been waited since.

    `days` are the last purchase days of `count`, `state` the activity under the latest parameters known by now where
    days are missing to fold it from. `risk` begins on the day from whose end he is likely lost if nothing more is
    bought. `latest`: the day from which those parameters hold, None where newer ones can change nothing.
    """

    days: tuple[date, ...] = ()
    count: int = 0
    state: Activity | None = None
    risk: ChurnRisk | None = None
    latest: date | None = None

    @property
    def last(self) -> date | None:
        """The last purchase day."""
        return self.days[-1] if self.days else None


class Lapse(NamedTuple):
    """A silence in which a customer became likely lost: after the purchase day at `place` among all of his."""

    place: int
    risk: ChurnRisk


def lost_by(silence: Silence, until: date) -> ChurnRisk | None:
    """The risk where waiting has brought it about by the end of `until`; None where it has not."""
    return silence.risk if silence.risk is not None and silence.risk.since <= until else None


def taken(silence: Silence, day: date, terms: Terms) -> Silence | None:
    """The silence after a purchase later than all there were; None where all purchase days have to be told again."""
    days = (*silence.days, day)
    if silence.count < KEPT_DAYS:
        return _opened(days, terms)
    newest = terms.timeline[-1] if terms.timeline else None
    if newest is None:
        return Silence(days=days[-KEPT_DAYS:], count=silence.count + 1, latest=UNJUDGED)
    state = silence.state
    if state is None or state.decay != newest.params.decay or day < newest.valid_from:
        return None
    state = after_purchase(state, day)
    return _solved(days[-KEPT_DAYS:], state, [state], terms._replace(timeline=(newest,)))


def renewed(silence: Silence, terms: Terms) -> Silence | None:
    """The silence under the parameters that are known now; None where all purchase days have to be told again."""
    newest = terms.timeline[-1].valid_from if terms.timeline else UNJUDGED
    if silence.latest is None or silence.latest == newest:
        return silence
    if silence.last is not None and newest <= silence.last:
        return None  # they held on the last purchase day already, and it was counted without them
    if silence.risk is not None and silence.risk.since < newest:
        return msgspec.structs.replace(silence, latest=None, state=None)  # it had come before these parameters held
    return _opened(silence.days, terms) if silence.count <= KEPT_DAYS else None


def told(days: Sequence[date], terms: Terms) -> tuple[Silence, list[Lapse]]:
    """The silence after all purchase days (distinct, in order), and every one that has made a customer likely lost, the
    open one included where it will.
    """
    if not days or not terms.timeline:
        return Silence(days=tuple(days[-KEPT_DAYS:]), count=len(days), latest=UNJUDGED if days else None), []
    states = [folded(days[:1], one.params.decay) for one in terms.timeline]
    lapses: list[Lapse] = []
    for place, day in enumerate(days):
        states = [after_purchase(state, day) for state in states]
        end = days[place + 1] - _DAY if place + 1 < len(days) else _FAR
        risk = _crossed(states, terms, end)
        if risk is not None:
            lapses.append(Lapse(place, risk))
    return _solved(tuple(days[-KEPT_DAYS:]), states[-1], states, terms), lapses


def _opened(days: Sequence[date], terms: Terms) -> Silence:
    """From all purchase days there are, few enough to be on hand."""
    if not terms.timeline:
        return told(days, terms)[0]
    last = days[-1]
    since = max((n for n, one in enumerate(terms.timeline) if one.valid_from <= last), default=0)
    now = terms._replace(timeline=terms.timeline[since:])
    states = [folded(days, one.params.decay) for one in now.timeline]
    return _solved(tuple(days), states[-1], states, now)


def _solved(days: tuple[date, ...], state: Activity, states: Sequence[Activity], terms: Terms) -> Silence:
    risk, newest = _crossed(states, terms, _FAR), terms.timeline[-1].valid_from
    over = (risk is not None and risk.since < newest) or state.purchases < terms.least_purchases
    needed = not over and state.purchases >= KEPT_DAYS
    return Silence(
        days=days,
        count=state.purchases,
        state=state if needed else None,
        risk=risk,
        latest=None if over else newest,
    )


def _crossed(states: Sequence[Activity], terms: Terms, end: date) -> ChurnRisk | None:
    """The risk that comes up to the end of `end` if nothing is bought until then; `states` by parameters."""
    timeline = terms.timeline
    for n, (one, state) in enumerate(zip(timeline, states, strict=True)):
        begin = max(state.last, one.valid_from)
        until = min(end, timeline[n + 1].valid_from - _DAY) if n + 1 < len(timeline) else end
        if until < begin:
            continue
        day = crossing_day(state, one.params, terms.horizon_days, terms.threshold, terms.least_purchases)
        if day is not None:
            day = put_off(state.last, (day - state.last).days, terms.closed(state.last))
        if day is not None and day <= until:
            # Parameters that find the day already past bring it about on the day from which they hold.
            return _risk(state, one.params, max(day, begin), terms)
    return None


def _risk(state: Activity, params: Params, since: date, terms: Terms) -> ChurnRisk:
    return ChurnRisk(
        since=since,
        as_of=since,
        p_none=p_none(state, params, since, terms.horizon_days),
        expected=expected(state, params, since, terms.horizon_days),
        horizon_days=terms.horizon_days,
        threshold=terms.threshold,
    )

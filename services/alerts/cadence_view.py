"""A customer's rhythm as people see it. Pure."""

from __future__ import annotations

from datetime import date, timedelta

from services.alerts.cadence import Cadence
from services.alerts.churn import Churn
from services.alerts.model import alert as alerts
from services.alerts.model.activity.rate import expected, folded, p_none
from services.alerts.model.activity.silence import Silence
from services.alerts.model.cadence.course import Course, stretch, waiting
from services.alerts.model.cadence.decision import judge, reach
from services.alerts.model.rules import purchase_slowdown
from services.alerts.store import RhythmCard
from services.alerts.views_cadence import ActivityView, AlarmView, CadenceView, ClosureView

_FEW = 0.01  # of all gaps reach further than what is shown
_DAY = timedelta(days=1)


def cadence_view(
    customer: str, name: str, card: RhythmCard, cadence: Cadence, churn: Churn, today: date
) -> CadenceView:
    """How the rhythm stands on a day."""
    course, rhythm = card.course, card.course.rhythm
    alarm = _alarm(customer, card, cadence, today)
    shown = CadenceView(
        customer=customer,
        customer_name=name or None,
        as_of=today,
        state="alarm" if alarm is not None else "in_rhythm" if rhythm.judged else "not_judged",
        gaps=rhythm.gaps,
        last_purchase=rhythm.last,
        silent_days=max((today - rhythm.last).days, 0) if rhythm.last is not None else None,
        last_days=list(rhythm.recent),
        budget=cadence.budget,
        alarm=alarm,
        activity=activity_view(card.silence, churn, today),
        closures=[ClosureView(first=one.first, last=one.last) for one in card.calendar.closures] or None,
    )
    return shown.model_copy(update=_judged(course, cadence, today)) if rhythm.judged else shown


def activity_view(silence: Silence, churn: Churn, today: date) -> ActivityView | None:
    """How likely the customer is lost at the end of a day; None where nothing can be said."""
    held = [one for one in churn.timeline if one.valid_from <= today]
    if not held or silence.last is None:
        return None
    params, day = held[-1].params, max(today, silence.last)
    state = silence.state if silence.count > len(silence.days) else folded(silence.days, params.decay)
    figures: dict[str, float] = {}
    if state is not None and state.decay == params.decay:
        figures = {
            "p_none": round(p_none(state, params, day, churn.horizon_days), 3),
            "expected": round(expected(state, params, day, churn.horizon_days), 2),
        }
    since = silence.risk.since if silence.risk is not None else None
    lost = since is not None and since < today
    return ActivityView(
        **figures,
        horizon_days=churn.horizon_days,
        threshold=churn.threshold,
        least_purchases=churn.least_purchases,
        likely_on=None if lost else since,
        lost_since=since if lost else None,
    )


def _judged(course: Course, cadence: Cadence, today: date) -> dict[str, object]:
    rhythm, last = course.rhythm, course.rhythm.last
    if last is None:
        return {}
    holding = cadence.times.holding(max(today, last))
    tail, full, bar = judge(rhythm, holding.priors)
    fitted = holding.valid_from != date.min
    return {
        "usual_gap": round(rhythm.mean_gap, 1),
        "expected_next": last + timedelta(days=max(round(float(tail.mean)), 1)),
        "alarm_on": course.alarm_on,
        "reach_days": reach(tail, _FEW),
        "earlier_late": bar < full,
        "priors_from": holding.valid_from if fitted else None,
    }


def _alarm(customer: str, card: RhythmCard, cadence: Cadence, today: date) -> AlarmView | None:
    times = cadence.times_of(card.calendar)
    found = stretch(card.course) if card.course.rhythm.standing else waiting(card.course, today - _DAY, times)
    if found is None:
        return None
    one = found.episode
    fact = purchase_slowdown.opening_fact(one.last_purchase)
    name = alerts.alert_id(purchase_slowdown.RULE, customer, purchase_slowdown.CAUSE, fact)
    return AlarmView(
        id=name if name in card.alerts else None,
        kind=one.kind,
        opened_on=one.raised_on,
        last_purchase=one.last_purchase,
        usual_gap=round(one.mean_gap, 1),
        bought_since=found.since,
    )

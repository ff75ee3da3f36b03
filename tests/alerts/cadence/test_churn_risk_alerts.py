"""Rule churn_risk from facts to the alert and to its end, with the days on both sides, in two zones; and what it is to
who has a rhythm: a step of the alert about that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time, timedelta
from functools import partial
from itertools import count
from zoneinfo import ZoneInfo

import pytest

from contracts.envelope import Event
from contracts.events.alerts import AlertFact, AlertRaised, AlertResolved, AlertUpdated
from services.alerts.model.activity.rate import Params, folded, p_none
from services.alerts.model.activity.silence import Dated as DatedActivity
from services.alerts.model.cadence.priors import Dated
from services.alerts.model.rules import churn_risk, purchase_slowdown
from services.alerts.store import ACCOUNTS, NOTIFICATIONS, RHYTHMS
from services.alerts.watch.rhythm import priors_changed
from tests.alerts.cadence.cadencekit import PRIORS, START, day, days_of
from tests.alerts.cadence.rhythmkit import DAY, SHANGHAI, Customer, bought, returned
from tests.alerts.cadence.test_cadence_told import DUE, LAST, REGULAR
from tests.desk import payloads

NEW_YORK = ZoneInfo("America/New_York")
CADENCE = [Dated(valid_from=START, priors=PRIORS)]
PARAMS = Params(
    decay=0.09, shape=0.2, weeks=12.9, as_of=START - DAY, block_days=91, blocks=3, customers=900, purchases=700
)
ALWAYS = [DatedActivity(valid_from=START, params=PARAMS)]
SECOND = timedelta(seconds=1)
SELDOM = [20, 30]


def lost_after(gaps: Sequence[int], threshold: float = 0.9) -> int:
    """The number of the first day at whose end none comes within 91 days so probably; looked for day by day."""
    days = days_of(gaps)
    state = folded(days, PARAMS.decay)
    return next(n for n in count(sum(gaps)) if p_none(state, PARAMS, day(n), 91) >= threshold)


LOST = lost_after(SELDOM)


def known(zone: ZoneInfo = SHANGHAI, gaps: Sequence[int] = SELDOM, least: int = 3) -> Customer:
    """A customer who has bought after these gaps."""
    one = Customer(CADENCE, zone, activity=ALWAYS, least_purchases=least)
    buys(one, days_of(gaps))
    return one


@pytest.fixture(params=[SHANGHAI, NEW_YORK], ids=["Shanghai", "New York"])
def customer(request: pytest.FixtureRequest) -> Customer:
    """A customer who has bought on three days so far: too few for a rhythm."""
    return known(request.param)


def buys(customer: Customer, days: Sequence[date]) -> list[Event]:
    """He buys at noon of each day; returns what was said."""
    said = []
    for on in days:
        said += customer.take(bought(f"P-{on}", on), at=customer.at(on))
    return said


def ends(customer: Customer, on: date) -> list[Event]:
    """The day passes, midnight and all."""
    return customer.wait(customer.at(on + DAY, time()) + SECOND)


def alert_facts(said: Sequence[Event]) -> list[type[AlertFact]]:
    return [type(event.data) for event in said if isinstance(event.data, AlertFact)]


def test_it_comes_with_the_midnight_that_ends_the_day_and_not_before(customer: Customer) -> None:
    midnight = customer.at(day(LOST + 1), time())
    assert customer.desk.due(RHYTHMS, customer.subject) == midnight, "solved when he bought, not asked for every day"
    assert customer.wait(midnight) == []
    (raised,) = payloads(customer.wait(midnight + SECOND), AlertRaised)
    assert (raised.rule, raised.cause, raised.severity, raised.since) == (
        "churn_risk", "activity", "warning", day(LOST),
    )  # fmt: skip
    (alert,) = customer.of(churn_risk.RULE)
    assert alert.figures == {
        "last_purchase": day(50).isoformat(),
        "silent_days": str(LOST - 50),
        "purchases": "3",
        "lost_since": day(LOST).isoformat(),
        "p_none": alert.figures["p_none"],
        "expected": alert.figures["expected"],
        "horizon_days": "91",
    }
    assert 0.9 <= float(alert.figures["p_none"]) < 0.91
    assert alert.opened_by == ("shop:shop-1", "shop:shop-2", "shop:shop-3")
    assert customer.reasons == [("churn_risk", "raised")]
    assert customer.wait(customer.at(day(LOST + 400))) == [], "once"


def test_a_purchase_on_the_day_is_in_time_and_one_on_the_day_after_is_late(customer: Customer) -> None:
    in_time = known(customer.zone)
    assert buys(in_time, [day(LOST)]) == []
    assert ends(in_time, day(LOST)) == []
    said = buys(customer, [day(LOST + 1)])
    assert alert_facts(said) == [AlertRaised, AlertResolved]
    (resolved,) = payloads(said, AlertResolved)
    assert (resolved.outcome, resolved.withdrawn, resolved.because) == ("bought_again", False, ["shop:shop-4"])
    (alert,) = customer.of(churn_risk.RULE)
    assert (alert.opened_on, alert.closed_on) == (day(LOST), day(LOST + 1))


def test_a_late_purchase_that_shows_he_was_not_silent_withdraws_it_and_is_named(customer: Customer) -> None:
    ends(customer, day(LOST))
    said = customer.take(bought("P-late", day(60)), at=customer.at(day(LOST + 3)))
    (resolved,) = payloads(said, AlertResolved)
    assert (resolved.withdrawn, resolved.because) == (True, ["shop:shop-4"])


def test_goods_that_come_back_take_the_purchase_that_had_ended_it(customer: Customer) -> None:
    buys(customer, [day(LOST + 1)])
    back = returned("R-1", f"P-{day(LOST + 1)}", day(LOST + 5))
    customer.take(back, at=customer.at(day(LOST + 5)))
    ends(customer, day(LOST + 6))
    (alert,) = customer.of(churn_risk.RULE)
    assert (alert.state, alert.opened_on, alert.outcome) == ("raised", day(LOST), None)


@pytest.mark.parametrize(("gaps", "least", "raised"), [([20], 3, 0), ([20], 2, 1), (SELDOM, 4, 0), ([], 2, 0)])
def test_who_bought_on_fewer_days_than_asked_for_is_not_warned_of(gaps: list[int], least: int, raised: int) -> None:
    one = known(gaps=gaps, least=least)
    one.wait(one.at(day(2000)))
    assert len(one.of(churn_risk.RULE)) == raised


def test_before_parameters_are_fitted_nobody_is_lost_and_then_from_their_day_on(customer: Customer) -> None:
    late = Customer(CADENCE, customer.zone)
    buys(late, days_of(SELDOM))
    assert late.wait(late.at(day(LOST + 39))) == []
    late.churn.learn([DatedActivity(valid_from=day(LOST + 40), params=PARAMS)])
    late.desk.act(ACCOUNTS, late.subject, partial(priors_changed, late.rules))
    assert ends(late, day(LOST + 39)) == []
    assert alert_facts(ends(late, day(LOST + 40))) == [AlertRaised]
    (alert,) = late.of(churn_risk.RULE)
    assert alert.opened_on == day(LOST + 40)


def test_what_began_and_ended_before_it_was_known_is_recorded_and_nobody_is_told(customer: Customer) -> None:
    late = Customer(CADENCE, customer.zone, activity=ALWAYS)
    now = late.at(day(LOST + 30))
    late.desk.now = now
    days = [*days_of(SELDOM), day(LOST + 20)]
    late.desk.take(*(late.shop.event(bought(f"P-{on}", on), late.subject, now) for on in days), at=now)
    (alert,) = late.of(churn_risk.RULE)
    assert (alert.history, alert.outcome, alert.opened_on) == (True, "bought_again", day(LOST))
    assert (late.desk.said, late.desk.every(NOTIFICATIONS, late.subject)) == ([], {})


def test_what_stands_when_a_history_is_loaded_is_raised_by_the_clock(customer: Customer) -> None:
    late = Customer(CADENCE, customer.zone, activity=ALWAYS)
    now = late.at(day(LOST + 30))
    facts = [late.shop.event(bought(f"P-{on}", on), late.subject, now) for on in days_of(SELDOM)]
    assert late.desk.take(*facts, at=now) == []
    assert alert_facts(late.wait(now + SECOND)) == [AlertRaised]


# Who has a rhythm.

STEP = lost_after(REGULAR)


def test_who_has_a_rhythm_gets_no_second_alert_but_a_step_of_the_one_that_stands() -> None:
    one = known(gaps=REGULAR)
    assert DUE < STEP
    assert alert_facts(ends(one, day(DUE))) == [AlertRaised]
    (alert,) = one.alerts
    assert (alert.stage, alert.severity) == (2, "warning")
    assert one.desk.due(RHYTHMS, one.subject) == one.at(day(STEP + 1), time())
    assert alert_facts(ends(one, day(STEP - 1))) == []
    said = ends(one, day(STEP))
    (update,) = payloads(said, AlertUpdated)
    assert (update.severity, update.figures is not None and update.figures["lost_since"]) == (
        "serious", day(STEP).isoformat(),
    )  # fmt: skip
    (alert,) = one.alerts
    assert (alert.stage, alert.state, one.of(churn_risk.RULE)) == (3, "raised", [])
    assert one.reasons == [("purchase_slowdown", "raised"), ("purchase_slowdown", "stepped_up")]


def test_the_step_goes_back_when_he_buys_and_is_not_told_twice() -> None:
    one = known(gaps=REGULAR)
    ends(one, day(STEP + 20))
    (update,) = payloads(buys(one, [day(STEP + 30)]), AlertUpdated)
    assert (update.severity, "lost_since" in (update.figures or {})) == ("warning", False)
    ends(one, day(STEP + 500))
    (alert,) = one.alerts
    assert (alert.stage, len(one.reasons)) == (3, 2)
    said = buys(one, [day(STEP + 600 + n) for n in (0, 10, 20, 30)])
    assert [one.outcome for one in payloads(said, AlertResolved)] == ["new_rhythm"]


def test_who_is_lost_before_his_rhythm_alarms_gets_one_alert_that_says_both() -> None:
    one = Customer(CADENCE, activity=ALWAYS)
    one.churn.threshold = 0.1
    buys(one, days_of(REGULAR))
    assert lost_after(REGULAR, 0.1) < DUE
    assert ends(one, day(DUE - 1)) == [], "the rhythm keeps its budget of unfounded alarms"
    assert alert_facts(ends(one, day(DUE))) == [AlertRaised]
    (alert,) = one.alerts
    assert (alert.stage, alert.severity, one.reasons) == (3, "serious", [("purchase_slowdown", "raised")])
    assert alert.opening_fact == purchase_slowdown.opening_fact(day(LAST))


def test_what_a_person_has_resolved_takes_no_further_step() -> None:
    one = known(gaps=REGULAR)
    ends(one, day(DUE))
    (alert,) = one.alerts
    now = one.at(day(DUE + 2))
    done = AlertResolved(alert_id=alert.alert_id, by="staff/1", resolved_at=now, outcome="by_person")
    one.desk.take(
        Event(id="d1", source="rapport/alerts", type=done.TYPE, subject=one.subject, time=now, data=done), at=now
    )
    one.wait(one.at(day(STEP + 90)))
    (alert,) = one.alerts
    assert (alert.state, alert.outcome, len(one.reasons)) == ("resolved", "by_person", 1)

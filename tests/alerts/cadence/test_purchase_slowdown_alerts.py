"""Rule purchase_slowdown from facts to the alert and to its end, with the days on both sides, in two zones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from contracts.envelope import Event
from contracts.events.alerts import AlertFact, AlertRaised, AlertResolved, AlertUpdated
from services.alerts.model.cadence.priors import Dated
from services.alerts.store import NOTIFICATIONS, PURCHASES, RHYTHMS
from tests.alerts.cadence.cadencekit import PRIORS, START, day, days_of
from tests.alerts.cadence.rhythmkit import DAY, SHANGHAI, Customer, bought, corrected, returned
from tests.alerts.cadence.test_cadence_told import DUE, LAST, REGULAR, STRICT
from tests.desk import payloads

NEW_YORK = ZoneInfo("America/New_York")
ALWAYS = [Dated(valid_from=START, priors=PRIORS)]
SECOND = timedelta(seconds=1)


@pytest.fixture(params=[SHANGHAI, NEW_YORK], ids=["Shanghai", "New York"])
def customer(request: pytest.FixtureRequest) -> Customer:
    """A customer who has bought every ten days so far."""
    one = Customer(ALWAYS, request.param)
    buys(one, days_of(REGULAR))
    return one


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
    """What was said of alerts, without what became of messages (nobody answers for this customer)."""
    return [type(event.data) for event in said if isinstance(event.data, AlertFact)]


def test_the_alarm_comes_with_the_midnight_that_ends_the_deadline_and_not_before(customer: Customer) -> None:
    midnight = customer.at(day(DUE + 1), time())
    assert customer.desk.due(RHYTHMS, customer.subject) == midnight
    assert customer.wait(midnight) == []
    (raised,) = payloads(customer.wait(midnight + SECOND), AlertRaised)
    assert (raised.rule, raised.cause, raised.severity, raised.since) == (
        "purchase_slowdown", "rhythm", "warning", day(DUE),
    )  # fmt: skip
    (alert,) = customer.alerts
    assert alert.raised_at == midnight
    assert alert.figures == {
        "kind": "stop",
        "last_purchase": day(LAST).isoformat(),
        "usual_gap": "10.0",
        "expected_by": day(LAST + 10).isoformat(),
        "silent_days": str(DUE - LAST),
        "p": alert.figures["p"],
        "bought_since": "0",
    }
    assert 0 < float(alert.figures["p"]) < 0.05
    assert alert.opened_by == tuple(f"shop:shop-{n}" for n in range(5, 10)), "the last five purchases"


def test_a_purchase_on_the_deadline_is_in_time(customer: Customer) -> None:
    assert buys(customer, [day(DUE)]) == []
    assert ends(customer, day(DUE)) == []


def test_a_purchase_on_the_day_after_is_late_and_the_alarm_stands(customer: Customer) -> None:
    said = buys(customer, [day(DUE + 1)])
    assert alert_facts(said) == [AlertRaised, AlertUpdated]
    assert customer.standing == [(day(DUE), "stop")]


@pytest.mark.parametrize(
    ("gaps", "outcome"),
    [((13, 13, 14), "recovered"), ((13, 14, 14), "new_rhythm"), ((13, 14), None), ((13,), None), ((), None)],
)
def test_it_ends_when_he_has_recovered_or_found_a_new_rhythm(
    customer: Customer, gaps: tuple[int, ...], outcome: str | None
) -> None:
    days = days_of([*REGULAR, 40, *gaps])[len(REGULAR) + 1 :]
    said = buys(customer, days)
    resolved = payloads(said, AlertResolved)
    (alert,) = customer.alerts
    assert alert.outcome == outcome
    if outcome is None:
        assert resolved == []
        assert alert.figures["bought_since"] == str(len(days))
        return
    assert [(one.outcome, one.withdrawn) for one in resolved] == [(outcome, False)]
    assert alert.closed_on == days[-1]
    assert alert.because == tuple(f"shop:shop-{n}" for n in range(10, 14)), "all since the alarm"


def test_a_late_purchase_that_shows_it_never_was_withdraws_it_and_is_named(customer: Customer) -> None:
    ends(customer, day(DUE))
    said = customer.take(bought("P-late", day(LAST + 10)), at=customer.at(day(DUE + 1)))
    (resolved,) = payloads(said, AlertResolved)
    assert (resolved.withdrawn, resolved.outcome, resolved.because) == (True, "withdrawn", ["shop:shop-10"])
    assert customer.standing == []


def test_what_began_and_ended_before_it_was_known_is_recorded_and_nobody_is_told(customer: Customer) -> None:
    late = Customer(ALWAYS, customer.zone)
    days = days_of([*REGULAR, 40, 13, 13, 14])
    now = late.at(days[-1] + DAY)
    late.desk.now = now
    late.desk.take(*(late.shop.event(bought(f"P-{on}", on), late.subject, now) for on in days), at=now)
    (alert,) = late.alerts
    assert (alert.history, alert.outcome, alert.opened_on) == (True, "recovered", day(DUE))
    late.wait(late.at(days[-1] + 2 * DAY))
    assert (late.desk.said, late.desk.every(NOTIFICATIONS, late.subject)) == ([], {})


def test_what_stands_when_a_history_is_loaded_is_raised_by_the_clock_once(customer: Customer) -> None:
    late = Customer(ALWAYS, customer.zone)
    now = late.at(day(DUE + 30))
    said = late.desk.take(
        *(late.shop.event(bought(f"P-{on}", on), late.subject, now) for on in days_of(REGULAR)), at=now
    )
    assert said == []
    assert late.desk.due(RHYTHMS, late.subject) == late.desk.now
    assert alert_facts(late.wait(now + SECOND)) == [AlertRaised]
    assert late.wait(now + 90 * DAY) == []


def test_what_was_wholly_returned_or_corrected_to_nothing_is_no_purchase_day(customer: Customer) -> None:
    for undone in (returned("R-1", "P-x", day(LAST + 12)), corrected("P-x", day(LAST + 10), 0)):
        again = Customer(ALWAYS, customer.zone)
        buys(again, days_of(REGULAR))
        again.take(bought("P-x", day(LAST + 10)), at=again.at(day(LAST + 10)))
        assert again.card.course.rhythm.last == day(LAST + 10)
        again.take(undone, at=again.at(day(LAST + 12)))
        assert again.card.course == customer.card.course
        assert alert_facts(ends(again, day(DUE))) == [AlertRaised]


def test_a_part_returned_leaves_the_day_and_the_rest_takes_it(customer: Customer) -> None:
    course = customer.card.course
    last = f"P-{day(LAST)}"
    customer.take(returned("R-1", last, day(LAST + 1), "99.99"), at=customer.at(day(LAST + 1)))
    assert customer.card.course == course
    customer.take(returned("R-2", last, day(LAST + 2), "0.01"), at=customer.at(day(LAST + 2)))
    assert customer.card.course.rhythm.last == day(LAST - 10)


def test_a_return_and_a_correction_may_come_before_the_purchase(customer: Customer) -> None:
    course, at = customer.card.course, customer.at(day(LAST + 10))
    customer.take(returned("R-1", "P-x", day(LAST + 10)), at=at)
    customer.take(bought("P-x", day(LAST + 10)), at=at)
    assert customer.card.course == course
    customer.take(corrected("P-y", day(LAST + 9)), at=at)
    customer.take(bought("P-y", day(LAST + 10)), at=at)
    assert customer.card.course.rhythm.last == day(LAST + 9)


def test_the_same_again_is_nothing_and_other_content_a_conflict(customer: Customer) -> None:
    at, before = customer.at(day(LAST + 1)), customer.card
    customer.take(bought(f"P-{day(LAST)}", day(LAST)), at=at)
    assert (customer.card, customer.desk.dead) == (before, [])
    customer.take(bought(f"P-{day(LAST)}", day(LAST), 101), at=at)
    (letter,) = customer.desk.dead
    assert (letter.reason, letter.field) == ("conflict", "$.purchase_id")
    assert "purchase.corrected" in letter.message
    assert customer.card == before


def test_a_purchase_dated_ahead_counts_from_its_day_on(customer: Customer) -> None:
    course = customer.card.course
    customer.take(bought("P-ahead", day(LAST + 11)), at=customer.at(day(LAST + 9)))
    assert (customer.card.course, customer.card.ahead) == (course, day(LAST + 11))
    ends(customer, day(LAST + 9))
    assert customer.card.course == course
    ends(customer, day(LAST + 10))
    assert (customer.card.course.rhythm.last, customer.card.ahead) == (day(LAST + 11), None)
    assert ends(customer, day(DUE)) == []


def test_a_purchase_in_its_turn_reads_and_writes_two_documents(customer: Customer) -> None:
    """However long the history is: no other purchase is loaded."""
    state = customer.desk.states["accounts", customer.subject]
    state.whole.clear()
    for at in [at for at in state.documents if at[0] == PURCHASES.name]:
        del state.documents[at]
    buys(customer, [day(LAST + 10)])
    assert {at for at in state.documents if at[0] == PURCHASES.name} == {("purchases", f"/P-{day(LAST + 10)}")}
    assert customer.card.course.rhythm.gaps == len(REGULAR) + 1


def test_new_priors_raise_what_they_find_past_on_the_day_from_which_they_hold(customer: Customer) -> None:
    strict = [*ALWAYS, Dated(valid_from=day(DUE - 1), priors=STRICT)]
    one = Customer(strict, customer.zone)
    buys(one, days_of(REGULAR))
    assert ends(one, day(DUE - 2)) == []
    assert one.desk.due(RHYTHMS, one.subject) == one.at(day(DUE), time()), "solved again when the priors were known"
    assert alert_facts(ends(one, day(DUE - 1))) == [AlertRaised]
    assert one.standing == [(day(DUE - 1), "stop")]


def test_a_purchase_counted_under_priors_that_were_not_known_yet_is_told_again() -> None:
    """A process that learns late of priors leaves a rhythm that the next one to look puts right."""
    timeline = [*ALWAYS, Dated(valid_from=day(LAST), priors=STRICT)]
    knew, late = Customer(timeline), Customer(timeline)
    late.timeline = ALWAYS
    for one in (knew, late):
        buys(one, days_of([10, 10, 10, 10, 12, 9, 11, 8]))
    assert late.card.course != knew.card.course
    late.timeline = timeline
    for one in (knew, late):
        buys(one, [day(LAST + 9)])
    assert late.card.course == knew.card.course


def test_days_are_the_companys_and_moments_utc(customer: Customer) -> None:
    ends(customer, day(DUE))
    (alert,) = customer.alerts
    assert alert.raised_at.tzinfo is not None
    assert alert.raised_at.astimezone(customer.zone).time() == time()
    assert alert.raised_at.astimezone(UTC).hour == {"Asia/Shanghai": 16, "America/New_York": 4}[customer.zone.key]

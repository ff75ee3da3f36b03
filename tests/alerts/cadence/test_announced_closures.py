"""Announced closures put days of warning off like holidays; announced late they withdraw what was no silence."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from pydantic import ValidationError

from contracts.events.alerts import AlertRaised, AlertResolved
from contracts.events.settings import CalendarSet, Closure
from services.alerts.cadence import Cadence, closures_in
from services.alerts.model.rules import churn_risk
from services.alerts.settings import AlertsSettings
from services.alerts.store import ACCOUNTS, RHYTHMS
from tests.alerts.cadence.cadencekit import day
from tests.alerts.cadence.rhythmkit import Customer
from tests.alerts.cadence.test_cadence_told import DUE, LAST, REGULAR
from tests.alerts.cadence.test_churn_risk_alerts import LOST, SELDOM, alert_facts, customer, ends, known
from tests.desk import payloads

__all__ = ["customer"]  # the fixture, in two zones


def announced(one: Customer, on: date, *closures: tuple[int, int], name: str = "c1") -> list[str]:
    """He announces closures on a day; returns what was said of alerts."""
    data = CalendarSet(closures=[Closure(first=day(first), last=day(last)) for first, last in closures])
    at = one.at(on)
    one.wait(at)
    event = one.shop.event(data, one.subject, at, event_id=name)
    return [kind.__name__ for kind in alert_facts(one.desk.take(event, at=at))]


@pytest.fixture
def regular(customer: Customer) -> Customer:
    """A customer who has bought every ten days."""
    return known(customer.zone, REGULAR)


@pytest.mark.parametrize(
    ("first", "last", "later"),
    [
        (1, 7, 7),
        (0, 7, 7),
        (-5, 7, 7),
        (-5, 0, 0),
        (DUE - LAST, DUE - LAST + 9, 10),
        (DUE - LAST + 1, DUE - LAST + 9, 0),
    ],
)
def test_days_closed_in_the_open_gap_put_the_day_of_warning_off(
    regular: Customer, first: int, last: int, later: int
) -> None:
    said = announced(regular, day(LAST), (LAST + first, LAST + last))
    assert said == []
    assert regular.card.course.alarm_on == day(DUE + later)
    assert alert_facts(ends(regular, day(DUE + later - 1))) == []
    assert alert_facts(ends(regular, day(DUE + later))) == [AlertRaised]
    assert regular.standing == [(day(DUE + later), "stop")]


def test_closures_announced_late_withdraw_the_alarm_and_are_named(regular: Customer) -> None:
    ends(regular, day(DUE))
    at = regular.at(day(DUE + 2))
    event = regular.shop.event(
        CalendarSet(closures=[Closure(first=day(LAST + 1), last=day(DUE + 20))]), regular.subject, at, event_id="late"
    )
    (resolved,) = payloads(regular.desk.take(event, at=at), AlertResolved)
    assert (resolved.withdrawn, resolved.because) == (True, ["shop:late"])
    assert regular.standing == []
    closed = DUE + 20 - LAST
    assert alert_facts(ends(regular, day(DUE + closed))) != [], "and then he is late all the same"


def test_the_latest_word_of_the_closures_replaces_the_others_whatever_the_order(regular: Customer) -> None:
    announced(regular, day(LAST), (LAST + 1, LAST + 7))
    announced(regular, day(LAST + 1), name="c2")
    assert regular.card.course.alarm_on == day(DUE)
    late = CalendarSet(closures=[Closure(first=day(LAST + 1), last=day(LAST + 30))])
    event = regular.shop.event(late, regular.subject, regular.at(day(LAST)), event_id="a-older")
    regular.desk.take(event, at=regular.at(day(LAST + 2)))
    assert regular.card.course.alarm_on == day(DUE)


def test_closed_days_put_off_when_a_customer_counts_as_lost_too(customer: Customer) -> None:
    announced(customer, day(51), (60, 79))
    assert ends(customer, day(LOST + 19)) == []
    assert alert_facts(ends(customer, day(LOST + 20))) == [AlertRaised]
    (alert,) = customer.of(churn_risk.RULE)
    assert alert.opened_on == day(LOST + 20)


def test_a_refold_finds_the_closures_again(regular: Customer) -> None:
    announced(regular, day(LAST), (LAST + 1, LAST + 7))
    card, due = regular.card, regular.desk.due(RHYTHMS, regular.subject)
    assert not regular.desk.refold(ACCOUNTS, regular.subject).changed
    assert (regular.card, regular.desk.due(RHYTHMS, regular.subject)) == (card, due)


@pytest.mark.parametrize("subject", ["company", "unit/7"])
def test_closures_of_no_single_customer_are_refused_and_the_letter_says_where_they_go(subject: str) -> None:
    one = known(gaps=SELDOM)
    at = one.at(day(60))
    data = CalendarSet(closures=[])
    one.desk.take(one.shop.event(data, subject, at), at=at)
    (letter,) = one.desk.dead
    assert (letter.reason, letter.field) == ("bad_field", "$.subject")
    assert "RAPPORT_ALERTS_CLOSED_DAYS" in letter.message


def test_the_companys_own_closures_are_a_setting() -> None:
    summer = frozenset(date(2026, 8, 3) + timedelta(days=n) for n in range(12))
    text = "2026-08-03/2026-08-14, 2026-12-24"
    assert closures_in(text) == summer | {date(2026, 12, 24)}
    assert Cadence(0.1, "", closures_in(text)).closed(date(2026, 7, 1)) == summer | {date(2026, 12, 24)}
    both = AlertsSettings(alerts_closed_days=text, alerts_holidays="CN").rules.cadence.closed(date(2026, 7, 1))
    assert both > summer and date(2026, 10, 1) in both
    for wrong in ("2026-08-14/2026-08-03", "August", "2026-08-01/2028-08-01"):
        with pytest.raises(ValidationError):
            AlertsSettings(alerts_closed_days=wrong)

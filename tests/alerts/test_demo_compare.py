"""What the demo holds its own result against: the plain files' answer, and a mailbox in which everything is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from contracts.events import alerts
from deploy.demo.books import Books, account, events_of
from deploy.demo.compare import Compared, Sides, Told, expected, slowdowns
from deploy.demo.files import FinalBooks, final_books
from deploy.demo.opening import LATE, carried_over
from deploy.demo.replay import fit_days
from deploy.demo.watch import Tally
from services.alerts.model.alert import severity
from services.alerts.model.cadence.priors import Dated, untried
from services.alerts.model.cadence.tell import told
from services.alerts.model.digest import Params, urgent
from services.alerts.model.rules import purchase_slowdown, receivable_over_limit, receivable_overdue

TOLD = Told(
    news=3, sent=2, suppressed={"already_over": 1}, bounced=0, mails=1, accepted=frozenset("ab"), named=frozenset("ab")
)


@pytest.fixture(scope="module")
def books() -> Books:
    return Books(seed=7, customers=1500)


@pytest.fixture(scope="module")
def final(books: Books) -> FinalBooks:
    return final_books(events_of(books.days()))


@pytest.fixture(scope="module")
def found(books: Books, final: FinalBooks, tmp_path_factory: pytest.TempPathFactory) -> dict[str, frozenset[str]]:
    return expected(final.write(tmp_path_factory.mktemp("books")), books, final, Tally())


def test_what_should_stand_is_what_the_files_say_of_each_rule(
    books: Books, final: FinalBooks, found: dict[str, frozenset[str]]
) -> None:
    assert found[receivable_overdue.RULE] == final.overdue(books.last_day) != frozenset()
    owed = {customer: sum(_open(final, customer)) for customer in final.limits}
    for customer, limit in final.limits.items():
        names = {f"{customer} {level}" for level in ("notice", "warning")} & found[receivable_over_limit.RULE]
        if limit is None:
            assert not names
        elif owed[customer] == 0:
            assert not names, "credit on account only makes it less"
    assert found[receivable_over_limit.RULE], "else the example says little"


def _open(final: FinalBooks, customer: str) -> list[float]:
    return [float(amount) for invoice, amount in final.open_amounts().items() if final.invoices[invoice][0] == customer]


def test_slowdowns_are_those_of_telling_each_customer_by_himself_up_to_the_last_midnight(
    books: Books, final: FinalBooks, found: dict[str, frozenset[str]]
) -> None:
    days: dict[str, set[date]] = {}
    for customer, data in final.purchases:
        days.setdefault(customer, set()).add(data.purchased_on)
    timeline = (Dated(valid_from=date.min, priors=untried(0.1)),)
    alone = {
        f"{customer} {one.raised_on} {one.kind}"
        for customer, own in days.items()
        for one in told(sorted(own), timeline, books.last_day - timedelta(days=1))
        if one.ended_on is None
    }
    again = {name for name in alone if _bought_on(days, name, books.last_day)}
    assert found[purchase_slowdown.RULE] - again == alone - again
    assert len(alone) > 5, "else the example says little"


def _bought_on(days: dict[str, set[date]], name: str, day: date) -> bool:
    return day in days[name.split(maxsplit=1)[0]]


def test_other_priors_give_other_alarms(books: Books, final: FinalBooks) -> None:
    early = Dated(valid_from=date(1997, 1, 2), priors=untried(4.0))
    assert slowdowns(final, [early], books.last_day) != slowdowns(final, [], books.last_day)


@pytest.mark.parametrize(
    ("told_", "agrees"),
    [
        (TOLD, True),
        (replace(TOLD, news=4), False),
        (replace(TOLD, bounced=1), False),
        (replace(TOLD, named=frozenset("a")), False),
        (replace(TOLD, named=frozenset("abc")), False),
        (replace(TOLD, news=1, sent=0, accepted=frozenset(), named=frozenset()), False),
    ],
)
def test_every_alert_must_have_been_told_in_a_mail_or_have_its_reason(told_: Told, agrees: bool) -> None:
    assert told_.agrees is agrees


@pytest.mark.parametrize(
    ("standing", "expected_", "some", "agrees"),
    [("ab", "ab", True, True), ("ab", "a", True, False), ("a", "ab", False, False), ("", "", True, False),
     ("", "", False, True)],
)  # fmt: skip
def test_both_sides_must_be_the_same_and_in_the_whole_base_not_empty(
    standing: str, expected_: str, some: bool, agrees: bool
) -> None:
    sides = Sides("rule", frozenset(standing), frozenset(expected_), 1, some)
    assert sides.agrees is agrees and Compared((sides,), TOLD).agrees is agrees


def test_what_is_said_twice_on_the_wire_counts_once() -> None:
    moment = datetime(1997, 3, 4, 8, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
    raised = alerts.AlertRaised(
        alert_id="a", rule="receivable_overdue", cause="c", severity="notice", raised_at=moment, since=moment.date()
    )
    taken = alerts.NotificationAccepted(
        notification_id="n", alert_id="a", channel="mail", recipient="staff/M01", at=moment
    )
    tally = Tally()
    assert tally.answered
    for _ in range(2):
        tally.take(raised)
        assert not tally.answered
    for _ in range(2):
        tally.take(taken)
    assert tally.answered and tally.rules == {"receivable_overdue": 1} and tally.sent == {"n": "a"}


def test_what_is_carried_over_is_so_late_that_it_waits_for_no_digest(books: Books) -> None:
    stage = receivable_overdue.DEFAULTS.stages
    reached = sum(LATE.days >= days for days in stage)
    assert urgent(severity(reached), Params())
    issued = carried_over(books)[books.first_day]
    assert {event.subject for event in issued} <= {account(one.customer) for one in books.purchases}
    assert len(issued) == 5


def test_the_replay_waits_for_the_priors_on_the_days_on_which_they_are_fitted(books: Books) -> None:
    days = fit_days(books)
    assert days[0] == books.first_day + timedelta(days=183) and days[-1] <= books.last_day
    assert {(after - before).days for before, after in pairwise(days)} == {91}

"""A load of the past: what stood before the cut-over is recorded and told to nobody, what comes after it is news."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings

from contracts.envelope import Event
from contracts.events import trade
from contracts.events.alerts import AlertAcknowledged, AlertRaised, NotificationSuppressed
from contracts.events.lifecycle import LimitChanged, OwnerChanged
from contracts.events.sales import PurchaseMade
from contracts.money import Amount, Money
from contracts.payload import Payload
from services.alerts.handlers import alerts_service
from services.alerts.model.notification import Notification
from services.alerts.store import ACCOUNTS, ALERTS, NOTIFICATIONS
from tests.alerts.refoldkit import CUSTOMER, RULES, START, Story, Told, stories, told
from tests.desk import TestDesk, payloads

TODAY = RULES.day(START)
DAY = TODAY  # of cut-over


def days(n: int) -> date:
    """So many days from the cut-over."""
    return DAY + timedelta(days=n)


def said(data: Payload, *, history: date | None = None, at: datetime = START, name: str = "") -> Event:
    number = name or f"{data.TYPE}-{getattr(data, 'invoice_id', '') or getattr(data, 'document_id', '')}"
    return Event(id=number, source="erp", type=data.TYPE, subject=CUSTOMER, time=at, data=data, history=history)


def invoice(number: str, due: int, total: str = "100.00") -> trade.InvoiceIssued:
    return trade.InvoiceIssued(
        invoice_id=number, issued_on=days(due - 30), due_on=days(due), total=Money.of(total, "CNY")
    )


def house(*events: Event) -> TestDesk:
    desk = TestDesk(alerts_service(RULES), START)
    desk.take(said(OwnerChanged(owner_id="staff/1", valid_from=days(-400)), name="owner"), *events)
    desk.advance(START + timedelta(minutes=1))
    assert desk.dead == []
    return desk


def messages(desk: TestDesk) -> list[Notification]:
    return sorted(desk.every(NOTIFICATIONS, CUSTOMER).values(), key=lambda one: (one.created_at, one.alert_id))


def states(desk: TestDesk) -> list[tuple[str, str, str]]:
    return [(one.reason, one.state, one.why) for one in messages(desk)]


QUIET = ("raised", "suppressed", "history")


def test_what_stood_before_the_cut_over_is_raised_and_told_to_nobody() -> None:
    desk = house(said(invoice("OLD", -10), history=DAY))
    assert states(desk) == [QUIET]
    (owned,) = desk.every(ALERTS, CUSTOMER).values()
    assert owned.alert.state == "raised" and owned.owner_id == "staff/1"
    assert [one.reason for one in payloads(desk.said, NotificationSuppressed)] == ["history"]
    assert len(payloads(desk.said, AlertRaised)) == 1, "others may know that it stands"


def test_what_opens_on_the_day_of_cut_over_or_later_is_news() -> None:
    desk = house(said(invoice("NOW", -1), history=DAY), said(invoice("SOON", 5), history=DAY))
    assert states(desk) == [("raised", "queued", "")]
    desk.advance(START + timedelta(days=7))
    assert states(desk) == [("raised", "queued", "")] * 2


def test_the_next_stage_of_what_nobody_was_told_of_is_told_once() -> None:
    desk = house(said(invoice("OLD", -10), history=DAY))
    desk.advance(START + timedelta(days=25))
    assert states(desk) == [QUIET, ("stepped_up", "queued", "")]
    desk.advance(START + timedelta(days=90))
    assert states(desk) == [QUIET, ("stepped_up", "queued", "")], "who was told knows that it grows older"


def test_a_stage_that_a_person_has_taken_in_hand_is_not_told() -> None:
    desk = house(said(invoice("OLD", -10), history=DAY))
    (name,) = desk.every(ALERTS, CUSTOMER)
    seen = AlertAcknowledged(alert_id=name, by="staff/1", acknowledged_at=desk.now)
    desk.take(Event(id="a", source="rapport/alerts", type=seen.TYPE, subject=CUSTOMER, time=desk.now, data=seen))
    desk.advance(START + timedelta(days=25))
    assert states(desk) == [QUIET]


def test_an_old_invoice_that_comes_late_by_the_usual_way_is_news() -> None:
    assert states(house(said(invoice("LATE", -10)))) == [("raised", "queued", "")]


def test_a_load_before_its_day_is_quiet_until_that_day() -> None:
    ahead = days(10)
    desk = house(*(said(invoice(f"I{due}", due), history=ahead) for due in (-5, 3, 9, 12)))
    assert states(desk) == [QUIET]
    desk.advance(START + timedelta(days=9))
    assert states(desk) == [QUIET] * 2
    desk.advance(START + timedelta(days=20))
    assert states(desk) == [QUIET] * 2 + [("raised", "queued", "")] * 2


def test_a_payment_that_is_reversed_later_opens_what_is_news() -> None:
    paid = trade.PaymentReceived(
        document_id="P",
        dated_on=days(-5),
        total=Money.of("100.00", "CNY"),
        applied_to=[trade.AppliedTo(invoice_id="OLD", amount=Amount(Money.of("100.00", "CNY").amount))],
    )
    desk = house(said(invoice("OLD", -10), history=DAY), said(paid, history=DAY))
    assert states(desk) == []
    desk.take(said(trade.PaymentReversed(document_id="P", dated_on=TODAY), name="back"))
    desk.advance(START + timedelta(minutes=5))
    assert states(desk) == [("raised", "queued", "")]


def test_another_owner_is_not_sent_what_is_history() -> None:
    desk = house(said(invoice("OLD", -10), history=DAY))
    desk.take(said(OwnerChanged(owner_id="staff/2", valid_from=TODAY), name="other"))
    assert states(desk) == [QUIET]
    (owned,) = desk.every(ALERTS, CUSTOMER).values()
    assert owned.owner_id == "staff/2"


LIMIT = LimitChanged(limit=Money.of("150.00", "CNY"), valid_from=days(-100))


@pytest.mark.parametrize("limit_first", [True, False])
def test_a_limit_that_the_load_passes_is_told_to_nobody_and_what_passes_it_later_is(limit_first: bool) -> None:
    past = [said(invoice(f"I{n}", 20, "70.00"), history=DAY) for n in range(2)]
    limit = said(LIMIT, name="limit", history=DAY)
    desk = house(*([limit, *past] if limit_first else [*past, limit]))
    assert states(desk) == [QUIET], "the notice at 80 %"
    desk.take(said(invoice("NEW", 20, "50.00")))
    desk.advance(START + timedelta(minutes=9))
    assert states(desk) == [QUIET, ("stepped_up", "queued", "")]


def test_a_second_file_of_the_load_is_as_quiet_as_the_first() -> None:
    desk = house(said(LIMIT, name="limit", history=DAY), said(invoice("I1", 20, "130.00"), history=DAY))
    desk.take(said(invoice("I2", 20, "90.00"), history=DAY))
    desk.advance(START + timedelta(minutes=9))
    assert states(desk) == [QUIET, ("stepped_up", "suppressed", "history")]


def bought(on: Iterable[int], history: date | None) -> list[Event]:
    return [
        said(
            PurchaseMade(purchase_id=f"B{n}", purchased_on=days(n), total=Money.of("10.00", "CNY")),
            history=history,
            name=f"B{n}",
        )
        for n in on
    ]


def test_a_slowdown_that_crossed_before_the_cut_over_is_told_to_nobody_and_one_after_it_is() -> None:
    desk = house(*bought(range(-400, -150, 7), DAY))
    assert states(desk)[:1] == [QUIET]
    assert {state for _, state, _ in states(desk)} == {"suppressed"}
    later = house(*bought(range(-400, -1, 7), DAY))
    assert states(later) == []
    later.advance(START + timedelta(days=80))
    assert [one.state for one in messages(later)][:1] == ["queued"]


@settings(max_examples=60, deadline=None)
@given(stories(limits=True))
def test_a_refold_tells_the_same_story_of_a_load_of_the_past(story: Story) -> None:
    marked = [
        msgspec.structs.replace(fact, history=TODAY + timedelta(days=20)) if n % 2 else fact
        for n, fact in enumerate(story.facts)
    ]
    end: Told = told(Story(marked, story.steps))
    before, quiet = end.alerts, end.desk.every(NOTIFICATIONS, CUSTOMER)
    one = end.desk.refold(ACCOUNTS, CUSTOMER)
    assert one.said == [] and end.alerts == before
    assert end.desk.every(NOTIFICATIONS, CUSTOMER) == quiet

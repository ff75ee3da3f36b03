"""The alerts service's folds over made histories: a refold changes nothing, money is conserved, nobody hears twice."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.events import alerts, trade
from contracts.money import Amount, Money
from services.alerts.model.account import Account, settled_on
from services.alerts.model.ageing import age
from services.alerts.model.open_item import OpenItem, open_on, total_on
from services.alerts.model.rules import receivable_overdue
from services.alerts.model.settlement import Settlement, reversed_on
from services.alerts.store import ACCOUNTS, ALERTS, ITEMS, NOTIFICATIONS, SETTLEMENTS
from tests.alerts.refoldkit import CUSTOMER, FIRST, LATER, RULES, SERVICE, START, Story, Told, in_order, stories, told
from tests.desk import Sender, TestDesk, payloads


@settings(max_examples=60, deadline=None)
@given(stories())
def test_a_refold_changes_nothing_and_says_nothing(story: Story) -> None:
    desk = told(story).desk
    for _ in range(2):
        again = desk.refold(ACCOUNTS, CUSTOMER)
        assert again.said == []
        assert again.changed == {}


@settings(max_examples=40, deadline=None)
@given(stories(), st.data())
def test_a_refold_in_the_middle_of_a_story_changes_nothing_of_its_end(story: Story, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(story.steps)))
    straight, halted = told(story), Told().take(story, story.steps[:cut])
    halted.desk.refold(ACCOUNTS, CUSTOMER)
    halted.take(story, story.steps[cut:]).desk.advance(LATER)
    assert halted.desk.said == straight.desk.said
    assert halted.desk.every(ITEMS, CUSTOMER) == straight.desk.every(ITEMS, CUSTOMER)
    assert halted.desk.every(NOTIFICATIONS, CUSTOMER) == straight.desk.every(NOTIFICATIONS, CUSTOMER)
    assert halted.alerts == straight.alerts


@settings(max_examples=60, deadline=None)
@given(stories(people=False))
def test_in_any_order_the_same_alerts_stand_in_the_end_with_the_same_figures(story: Story) -> None:
    straight, crooked = in_order(story), told(story)
    assert crooked.desk.dead == []
    assert account(crooked) == account(straight)
    assert crooked.desk.every(SETTLEMENTS, CUSTOMER) == straight.desk.every(SETTLEMENTS, CUSTOMER)
    books = {key: card.item for key, card in crooked.desk.every(ITEMS, CUSTOMER).items()}
    assert books == {key: card.item for key, card in straight.desk.every(ITEMS, CUSTOMER).items()}
    assert standing(crooked) == standing(straight)
    params = RULES.overdue_for(crooked.desk.value(ACCOUNTS, CUSTOMER), RULES.day(LATER))
    episodes = [one for item in books.values() for one in receivable_overdue.episodes(item, params, RULES.day(LATER))]
    overdue = sorted((one.cause, one.opening_fact) for one in episodes if one.closed_on is None)
    assert sorted((one[0], one[1]) for one in standing(crooked).values()) == overdue


def account(end: Told) -> Account:
    """The customer's account, as it is on the last day."""
    return settled_on(end.desk.value(ACCOUNTS, CUSTOMER) or Account(), RULES.day(LATER))


def standing(end: Told) -> dict[str, tuple[str, ...]]:
    """What stands, and what its owner reads of it."""
    return {
        name: (one.alert.cause, one.alert.opening_fact, one.alert.figures["open"], one.alert.severity, one.owner_id)
        for name, one in end.alerts.items()
        if one.alert.state != "resolved"
    }


@settings(max_examples=60, deadline=None)
@given(stories())
def test_each_time_an_alert_is_raised_or_comes_back_there_is_one_message_and_no_other(story: Story) -> None:
    end = told(story)
    for _ in range(2):
        told_of = Counter(one.alert_id for one in end.desk.every(NOTIFICATIONS, CUSTOMER).values())
        news = Counter(one.alert_id for one in payloads(end.desk.said, alerts.AlertRaised))
        news += Counter(one.alert_id for one in payloads(end.desk.said, alerts.AlertReopened))
        assert told_of == news
        ids = [one.message_id for one in end.desk.every(NOTIFICATIONS, CUSTOMER).values()]
        assert len(ids) == len(set(ids))
        end.desk.refold(ACCOUNTS, CUSTOMER)


@settings(max_examples=60, deadline=None)
@given(stories())
def test_what_the_bus_was_told_of_each_alert_is_how_it_ended(story: Story) -> None:
    end = told(story)
    stands: dict[str, bool] = {}
    for event in end.desk.said:
        match event.data:
            case alerts.AlertRaised(alert_id=name):
                assert not stands.get(name), "raised while it stood"
                stands[name] = True
            case alerts.AlertReopened(alert_id=name):
                assert stands[name] is False, "came back without having been over"
                stands[name] = True
            case alerts.AlertResolved(alert_id=name):
                stands[name] = False
            case alerts.AlertUpdated(alert_id=name):
                assert name in stands
    shown = {name: one.alert.state != "resolved" for name, one in end.alerts.items() if not one.alert.history}
    assert shown == stands


@settings(max_examples=60, deadline=None)
@given(stories(people=False, accounts=False))
def test_money_is_conserved_to_the_cent_on_every_day(story: Story) -> None:
    desk = told(story).desk
    items = [card.item for card in desk.every(ITEMS, CUSTOMER).values()]
    settlements = list(desk.every(SETTLEMENTS, CUSTOMER).values())
    for on in (FIRST + timedelta(days=n) for n in range(0, 110, 7)):
        rows = age(items, settlements, on).ageing
        net = sum((row.net for row in rows), Decimal(0))
        assert net == owed(items, on) - brought(settlements, on)
        assert sum((row.open_total for row in rows), Decimal(0)) == sum(open_on(item, on) for item in items)


def owed(items: list[OpenItem], on: date) -> Decimal:
    """All that was invoiced, less what was given up of it: a write-off beyond the total gives up no more than that."""
    sums = Decimal(0)
    for item in items:
        total = total_on(item, on)
        given_up = sum((one.amount for one in item.entries if one.on <= on and one.kind == "write_off"), Decimal(0))
        sums += 0 if total is None else total - min(total, given_up)
    return sums


def brought(settlements: list[Settlement], on: date) -> Decimal:
    """All that came in as money or credit, less what was taken back."""
    return sum(
        (
            one.receipt.total - reversed_on(one, on)
            for one in settlements
            if one.receipt is not None and one.receipt.kind != "write_off" and one.receipt.dated_on <= on
        ),
        Decimal(0),
    )


def test_what_was_paid_before_the_clock_looked_stays_a_mere_record_in_a_refold() -> None:
    """A load of old books: invoice and payment follow each other faster than the clock looks."""
    erp, desk = Sender("erp"), TestDesk(SERVICE, START)
    desk.take(erp.event(invoice(), CUSTOMER, START))
    desk.take(erp.event(payment(), CUSTOMER, START), at=START + timedelta(seconds=1))
    desk.advance(LATER)
    assert [one.alert.history for one in desk.every(ALERTS, CUSTOMER).values()] == [True]
    again = desk.refold(ACCOUNTS, CUSTOMER)
    assert (again.changed, again.said) == ({}, [])


def test_a_refold_before_the_clock_has_looked_leaves_the_news_to_it_so_that_a_mail_is_sent() -> None:
    erp, desk = Sender("erp"), TestDesk(SERVICE, START)
    desk.take(erp.event(invoice(), CUSTOMER, START))
    desk.now = START + timedelta(minutes=1)
    desk.refold(ACCOUNTS, CUSTOMER)
    assert desk.said == []
    desk.advance(START + timedelta(minutes=2))
    assert len(desk.every(NOTIFICATIONS, CUSTOMER)) == len(payloads(desk.said, alerts.AlertRaised)) == 1


def test_an_alert_that_comes_back_twice_on_the_same_opening_is_written_about_twice() -> None:
    bank, desk = Sender("bank"), TestDesk(SERVICE, START)
    desk.take(Sender("erp").event(invoice(), CUSTOMER, START))
    for n in range(2):
        desk.advance(START + timedelta(days=n, hours=1))
        day = RULES.day(desk.now)
        paid = msgspec.structs.replace(payment(), document_id=f"P{n}", dated_on=day)
        desk.take(bank.event(paid, CUSTOMER, desk.now), at=desk.now)
        desk.take(bank.event(trade.PaymentReversed(document_id=f"P{n}", dated_on=day), CUSTOMER, desk.now), at=desk.now)
    desk.advance(LATER)
    assert len(payloads(desk.said, alerts.AlertReopened)) == 2
    assert len(desk.every(NOTIFICATIONS, CUSTOMER)) == 3


def invoice() -> trade.InvoiceIssued:
    """Long overdue."""
    return trade.InvoiceIssued(invoice_id="I1", issued_on=FIRST, due_on=FIRST, total=Money.of("10.00", "CNY"))


def payment() -> trade.PaymentReceived:
    """It, paid."""
    return trade.PaymentReceived(
        document_id="P1",
        dated_on=RULES.day(START),
        total=Money.of("10.00", "CNY"),
        applied_to=[trade.AppliedTo(invoice_id="I1", amount=Amount(Decimal("10.00")))],
    )

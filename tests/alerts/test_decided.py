"""What people decide about alerts, as pure folds: who may win, where their words go, and that a refold keeps it all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, cast
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.envelope import Event, decode, encode, encode_data
from contracts.events.alerts import (
    AlertAcknowledged,
    AlertAssigned,
    AlertCommented,
    AlertFact,
    AlertResolved,
    AlertSnoozed,
    AlertWorked,
)
from contracts.events.lifecycle import OwnerChanged
from contracts.events.trade import AppliedTo, InvoiceIssued, PaymentReceived
from contracts.money import Amount, Money
from contracts.refusal import Refused
from services.alerts.decided import Asked, version_of
from services.alerts.handlers import alerts_service
from services.alerts.rules import Rules
from services.alerts.store import ACCOUNTS, ALERTS, NOTES, Owned
from services.chassis.work import event_work
from tests.desk import Sender, TestDesk

CUSTOMER = "C-1"
DUE = date(2026, 1, 31)
START = datetime(2026, 1, 1, tzinfo=UTC)
LATE = datetime(2026, 2, 2, 9, tzinfo=UTC)
RULES = Rules(ZoneInfo("Asia/Shanghai"))


class Office(TestDesk):
    """The alerts service with one overdue invoice of one customer, and people at its API."""

    __test__ = False

    def ask(self, data: AlertFact, text: str = "", *, version: int | None = None) -> list[Event]:
        """What the API does with a decision. Raises Refused."""
        asked = Asked(version_of(self.owned) if version is None else version, text)
        self.now += timedelta(minutes=1)
        event = Event(
            id=f"d-{len(self.known)}",
            source="rapport/alerts",
            type=data.TYPE,
            subject=CUSTOMER,
            time=self.now,
            data=data,
        )
        record = encode(event)
        read = decode(record.value, record.headers, record.key)
        self.known.add(event.id)
        work = event_work(read, self.service.handlers[data.TYPE], self.now, None, encode_data(data))
        work.private, work.answered = asked, True
        before, failed = len(self.said), len(self.dead)
        self._apply((ACCOUNTS.name, CUSTOMER), [work])
        for dead in self.dead[failed:]:
            raise Refused(dead.reason, dead.message)
        return self.said[before:]

    @property
    def owned(self) -> Owned:
        (held,) = self.every(ALERTS, CUSTOMER).values()
        return held

    @property
    def alert_id(self) -> str:
        return self.owned.alert.alert_id


@pytest.fixture
def office() -> Office:
    made = Office(alerts_service(RULES), START)
    erp = Sender("erp")
    total = Money(Decimal("1200.00"), "CNY")
    issued = InvoiceIssued(invoice_id="INV-1", issued_on=date(2026, 1, 1), due_on=DUE, total=total)
    owner = OwnerChanged(owner_id="staff/wang", deputy_id="staff/li", valid_from=date(2026, 1, 1))
    made.take(erp.event(owner, CUSTOMER, START), erp.event(issued, CUSTOMER, START))
    made.advance(LATE)
    return made


def acknowledged(office: Office, by: str = "staff/wang") -> AlertAcknowledged:
    return AlertAcknowledged(alert_id=office.alert_id, by=by, acknowledged_at=office.now)


def commented(office: Office) -> AlertCommented:
    return AlertCommented(alert_id=office.alert_id, by="staff/wang", commented_at=office.now, comment_id="c-1")


def test_a_decision_is_said_as_it_came_and_stands_in_the_alert(office: Office) -> None:
    said = office.ask(acknowledged(office))
    assert [event.data for event in said] == [acknowledged_at(office, said[0])]
    assert (office.owned.alert.state, office.owned.alert.acknowledged_by) == ("acknowledged", "staff/wang")


def acknowledged_at(office: Office, event: Event) -> AlertAcknowledged:
    at = cast("AlertAcknowledged", event.data).acknowledged_at
    return AlertAcknowledged(alert_id=office.alert_id, by="staff/wang", acknowledged_at=at)


def test_words_stay_here_and_never_go_on_the_bus(office: Office) -> None:
    said = office.ask(commented(office), "he pays on Friday, says his brother Chen")
    assert b"Chen" not in b"".join(encode(event).value for event in said)
    assert "Chen" not in repr(office.rows[CUSTOMER])
    (note,) = office.every(NOTES, CUSTOMER).values()
    assert "Chen" in note.text


def test_the_timeline_names_the_event_under_whose_id_the_words_lie(office: Office) -> None:
    (event,) = office.ask(commented(office), "he pays on Friday")
    entry = office.owned.alert.timeline[-1]
    assert (entry.what, entry.by, entry.note, entry.facts) == (
        "commented",
        "staff/wang",
        "",
        (f"rapport/alerts:{event.id}",),
    )
    assert office.value(NOTES, CUSTOMER, event.id) is not None


def test_of_two_writers_who_read_the_same_version_one_wins(office: Office) -> None:
    read = version_of(office.owned)
    office.ask(acknowledged(office), version=read)
    with pytest.raises(Refused) as refused:
        office.ask(AlertResolved(alert_id=office.alert_id, by="staff/li", resolved_at=LATE, outcome="x"), version=read)
    assert refused.value.reason == "stale"
    assert office.owned.alert.state == "acknowledged"


def test_a_change_by_the_facts_makes_a_version_stale_too(office: Office) -> None:
    read = version_of(office.owned)
    office.take(paid("400.00"))
    with pytest.raises(Refused, match="changed"):
        office.ask(acknowledged(office), version=read)


def test_what_the_state_does_not_admit_is_refused_with_what_would_be_possible(office: Office) -> None:
    office.ask(AlertResolved(alert_id=office.alert_id, by="staff/wang", resolved_at=LATE, outcome="paid_cash"))
    with pytest.raises(Refused) as refused:
        office.ask(acknowledged(office))
    assert refused.value.reason == "not_allowed"
    assert "comment or note work" in refused.value.message


def test_an_unknown_alert_is_not_found(office: Office) -> None:
    with pytest.raises(Refused) as refused:
        office.ask(AlertAcknowledged(alert_id="nobody", by="staff/wang", acknowledged_at=LATE))
    assert refused.value.reason == "not_found"


def test_an_assigned_alert_changes_hands_and_stays_there_when_the_owner_changes(office: Office) -> None:
    office.ask(AlertAssigned(alert_id=office.alert_id, owner_id="staff/zhao", by="staff/wang", assigned_at=LATE))
    assert office.owned.owner_id == "staff/zhao"
    moved = OwnerChanged(owner_id="staff/qian", valid_from=date(2026, 2, 2))
    office.take(Sender("crm").event(moved, CUSTOMER, office.now))
    assert office.owned.owner_id == "staff/zhao"


def test_nobody_is_mailed_by_a_decision(office: Office) -> None:
    (event,) = office.ask(
        AlertAssigned(alert_id=office.alert_id, owner_id="staff/zhao", by="staff/wang", assigned_at=LATE)
    )
    assert event.type == AlertAssigned.TYPE


def test_words_that_would_get_lost_are_refused(office: Office) -> None:
    office.ask(acknowledged(office))
    with pytest.raises(Refused, match="comment on the alert"):
        office.ask(acknowledged(office), "again, with words")
    assert office.every(NOTES, CUSTOMER) == {}


def test_a_snooze_that_has_run_out_does_not_stand_in_the_way(office: Office) -> None:
    until = office.now + timedelta(days=1)
    office.ask(AlertSnoozed(alert_id=office.alert_id, by="staff/wang", snoozed_at=office.now, until=until))
    assert office.owned.alert.snoozed_until == until
    office.now += timedelta(days=2)
    office.ask(commented(office), "awake")
    assert office.owned.alert.snoozed_until != until
    assert [entry.what for entry in office.owned.alert.timeline[-2:]] == ["woken", "commented"]


def test_the_version_is_the_same_before_and_after_storing(office: Office) -> None:
    owned = office.owned
    # Another zone and microseconds, as a moment has before the database cut it.
    raised_at = owned.alert.raised_at.astimezone(timezone(timedelta(hours=8))) + timedelta(microseconds=7)
    fresh = msgspec.structs.replace(owned, alert=msgspec.structs.replace(owned.alert, raised_at=raised_at))
    assert version_of(fresh) == version_of(owned)
    assert version_of(msgspec.structs.replace(owned, owner_id="staff/li")) != version_of(owned)


def test_the_bus_cannot_decide_for_people(office: Office) -> None:
    for payload in (AlertAcknowledged, AlertAssigned, AlertCommented, AlertWorked, AlertSnoozed, AlertResolved):
        assert office.service.handlers[payload.TYPE].own
    assert "rapport.alerts" not in office.service.topics()


def paid(amount: str) -> Event:
    payment = PaymentReceived(
        document_id=f"P-{amount}",
        dated_on=date(2026, 2, 2),
        total=Money(Decimal(amount), "CNY"),
        applied_to=[AppliedTo(invoice_id="INV-1", amount=Amount(Decimal(amount)))],
    )
    return Sender("bank").event(payment, CUSTOMER, LATE, event_id=f"pay-{amount}")


Step = Callable[[Office], object]
STEPS: dict[str, Step] = {
    "acknowledge": lambda office: office.ask(acknowledged(office), "mine"),
    "acknowledge by another": lambda office: office.ask(acknowledged(office, "staff/li")),
    "comment": lambda office: office.ask(commented(office), "he pays on Friday"),
    "assign": lambda office: office.ask(
        AlertAssigned(alert_id=office.alert_id, owner_id="staff/li", by="staff/wang", assigned_at=office.now), "please"
    ),
    "work": lambda office: office.ask(
        AlertWorked(
            alert_id=office.alert_id,
            by="staff/wang",
            worked_at=office.now,
            measure="visit",
            promised=Money(Decimal("1200.00"), "CNY"),
            promised_by=date(2026, 3, 1),
        )
    ),
    "snooze": lambda office: office.ask(
        AlertSnoozed(
            alert_id=office.alert_id,
            by="staff/wang",
            snoozed_at=office.now,
            until=office.now.astimezone(timezone(timedelta(hours=8))) + timedelta(days=1, microseconds=5),
        ),
        "holiday",
    ),
    "resolve": lambda office: office.ask(
        AlertResolved(alert_id=office.alert_id, by="staff/wang", resolved_at=office.now, outcome="by_person"), "done"
    ),
    "pay some": lambda office: office.take(paid("200.00"), at=office.now + timedelta(minutes=1)),
    "pay the rest": lambda office: office.take(paid("1000.00"), at=office.now + timedelta(minutes=1)),
    "wait": lambda office: office.advance(office.now + timedelta(days=20)),
}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=8))
def test_a_refold_brings_back_what_people_decided_whatever_happened_in_between(steps: list[str]) -> None:
    make: Any = office.__wrapped__  # type: ignore[attr-defined]
    one: Office = make()
    for step in steps:
        try:
            STEPS[step](one)
        except Refused as refused:
            assert refused.reason == "not_allowed"
    before, notes = one.owned, one.every(NOTES, CUSTOMER)
    folded = one.refold(ACCOUNTS, CUSTOMER)
    assert one.owned == before
    assert one.every(NOTES, CUSTOMER) == notes
    assert folded.said == []

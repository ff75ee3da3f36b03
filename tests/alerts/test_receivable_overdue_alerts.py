"""From episodes to alerts: one cause, one alert, and what people may do to it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.alerts.model.alert import TIMELINE_MOST, Alert, Promise, Recovered, reconcile
from services.alerts.model.decisions import (
    Acknowledge,
    AnyDecision,
    Assign,
    Comment,
    NotAllowed,
    Resolve,
    Snooze,
    Work,
    decide,
    notified,
    woken,
)
from services.alerts.model.facts import FactKey
from services.alerts.model.open_item import (
    Entry,
    InvoiceFacts,
    OpenItem,
    open_on,
    with_corrected,
    with_dispute,
    with_entries,
    with_issued,
)
from services.alerts.model.rules.receivable_overdue import Params, episodes

DUE = date(2026, 1, 31)
NOW = datetime(2026, 2, 2, 9, tzinfo=UTC)
PARAMS = Params()


def key(n: int) -> FactKey:
    return FactKey(time=datetime(2026, 1, 1, 0, n, tzinfo=UTC), source="erp", id=f"e{n}")


def facts(n: int, due: date = DUE, total: str = "100.00") -> InvoiceFacts:
    return InvoiceFacts(key=key(n), issued_on=date(2026, 1, 1), due_on=due, total=Decimal(total), currency="CNY")


def invoice(due: date = DUE) -> OpenItem:
    return with_issued(OpenItem(subject="c1", invoice_id="INV1"), facts(1, due))


def paid(item: OpenItem, n: int, on: date, amount: str = "100.00") -> OpenItem:
    entry = Entry(
        document_id=f"P{n}",
        kind="payment",
        on=on,
        amount=Decimal(amount),
        currency="CNY",
        key=key(n),
        application=key(n).ref,
    )
    return with_entries(item, f"P{n}", [entry])


def feb(day: int) -> date:
    return date(2026, 2, day)


class Desk:
    """The alerts of one invoice as they would be kept, with the changes told along the way."""

    def __init__(self, item: OpenItem) -> None:
        self.item = item
        self.alerts: dict[str, Alert] = {}

    def look(self, today: date, because: str = "") -> list[str]:
        found = episodes(self.item, PARAMS, today)
        moment = datetime(today.year, today.month, today.day, 9, tzinfo=UTC)
        changes = reconcile(self.alerts, found, moment, today, because)
        self.alerts |= {change.alert.alert_id: change.alert for change in changes}
        assert reconcile(self.alerts, found, moment, today, because) == []
        return [change.kind for change in changes]

    def now(self, item: OpenItem, today: date, because: str) -> list[str]:
        self.item = item
        return self.look(today, because)

    @property
    def only(self) -> Alert:
        (alert,) = self.alerts.values()
        return alert

    def decide(self, decision: AnyDecision, by: str = "m1", now: datetime = NOW) -> None:
        self.alerts[self.only.alert_id] = decide(self.only, decision, now, by)


def test_it_is_raised_once_with_what_a_manager_reads() -> None:
    desk = Desk(invoice())
    assert [desk.look(day) for day in (DUE, feb(1), feb(2))] == [[], ["raised"], []]
    assert desk.only.figures == {
        "invoice": "INV1",
        "open": "100.00",
        "total": "100.00",
        "currency": "CNY",
        "due_on": "2026-01-31",
        "days_past_due": "1",
        "bucket": "1-30",
    }
    assert (desk.only.severity, desk.only.opened_by, desk.only.state) == ("notice", (key(1).ref,), "raised")


def test_a_part_payment_and_a_stage_update_it_and_the_rest_resolves_it() -> None:
    desk = Desk(invoice())
    desk.look(feb(1))
    part = paid(desk.item, 2, feb(5), "60.00")
    assert desk.now(part, feb(5), key(2).ref) == ["updated"]
    assert desk.only.figures["open"] == "40.00"
    assert desk.look(date(2026, 3, 3)) == ["updated"]
    assert (desk.only.stage, desk.only.severity) == (2, "warning")
    assert desk.now(paid(part, 3, date(2026, 3, 9), "40.00"), date(2026, 3, 9), key(3).ref) == ["resolved"]
    assert (desk.only.outcome, desk.only.because) == ("paid", (key(3).ref,))
    assert [entry.what for entry in desk.only.timeline] == ["raised", "updated", "updated", "resolved"]


def test_a_payment_on_the_first_morning_resolves_it_and_does_not_call_it_false() -> None:
    desk = Desk(invoice())
    desk.look(feb(1))
    assert desk.now(paid(desk.item, 2, feb(1)), feb(1), key(2).ref) == ["resolved"]
    assert desk.only.outcome == "paid"


def test_a_payment_dated_before_it_began_withdraws_it_and_is_named() -> None:
    desk = Desk(invoice())
    desk.look(feb(3))
    assert desk.now(paid(desk.item, 2, DUE), feb(3), key(2).ref) == ["withdrawn"]
    assert (desk.only.outcome, desk.only.because) == ("withdrawn", (key(2).ref,))


def test_what_began_and_ended_before_it_was_seen_is_recorded_and_no_news() -> None:
    desk = Desk(paid(invoice(), 2, feb(9)))
    assert desk.look(feb(20)) == ["recorded"]
    assert (desk.only.history, desk.only.state, desk.only.outcome) == (True, "resolved", "paid")


def test_a_recorded_one_that_stands_after_all_is_raised() -> None:
    desk = Desk(paid(invoice(), 2, feb(9)))
    desk.look(feb(20))
    assert desk.now(with_entries(desk.item, "P2", ()), feb(21), key(3).ref) == ["raised"]
    assert (desk.only.history, desk.only.state) == (False, "raised")


def test_a_due_date_put_off_withdraws_it_and_past_the_new_one_the_same_is_reopened() -> None:
    desk = Desk(invoice())
    desk.look(feb(3))
    assert desk.now(with_corrected(desk.item, facts(2, feb(10))), feb(3), key(2).ref) == ["withdrawn"]
    assert [desk.look(day) for day in (feb(10), feb(11))] == [[], ["reopened"]]
    assert (desk.only.opened_on, desk.only.state, desk.only.outcome) == (feb(11), "raised", None)


def test_a_bounced_payment_is_another_alert() -> None:
    desk = Desk(paid(invoice(), 2, feb(5)))
    desk.look(feb(5))
    assert desk.now(paid(desk.item, 3, feb(9), "-100.00"), feb(9), key(3).ref) == ["raised"]
    assert len(desk.alerts) == 2


def test_a_dispute_and_its_end_on_the_same_day_reopen_the_same_alert() -> None:
    desk = Desk(invoice())
    desk.look(feb(3))
    assert desk.now(with_dispute(desk.item, key(2), feb(3), True), feb(3), key(2).ref) == ["resolved"]
    assert desk.now(with_dispute(desk.item, key(3), feb(3), False), feb(3), key(3).ref) == ["reopened"]
    assert len(desk.alerts) == 1


def test_its_id_depends_on_its_opening_and_on_nothing_that_changes() -> None:
    first, second = Desk(invoice()), Desk(with_corrected(invoice(), facts(2, feb(1), "70.00")))
    first.look(feb(3))
    second.look(feb(20))
    assert first.only.alert_id == second.only.alert_id


def test_what_a_person_resolved_stays_resolved_while_it_goes_on() -> None:
    desk = Desk(invoice())
    desk.look(feb(1))
    desk.decide(Resolve(outcome="customer will pay cash"))
    assert desk.look(date(2026, 3, 3)) == []
    assert desk.now(paid(desk.item, 2, date(2026, 3, 4)), date(2026, 3, 4), key(2).ref) == ["updated"]
    assert (desk.only.state, desk.only.outcome) == ("resolved", "paid")
    bounced = paid(desk.item, 3, date(2026, 3, 9), "-100.00")
    assert desk.now(bounced, date(2026, 3, 9), key(3).ref) == ["raised"]


def test_an_alert_is_told_acknowledged_worked_and_comes_back_from_the_store_as_it_was() -> None:
    desk = Desk(invoice())
    desk.look(feb(1))
    alert = notified(desk.only, NOW, "m1")
    assert alert.state == "notified"
    alert = decide(alert, Acknowledge(note="on it"), NOW, "m1")
    promise = Promise(amount=Decimal("60.00"), currency="CNY", by=feb(20))
    alert = decide(alert, Work(cause="invoice lost", promise=promise), NOW, "m1")
    alert = decide(alert, Work(recovered=Recovered(amount=Decimal("20.00"), currency="CNY")), NOW, "m1")
    assert (alert.worked.cause, alert.worked.promise) == ("invoice lost", promise)
    assert [entry.what for entry in alert.timeline] == ["raised", "notified", "acknowledged", "worked", "worked"]
    kept = msgspec.to_builtins(alert, builtin_types=(Decimal, datetime))
    assert msgspec.convert(kept, type=Alert) == alert


def test_a_snoozed_alert_wakes_as_what_it_was_and_facts_still_resolve_it() -> None:
    desk = Desk(invoice())
    desk.look(feb(1))
    desk.decide(Acknowledge())
    until = NOW + timedelta(days=3)
    desk.decide(Snooze(until=until))
    assert woken(desk.only, until - timedelta(seconds=1)) == desk.only
    assert woken(desk.only, until).state == "acknowledged"
    assert desk.now(paid(desk.item, 2, feb(3)), feb(3), key(2).ref) == ["resolved"]
    assert desk.only.snoozed_until is None


def test_decisions_that_repeat_what_holds_change_nothing() -> None:
    desk = Desk(invoice())
    desk.look(feb(1))
    for decision in (Acknowledge(), Assign(to="m2")):
        desk.decide(decision)
        held = desk.only
        desk.decide(decision)
        assert desk.only == held


def test_who_it_is_assigned_to_may_take_it_over() -> None:
    desk = Desk(invoice())
    desk.look(feb(1))
    desk.decide(Acknowledge())
    with pytest.raises(NotAllowed, match="acknowledged by m1"):
        desk.decide(Acknowledge(), by="m2")
    desk.decide(Assign(to="m2"))
    desk.decide(Acknowledge(), by="m2")
    assert desk.only.acknowledged_by == "m2"


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        (Comment(text=" "), "empty"),
        (Comment(text="x" * 1001), "1001 characters"),
        (Assign(to=""), "nobody is named"),
        (Snooze(until=NOW), "expected a moment ahead"),
        (Snooze(until=NOW + timedelta(days=93)), "at most that far"),
        (Resolve(outcome=""), "no outcome"),
        (Work(), "nothing is said"),
        (Work(recovered=Recovered(amount=Decimal(0), currency="CNY")), "not above zero"),
        (Work(promise=Promise(amount=Decimal(9), currency="CNY", by=feb(1))), "which is over"),
    ],
)
def test_a_decision_that_cannot_be_taken_says_why(decision: AnyDecision, message: str) -> None:
    desk = Desk(invoice())
    desk.look(feb(1))
    with pytest.raises(NotAllowed, match=message):
        desk.decide(decision)


@pytest.mark.parametrize(
    "decision", [Acknowledge(), Assign(to="m2"), Snooze(until=NOW + timedelta(days=1)), Resolve(outcome="done")]
)
def test_a_resolved_alert_takes_comments_and_work_only(decision: AnyDecision) -> None:
    desk = Desk(paid(invoice(), 2, feb(1)))
    desk.look(feb(2))
    with pytest.raises(NotAllowed, match="resolved already"):
        desk.decide(decision)
    desk.decide(Comment(text="paid after a call"))
    desk.decide(Work(measure="call"))
    assert desk.only.worked.measure == "call"


def test_a_timeline_is_bounded_and_drops_old_updates_before_anything_people_said() -> None:
    desk = Desk(invoice())
    desk.look(feb(1))
    for n in range(TIMELINE_MOST - 20):
        desk.decide(Comment(text=f"note {n}"))
    for n in range(40):
        desk.now(with_corrected(desk.item, facts(2 + n, total=str(101 + n))), feb(1), f"e{n}")
    said = [entry.what for entry in desk.only.timeline]
    assert (len(said), said.count("commented"), said[0]) == (TIMELINE_MOST, TIMELINE_MOST - 20, "raised")


def test_decisions_travel_as_json_by_their_names() -> None:
    sent = msgspec.json.encode(Snooze(until=NOW))
    assert msgspec.json.decode(sent, type=AnyDecision) == Snooze(until=NOW)
    assert b'"type":"snooze"' in sent


moves = st.lists(
    st.tuples(
        st.sampled_from(["pay", "bounce", "dispute", "lift", "due", "look"]),
        st.integers(0, 12),
        st.integers(0, 4),
        st.sampled_from(["40.00", "60.00", "100.00"]),
    ),
    max_size=9,
)


@settings(max_examples=150, deadline=None)
@given(moves=moves)
def test_after_any_history_the_alerts_standing_are_the_invoices_overdue(moves: list[tuple[str, int, int, str]]) -> None:
    desk = Desk(invoice())
    today = feb(1)
    for n, (what, back, ahead, amount) in enumerate(moves, start=2):
        today += timedelta(days=ahead)
        on = today - timedelta(days=back)
        item = desk.item
        if what == "pay":
            item = paid(item, n, on, amount)
        elif what == "bounce" and open_on(item, date(2099, 1, 1)) < 60:
            item = paid(item, n, today, "-40.00")
        elif what in ("dispute", "lift"):
            item = with_dispute(item, key(n), on, what == "dispute")
        elif what == "due":
            item = with_corrected(item, facts(n, on))
        desk.now(item, today, key(n).ref)
        live = [alert for alert in desk.alerts.values() if alert.state != "resolved"]
        stands = [one for one in episodes(item, PARAMS, today) if one.closed_on is None]
        assert [alert.opened_on for alert in live] == [one.opened_on for one in stands]
        assert len(live) <= 1
        assert all(alert.outcome is not None for alert in desk.alerts.values() if alert.state == "resolved")

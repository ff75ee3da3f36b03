"""When an invoice is overdue: the days on which it begins and ends, its stages, and when to look again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.alerts.model.facts import FactKey
from services.alerts.model.open_item import (
    Entry,
    InvoiceFacts,
    OpenItem,
    SettlementKind,
    with_cancelled,
    with_corrected,
    with_dispute,
    with_entries,
    with_issued,
)
from services.alerts.model.rules.receivable_overdue import Params, episodes, next_due

ISSUED, DUE = date(2026, 1, 1), date(2026, 1, 31)
FIRST_LATE = date(2026, 2, 1)
PARAMS = Params()


def key(n: int) -> FactKey:
    return FactKey(time=datetime(2026, 1, 1, n // 60, n % 60, tzinfo=UTC), source="erp", id=f"e{n}")


def invoice(due: date = DUE, total: str = "100.00", issued: date = ISSUED) -> OpenItem:
    return with_issued(OpenItem(subject="c1", invoice_id="INV1"), facts(1, due, total, issued))


def facts(n: int, due: date = DUE, total: str = "100.00", issued: date = ISSUED) -> InvoiceFacts:
    return InvoiceFacts(key=key(n), issued_on=issued, due_on=due, total=Decimal(total), currency="CNY")


def paid(item: OpenItem, n: int, on: date, amount: str = "100.00", kind: SettlementKind = "payment") -> OpenItem:
    entry = Entry(
        document_id=f"P{n}",
        kind=kind,
        on=on,
        amount=Decimal(amount),
        currency="CNY",
        key=key(n),
        application=key(n).ref,
    )
    return with_entries(item, f"P{n}", [entry])


def feb(day: int) -> date:
    return date(2026, 2, day)


def stretches(item: OpenItem, until: date, params: Params = PARAMS) -> list[tuple[date, date | None, str | None]]:
    return [(one.opened_on, one.closed_on, one.outcome) for one in episodes(item, params, until)]


def test_it_begins_on_the_day_after_the_due_date_and_not_on_it() -> None:
    assert stretches(invoice(), DUE) == []
    assert stretches(invoice(), FIRST_LATE) == [(FIRST_LATE, None, None)]


def test_grace_moves_the_beginning_by_whole_days() -> None:
    params = Params(grace_days=3)
    assert stretches(invoice(), feb(3), params) == []
    assert stretches(invoice(), feb(4), params) == [(feb(4), None, None)]


def test_paid_on_the_due_date_it_never_was() -> None:
    assert stretches(paid(invoice(), 2, DUE), feb(20)) == []


def test_paid_on_the_first_day_past_due_it_was_late_for_that_day() -> None:
    item = paid(invoice(), 2, FIRST_LATE)
    assert stretches(item, feb(20)) == [(FIRST_LATE, FIRST_LATE, "paid")]


@pytest.mark.parametrize(
    ("kind", "outcome"), [("payment", "paid"), ("credit_note", "credited"), ("write_off", "written_off")]
)
def test_what_settles_it_names_the_outcome(kind: SettlementKind, outcome: str) -> None:
    (episode,) = episodes(paid(invoice(), 2, feb(5), kind=kind), PARAMS, feb(9))
    assert (episode.closed_on, episode.outcome, episode.because) == (feb(5), outcome, (key(2).ref,))


def test_two_payments_of_a_day_end_it_together_and_a_cent_short_does_not() -> None:
    item = paid(paid(invoice(), 2, feb(5), "60.00"), 3, feb(5), "40.00")
    assert episodes(item, PARAMS, feb(9))[0].because == (key(2).ref, key(3).ref)
    short = paid(paid(invoice(), 2, feb(5), "60.00"), 3, feb(5), "39.99")
    (episode,) = episodes(short, PARAMS, feb(9))
    assert (episode.closed_on, episode.figures["open"]) == (None, "0.01")


def test_a_dispute_ends_it_and_its_end_opens_another_named_after_that_fact() -> None:
    item = with_dispute(with_dispute(invoice(), key(2), feb(5), True), key(3), feb(9), False)
    first, second = episodes(item, PARAMS, feb(20))
    assert (first.opening_fact, first.closed_on, first.outcome) == ("invoice//INV1", feb(5), "disputed")
    assert (second.opening_fact, second.opened_on, second.closed_on) == (key(3).ref, feb(9), None)


def test_a_bounced_payment_opens_another_at_the_stage_reached_by_then() -> None:
    item = paid(paid(invoice(), 2, feb(5)), 3, date(2026, 3, 10), "-100.00")
    _, second = episodes(item, PARAMS, date(2026, 3, 20))
    assert (second.opening_fact, second.opened_on, second.stages) == (
        key(3).ref,
        date(2026, 3, 10),
        ((date(2026, 3, 10), 2),),
    )


def test_a_cancelled_invoice_is_no_longer_overdue() -> None:
    assert stretches(with_cancelled(invoice(), key(2), feb(5)), feb(9)) == [(FIRST_LATE, feb(5), "cancelled")]


def test_paid_and_bounced_within_a_day_it_goes_on_as_before() -> None:
    item = paid(paid(invoice(), 2, feb(5)), 3, feb(5), "-100.00")
    assert stretches(item, feb(9)) == [(FIRST_LATE, None, None)]


def test_bounced_and_paid_again_within_a_day_it_was_overdue_on_that_day() -> None:
    item = paid(paid(paid(invoice(), 2, DUE), 3, feb(5), "-100.00"), 4, feb(5))
    assert stretches(item, feb(9)) == [(feb(5), feb(5), "paid")]


def test_opened_twice_within_a_day_it_is_named_after_the_first_time() -> None:
    item = paid(paid(paid(paid(invoice(), 2, DUE), 3, feb(5), "-100.00"), 4, feb(5)), 5, feb(5), "-100.00")
    (episode,) = episodes(item, PARAMS, feb(9))
    assert (episode.opening_fact, episode.closed_on) == (key(3).ref, None)


def test_a_corrected_due_date_keeps_the_name_and_moves_the_beginning() -> None:
    before = episodes(invoice(), PARAMS, feb(20))[0]
    after = episodes(with_corrected(invoice(), facts(2, feb(10))), PARAMS, feb(20))[0]
    assert (before.opening_fact, before.opened_on) == (after.opening_fact, FIRST_LATE)
    assert after.opened_on == feb(11)
    alone = with_corrected(OpenItem(subject="c1", invoice_id="INV1"), facts(2, feb(10)))
    assert episodes(alone, PARAMS, feb(20))[0].opening_fact == before.opening_fact


def test_a_late_fact_about_earlier_days_does_not_rename_what_came_after() -> None:
    item = paid(paid(invoice(), 2, feb(5)), 3, feb(9), "-100.00")
    named = episodes(item, PARAMS, feb(20))[1].opening_fact
    earlier = with_entries(paid(item, 4, DUE), "P2", ())
    (only,) = episodes(earlier, PARAMS, feb(20))[-1:]
    assert (only.opening_fact, only.opened_on) == (named, feb(9))


def test_stages_begin_on_their_days_past_due() -> None:
    reached = ((FIRST_LATE, 1), (date(2026, 3, 3), 2), (date(2026, 4, 2), 3), (date(2026, 5, 2), 4))
    assert episodes(invoice(), PARAMS, date(2026, 5, 2))[0].stages == reached
    assert episodes(invoice(), PARAMS, date(2026, 5, 1))[0].stages == reached[:3]
    assert episodes(invoice(), PARAMS, date(2026, 5, 1))[0].moving == {"days_past_due": "90", "bucket": "61-90"}


def test_an_invoice_issued_past_its_due_date_is_overdue_at_once() -> None:
    assert stretches(invoice(issued=feb(9)), feb(8)) == []
    assert stretches(invoice(issued=feb(9)), feb(9)) == [(feb(9), None, None)]


def test_the_past_reads_as_it_did_before_the_payment() -> None:
    item = paid(invoice(), 2, feb(5))
    assert episodes(item, PARAMS, feb(4)) == episodes(invoice(), PARAMS, feb(4))


def test_the_clock_looks_again_at_the_beginning_and_at_every_stage_and_then_never() -> None:
    days, day = [], ISSUED
    while (found := next_due(invoice(), PARAMS, day)) is not None:
        days.append(found)
        day = found
    assert days == [FIRST_LATE, date(2026, 3, 3), date(2026, 4, 2), date(2026, 5, 2)]


def test_nothing_is_waited_for_once_it_is_paid_or_while_it_is_disputed() -> None:
    assert next_due(paid(invoice(), 2, date(2026, 1, 9)), PARAMS, date(2026, 1, 9)) is None
    assert next_due(with_dispute(invoice(), key(2), date(2026, 1, 9), True), PARAMS, date(2026, 1, 9)) is None
    assert next_due(OpenItem(subject="c1", invoice_id="INV1"), PARAMS, ISSUED) is None


def test_due_dates_at_the_end_of_time_do_not_overflow() -> None:
    assert episodes(invoice(due=date.max), PARAMS, date.max) is not None
    assert next_due(invoice(due=date.max), PARAMS, ISSUED) is not None


@pytest.mark.parametrize("stages", [(0, 1), (5, 5), (9, 3), (-1,)])
def test_stages_that_do_not_grow_from_one_on_are_refused(stages: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="stages are"):
        Params(stages=stages)


# Against stepping: every day and every fact in turn, each state worked out anew from all facts before it.

BASE = date(2026, 4, 1)
HORIZON = BASE + timedelta(days=45)


@dataclass(frozen=True)
class Made:
    """One thing that happens to the invoice: an amount applied (or taken back), a dispute, a cancellation."""

    n: int
    on: date
    kind: str
    amount: Decimal = Decimal(0)


def built(issued: date, due: date, total: Decimal, made: list[Made]) -> OpenItem:
    item = invoice(due, str(total), issued)
    for one in made:
        if one.kind == "cancel":
            item = with_cancelled(item, key(one.n), one.on)
        elif one.kind in ("dispute", "lift"):
            item = with_dispute(item, key(one.n), one.on, one.kind == "dispute")
        else:
            item = paid(item, one.n, one.on, str(one.amount))
    return item


def standing(total: Decimal, known: list[Made]) -> bool:
    if any(one.kind == "cancel" for one in known):
        return False
    words = [one.kind for one in known if one.kind in ("dispute", "lift")]
    return words[-1:] != ["dispute"] and sum((one.amount for one in known), Decimal(0)) < total


def stepped(issued: date, due: date, total: Decimal, made: list[Made], params: Params) -> list[list[object]]:
    """[opened, closed, name, stages] of each episode, found the slow way."""
    found: list[list[object]] = []
    known: list[Made] = []
    day = min([issued, due, *(one.on for one in made)])
    stood = False
    while day <= HORIZON:
        late = (day - due).days
        counts = day >= issued and late > params.grace_days
        begun = stood
        opened: str | None = None
        # The midnight first, then the facts of the day one by one.
        todays: list[Made | None] = [None, *(one for one in made if one.on == day)]
        for fact in todays:
            if fact is not None:
                known.append(fact)
            now = counts and standing(total, known)
            if now and not stood and opened is None and not begun:
                opened = "invoice//INV1" if fact is None else key(fact.n).ref
                stage = sum(1 for days in params.stages if late >= days)
                found.append([day, None, opened, [(day, stage)]])
            elif fact is None and now and late in params.stages:
                found[-1][3].append((day, params.stages.index(late) + 1))  # type: ignore[attr-defined]
            stood = now
        if (begun or opened) and not stood:
            found[-1][1] = day
        day += timedelta(days=1)
    return found


days = st.integers(0, 25).map(lambda n: BASE + timedelta(days=n))
amounts = st.sampled_from([Decimal("50.00"), Decimal("100.00"), Decimal("-50.00"), Decimal("-100.00")])
kinds = st.sampled_from(["pay", "pay", "pay", "dispute", "lift", "cancel"])
params = st.builds(
    Params, grace_days=st.integers(0, 4), stages=st.sets(st.integers(1, 15), max_size=4).map(sorted).map(tuple)
)


@st.composite
def histories(draw: st.DrawFn) -> list[Made]:
    """Facts by day and key. What is taken back was there before, as a settlement sees to it."""
    raw = sorted(draw(st.lists(st.tuples(days, kinds, amounts), max_size=7)), key=lambda one: one[0])
    made: list[Made] = []
    used = Decimal(0)
    cancelled = False
    for n, (on, kind, amount) in enumerate(raw, start=2):
        if kind == "cancel" and cancelled:
            continue
        cancelled = cancelled or kind == "cancel"
        moved = amount if kind == "pay" and used + amount >= 0 else Decimal(0)
        used += moved
        if kind != "pay" or moved:
            made.append(Made(n, on, kind, moved))
    return made


@settings(max_examples=250, deadline=None)
@given(issued=days, due=days, made=histories(), params=params)
def test_episodes_equal_stepping_fact_by_fact(issued: date, due: date, made: list[Made], params: Params) -> None:
    total = Decimal("100.00")
    item = built(issued, due, total, made)
    found = [
        [one.opened_on, one.closed_on, one.opening_fact, list(one.stages)] for one in episodes(item, params, HORIZON)
    ]
    assert found == stepped(issued, due, total, made, params)


@settings(max_examples=150, deadline=None)
@given(issued=days, due=days, made=histories(), params=params)
def test_the_next_due_day_equals_stepping_day_by_day(issued: date, due: date, made: list[Made], params: Params) -> None:
    item = built(issued, due, Decimal("100.00"), made)
    stepping = [BASE + timedelta(days=n) for n in range(-1, 46)]
    seen = [seen_on(item, params, day) for day in stepping]
    changes = [day for day, now, before in zip(stepping[1:], seen[1:], seen, strict=False) if now != before]
    for after in stepping:
        assert next_due(item, params, after) == next((day for day in changes if day > after), None)


def seen_on(item: OpenItem, params: Params, day: date) -> list[object]:
    """All that an alert would tell of the invoice on a day."""
    return [
        (one.opened_on, one.closed_on, one.outcome, one.because, one.stages, one.figures)
        for one in episodes(item, params, day)
    ]

"""Names that must not meet, moments that must not be lost, and what a desk shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.identifiers import fits
from contracts.payload import MAX_EVENT_ID
from services.chassis.aggregate import Desk, Missing, State, Stored, derived_id, name_of, named, stored_due
from services.chassis.cache import MOST_DOCUMENTS, StateCache
from services.chassis.logtime import to_millisecond
from tests.chassis.lab import CARDS, NOW, SLIPS, Slip, lab_service, told, work_for

ids = st.text(min_size=1, max_size=20).filter(fits)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - naive bounds


@given(one=st.tuples(ids, ids), other=st.tuples(ids, ids))
@example(one=("A B", "C"), other=("A", "B C"))
@example(one=("A", "B:C"), other=("A:B", "C"))
@example(one=("A%3AB", "C"), other=("A:B", "C"))
def test_no_two_documents_and_no_two_events_share_a_name(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (SLIPS.doc_id(*one) == SLIPS.doc_id(*other)) == (one == other)
    assert (name_of(*one) == name_of(*other)) == (one == other)
    assert named(name_of(*one)) == one


@given(cause=st.text(min_size=1, max_size=600), n=st.integers(0, 99))
def test_a_derived_id_is_one_the_bus_takes_however_long_the_chain_of_causes(cause: str, n: int) -> None:
    assert len(derived_id(cause, "rapport.alert.raised.v1", n)) <= MAX_EVENT_ID


@given(moment=moments)
def test_a_due_moment_is_never_stored_earlier_than_it_is(moment: datetime) -> None:
    stored = stored_due(moment)
    assert timedelta() <= stored - moment < timedelta(milliseconds=1)
    assert stored.microsecond % 1000 == 0


@given(moment=moments, hours=st.integers(-12, 14))
def test_a_moment_is_seen_as_the_database_will_give_it_back(moment: datetime, hours: int) -> None:
    seen = to_millisecond(moment.astimezone(timezone(timedelta(hours=hours))))
    assert seen.utcoffset() == timedelta()
    assert timedelta() <= moment - seen < timedelta(milliseconds=1)


def test_a_fold_sees_its_event_as_a_refold_will_see_it() -> None:
    at = datetime(2026, 3, 1, 0, 30, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    work = work_for(lab_service(), told("add", 1, "C-1", at=at), now=at)
    assert work.event is not None and work.row is not None
    assert work.event.time == work.row["time"] == work.now == datetime(2026, 2, 28, 16, 30, 0, 123000, tzinfo=UTC)


def test_a_desk_shows_all_of_a_kind_only_when_all_has_been_loaded() -> None:
    state = State("C-1", CARDS.name, documents={(SLIPS.name, "a"): Stored(Slip(1)), (SLIPS.name, "b"): Stored(None)})
    desk = Desk(state, "", NOW, "c")
    with pytest.raises(Missing):
        desk.all(SLIPS)
    state.whole.add(SLIPS.name)
    desk.put(SLIPS, Slip(2), "c")
    assert desk.all(SLIPS) == {"a": Slip(1), "c": Slip(2)}


def test_the_cache_forgets_the_least_used_and_never_shares_a_state() -> None:
    cache = StateCache(2, 100)
    for name in ("a", "b", "c"):
        cache.give(State(name, "cards"))
    assert cache.take("cards", "a") is None
    assert cache.take("cards", "b") is not None
    assert cache.take("cards", "b") is None, "it is in somebody's hands"


def test_the_cache_keeps_only_the_head_of_a_subject_with_very_many_documents() -> None:
    cache = StateCache(2, 100)
    state = State("a", "cards", documents={("cards", ""): Stored(None)}, whole={"slips"})
    state.documents |= {("slips", str(n)): Stored(Slip()) for n in range(MOST_DOCUMENTS)}
    cache.give(state)
    kept = cache.take("cards", "a")
    assert kept is not None
    assert (set(kept.documents), kept.whole) == ({("cards", "")}, set()), "and no longer says it has all"


def test_the_cache_holds_no_more_documents_than_it_may_however_few_the_subjects() -> None:
    cache = StateCache(100, 25)
    for name in ("a", "b", "c"):
        cache.give(State(name, "cards", documents={("slips", str(n)): Stored(Slip()) for n in range(10)}))
    assert (len(cache), cache.held) == (2, 20)
    kept = cache.take("cards", "c")
    assert kept is not None and cache.held == 10
    kept.documents.pop(("slips", "0"))
    cache.give(kept)
    assert cache.held == 19
    cache.drop([("cards", "b"), ("cards", "c")])
    assert (len(cache), cache.held) == (0, 0)

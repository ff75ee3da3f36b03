"""Up to which moment everything is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.chassis.logtime import LogTime, Place, millis, service_clock

A, B, C = ("t", 0), ("t", 1), ("t", 2)
T = datetime(2026, 3, 1, tzinfo=UTC)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 10**6)), min_size=1))
def test_a_partitions_clock_never_goes_back(steps: list[tuple[bool, int]]) -> None:
    time, last = LogTime(), millis(0)
    for read_to_end, ms in steps:
        at = time.read_to_end(A, ms) if read_to_end else time.moment(A, ms, None)
        assert at is not None and at >= last
        last = at


def test_the_services_clock_is_that_of_the_partition_that_is_furthest_behind() -> None:
    known = {A: T, B: T - timedelta(hours=1), C: T + timedelta(hours=1)}
    assert service_clock({A, B, C}, known) == T - timedelta(hours=1)
    assert service_clock({A, C}, known) == T, "what is no feed does not hold it"


def test_a_partition_that_has_never_been_read_holds_the_clock() -> None:
    assert service_clock({A, B}, {A: T}) is None
    nothing: set[Place] = set()
    assert service_clock(nothing, {A: T}) is None, "so does a broker that cannot say what there is"


def test_in_a_simulation_events_move_the_clock_and_waiting_does_not() -> None:
    time = LogTime("events")
    assert time.moment(A, 10**12, T) == T
    assert time.moment(A, 10**12, T - timedelta(days=3)) == T, "a late event is folded now"
    assert time.read_to_end(A, 2 * 10**12) is None
    assert time.moment(A, 2 * 10**12, None) == T, "what cannot be read tells nothing of simulated time"


def test_poison_at_the_beginning_of_a_simulation_does_not_push_it_into_the_present() -> None:
    time = LogTime("events")
    assert time.moment(A, 10**12, None) == millis(10**12), "the letter is dated as it came"
    assert time.marks[A] == millis(0)
    assert time.moment(A, 10**12, datetime(1997, 1, 1, tzinfo=UTC)) == datetime(1997, 1, 1, tzinfo=UTC)

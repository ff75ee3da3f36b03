"""Scopes, quotas and usual gaps, without broker and database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.attributes import Attributes
from contracts.refusal import Refused
from contracts.registry import TOPICS
from services.gateway.model.quota import Bucket
from services.gateway.model.scope import Scope, lies_under, types_of
from services.gateway.model.silence import DAYS, Heard, hear, silent_from, usual_gap

START = datetime(2026, 11, 2, 8, tzinfo=UTC)
HOUR, DAY = 3600, 86_400


def said(source: str, kind: str = "rapport.invoice.issued.v1") -> Attributes:
    return Attributes("1", source, kind, "C1", "2026-11-02T09:00:00+08:00", None)


@pytest.mark.parametrize(
    ("source", "prefix", "under"),
    [("erp", "erp", True), ("erp/a/b", "erp", True), ("erp2", "erp", False), ("er", "erp", False), ("", "erp", False)],
)
def test_a_source_lies_under_another_as_in_a_path(source: str, prefix: str, under: bool) -> None:
    assert lies_under(source, prefix) is under


def test_a_scope_admits_its_own_sources_and_types_and_says_which_these_are() -> None:
    scope = Scope(("erp/shanghai", "pos"), types_of(["rapport.trade"]))
    scope.check(said("erp/shanghai/2"))
    scope.check(said("pos", "rapport.purchase.made.v1"))
    with pytest.raises(Refused, match=r"source_not_granted.*erp/shanghai or pos"):
        scope.check(said("erp/beijing"))
    with pytest.raises(Refused, match="type_not_granted"):
        scope.check(said("pos", "rapport.staff.left.v1"))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("rapport.alert.raised.v1", "not_intake"),
        ("rapport.invoice.issued.v2", "newer_major"),
        ("x", "unknown_type"),
    ],
)
def test_what_no_source_may_say_is_refused_whatever_was_granted(kind: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        Scope().check(said("erp", kind))
    assert (refused.value.reason, refused.value.field) == (reason, "type")


@pytest.mark.parametrize("name", ["rapport.alerts", "rapport.alert.raised.v1", "rapport.dead.alerts", "trade", ""])
def test_only_what_other_systems_say_can_be_granted(name: str) -> None:
    with pytest.raises(Refused, match=r"rapport\.trade"):
        types_of([name])


def test_a_topic_grants_all_of_its_types() -> None:
    assert types_of(["rapport.trade", "rapport.staff.left.v1"]) == {
        *TOPICS["rapport.trade"].events,
        "rapport.staff.left.v1",
    }


@given(st.integers(1, 10**6), st.lists(st.tuples(st.integers(0, 50_000), st.integers(1, 5_000)), max_size=60))
def test_over_any_time_a_source_sends_its_quota_and_at_most_two_minutes_and_a_batch_more(
    per_minute: int, requests: list[tuple[int, int]]
) -> None:
    bucket, now, taken, largest = Bucket(per_minute, 0), 0, 0, 0
    for pause, events in requests:
        now += pause
        wait = bucket.wait_ms(now)
        assert wait >= 0
        if not wait:
            bucket.take(events, now)
            taken, largest = taken + events, max(largest, events)
        else:
            assert bucket.wait_ms(now + wait) == 0, "after the pause that was named it may come"
            now += wait
    assert taken * 60_000 <= per_minute * (now + 60_000) + largest * 60_000


def test_a_batch_above_the_quota_is_taken_once_and_paid_for() -> None:
    bucket = Bucket(60, 0)
    assert bucket.wait_ms(0) == 0
    bucket.take(600, 0)
    assert bucket.wait_ms(0) == 9 * 60_000 + 1


def spoken(*hours: float) -> Heard:
    """Heard at these hours after the start."""
    heard = Heard()
    for hour in hours:
        heard = hear(heard, START + timedelta(hours=hour), START + timedelta(hours=hour))
    return heard


def today(heard: Heard) -> datetime:
    assert heard.last is not None
    return heard.last


def test_nothing_is_usual_until_two_gaps_were_heard() -> None:
    assert usual_gap(spoken(0, 5), START.date()) is None
    assert usual_gap(spoken(0, 5, 10), START.date()) == 5 * HOUR


def test_a_nightly_file_is_usually_silent_for_a_day_and_over_weekends_longer() -> None:
    every_night = spoken(*(24 * day for day in range(7)))
    assert usual_gap(every_night, today(every_night).date()) == DAY
    workdays = spoken(*(24 * day for day in range(21) if day % 7 < 5))
    assert usual_gap(workdays, today(workdays).date()) == 3 * DAY


def test_one_outage_does_not_become_usual() -> None:
    heard = spoken(*(24 * day for day in range(7)), 24 * 6 + 100, 24 * 7 + 100)
    assert usual_gap(heard, today(heard).date()) == DAY


def test_what_was_usual_long_ago_is_forgotten() -> None:
    slow = [100 * n for n in range(4)]
    quick = [300 + n for n in range(1, 24 * (DAYS + 1))]
    heard = spoken(*slow, *quick)
    assert usual_gap(heard, today(heard).date()) == HOUR
    assert len(heard.days) <= DAYS


def test_silence_counts_from_one_and_a_half_usual_gaps_and_never_before_the_least() -> None:
    heard = spoken(0, 24, 48)
    assert silent_from(heard, None, 900, today(heard).date()) == today(heard) + timedelta(hours=36)
    busy = spoken(0, 0.01, 0.02)
    assert silent_from(busy, None, 900, today(busy).date()) == today(busy) + timedelta(minutes=15)
    assert silent_from(heard, 2 * HOUR, 900, today(heard).date()) == today(heard) + timedelta(hours=2), "as stated"
    assert silent_from(Heard(), 2 * HOUR, 900, START.date()) is None, "never heard: nothing to compare with"


@given(st.lists(st.tuples(st.integers(0, 40 * DAY), st.integers(0, 600)), min_size=1, max_size=60))
def test_whatever_order_stretches_come_in_the_last_moment_is_the_latest_and_what_is_kept_stays_small(
    stretches: list[tuple[int, int]],
) -> None:
    heard = Heard()
    for begins, length in stretches:
        first = START + timedelta(seconds=begins)
        heard = hear(heard, first, first + timedelta(seconds=length))
    assert heard.last == max(START + timedelta(seconds=begins + length) for begins, length in stretches)
    assert len(heard.days) <= 41 and all(1 <= len(one.gaps) <= 2 for one in heard.days)

"""When a digest comes, who waits for it, and that its parts stay together."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.alerts.channels.mail import MESSAGE_ID
from services.alerts.model.alert import SEVERITIES
from services.alerts.model.digest import Params, digest_id, next_digest, urgent
from services.alerts.model.facts import FactKey
from services.alerts.model.notification import (
    ATTEMPTS_MOST,
    Notification,
    accepted,
    begun,
    copied,
    gathered,
    held_back,
    postponed,
    requeued,
    rerouted,
    routed,
    sent_as,
)
from services.alerts.model.staff import Colleague, Digest, Hours
from services.alerts.settings import AlertsSettings

SHANGHAI, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=SHANGHAI)  # a Friday
WORK = (Hours(days=(1, 2, 3, 4, 5), start="09:00"),)
ON = Params(on=True)


def colleague(**changes: Any) -> Colleague:
    return msgspec.structs.replace(Colleague(key=FactKey(time=NOON, source="hr", id="1")), **changes)


def at(day: int, clock: str, zone: ZoneInfo = SHANGHAI, month: int = 11) -> datetime:
    return datetime.combine(datetime(2026, month, day).date(), time.fromisoformat(clock), zone)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("who", "params", "comes"),
    [
        (colleague(), Params(), None),
        (colleague(), ON, at(21, "08:30")),
        (colleague(hours=WORK), ON, at(23, "09:00")),
        (colleague(hours=WORK, digest=Digest(days=())), ON, None),
        (colleague(digest=Digest(days=(5,))), Params(), at(27, "08:30")),
        (colleague(digest=Digest(days=(5,), at="12:00")), Params(), at(20, "12:00")),
        (colleague(digest=Digest(days=(5,), at="12:01")), Params(), at(20, "12:01")),
        (colleague(digest=Digest(days=(5,), at="11:59")), Params(), at(27, "11:59")),
        (colleague(hours=WORK, digest=Digest(days=(6, 1))), Params(), at(21, "08:30")),
        (colleague(hours=(*WORK, Hours(days=(6,), start="10:00"))), ON, at(21, "10:00")),
        (colleague(hours=(Hours(days=(6,), start="14:00"), Hours(days=(6,), start="08:00"))), ON, at(21, "08:00")),
        (colleague(zone="America/New_York"), ON, at(20, "08:30", NEW_YORK)),
        (colleague(zone="America/New_York", hours=WORK), ON, at(20, "09:00", NEW_YORK)),
    ],
)
def test_a_digest_comes_on_his_days_at_his_hour_in_his_zone(
    who: Colleague, params: Params, comes: datetime | None
) -> None:
    assert next_digest(who, NOON, params, SHANGHAI) == comes


def test_the_hour_stays_that_of_his_clock_when_the_clocks_change() -> None:
    who = colleague(zone="America/New_York", digest=Digest(days=(6, 7), at="02:30"))
    saturday = next_digest(who, at(7, "00:00", NEW_YORK, month=3), Params(), SHANGHAI)
    assert saturday == datetime(2026, 3, 7, 7, 30, tzinfo=UTC)
    sunday = next_digest(who, saturday + timedelta(seconds=1), Params(), SHANGHAI)
    assert sunday == datetime(2026, 3, 8, 7, 30, tzinfo=UTC), "an hour that is skipped: as if it were not"
    autumn = next_digest(who, at(31, "12:00", NEW_YORK, month=10), Params(), SHANGHAI)
    assert autumn == datetime(2026, 11, 1, 7, 30, tzinfo=UTC)


@given(
    st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2027, 1, 1)),  # noqa: DTZ001
    st.sampled_from(["", "Asia/Shanghai", "America/New_York", "Asia/Kolkata", "Pacific/Apia"]),
    st.sets(st.integers(1, 7), min_size=1),
    st.times().map(lambda one: one.strftime("%H:%M")),
)
def test_it_is_never_before_and_never_more_than_a_week_and_a_skipped_hour_off(
    moment: datetime, zone: str, days: set[int], clock: str
) -> None:
    after = moment.replace(tzinfo=UTC)
    comes = next_digest(
        colleague(zone=zone, digest=Digest(days=tuple(sorted(days)), at=clock)), after, Params(), SHANGHAI
    )
    assert comes is not None and after <= comes <= after + timedelta(days=7, hours=2)
    assert comes.astimezone(ZoneInfo(zone or "Asia/Shanghai")).isoweekday() in days


def test_from_a_severity_on_nothing_waits() -> None:
    assert [urgent(one, Params()) for one in SEVERITIES] == [False, False, True, True]
    assert [urgent(one, Params(urgent="critical")) for one in SEVERITIES] == [False, False, False, True]
    assert all(urgent(one, Params(urgent="notice")) for one in SEVERITIES)


def test_the_settings_say_who_gets_digests_where_nobody_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert AlertsSettings().digests == Params(on=False, at=time(8, 30), urgent="serious")
    for name, value in (("DIGEST", "true"), ("DIGEST_AT", "17:05"), ("URGENT", "critical")):
        monkeypatch.setenv(f"RAPPORT_ALERTS_{name}", value)
    assert AlertsSettings().digests == Params(on=True, at=time(17, 5), urgent="critical")
    monkeypatch.setenv("RAPPORT_ALERTS_DIGEST_AT", "24:00")
    with pytest.raises(ValidationError):
        AlertsSettings()


def message(key: str, **changes: Any) -> Notification:
    given = Notification(
        alert_id=key,
        reason="raised",
        recipient="staff/E1",
        message_id=sent_as("mail", key, "staff/E1"),
        created_at=NOON,
        next_at=NOON,
    )
    return msgspec.structs.replace(given, **changes)


def test_the_parts_of_a_digest_share_its_message_id_for_ever() -> None:
    name = digest_id("staff/E1", ["a", "b"])
    assert name == digest_id("staff/E1", ["b", "a"]) != digest_id("staff/E2", ["a", "b"])
    assert len({name, digest_id("staff/E1", ["a"]), digest_id("staff/E1", ["a", "b", "c"])}) == 3
    parts = [gathered(message(key), name) for key in "ab"]
    assert {one.message_id for one in parts} == {f"<digest.{name}@rapport>"}
    assert MESSAGE_ID.fullmatch(parts[0].message_id)
    again = [begun(begun(one, NOON, "p1"), NOON, "p2") for one in parts]
    assert {(one.message_id, one.digest, one.doubts) for one in again} == {(parts[0].message_id, name, 1)}


def test_the_parts_of_a_digest_wait_alike_however_often_each_was_tried_and_give_up_together() -> None:
    fresh = begun(message("a"), NOON, "p1")
    tried = fresh
    for _ in range(3):
        tried = begun(postponed(tried, NOON, "away"), NOON, "p1")
    waits = {postponed(one, NOON, "away", tries=4).next_at for one in (fresh, tried)}
    assert waits == {NOON + timedelta(seconds=40)}
    assert postponed(fresh, NOON, "away", tries=ATTEMPTS_MOST).why == "gave_up"


def test_a_message_counts_as_untold_until_somebody_has_tried() -> None:
    fresh = message("a")
    assert fresh.untried and held_back(fresh, NOON).untried
    tried = postponed(begun(fresh, NOON, "p1"), NOON, "away")
    assert not any(one.untried for one in (begun(fresh, NOON, "p1"), tried, accepted(tried, NOON, "250")))


def test_who_leaves_a_digest_goes_by_itself() -> None:
    part = gathered(held_back(message("a"), NOON + timedelta(days=1)), "d")
    assert part.state == "held"
    for one in (routed(part, "a", "mail"), requeued(part, "staff/E1", NOON), rerouted(part, "a", "webhook")):
        assert not one.digest
    assert rerouted(part, "a", "webhook").state == "queued"
    assert rerouted(begun(part, NOON, "p1"), "a", "webhook").state == "sending", "what is in doubt stays so"
    copy = copied(accepted(begun(part, NOON, "p1"), NOON, "250"), "a", "webhook", None)
    assert copy is not None and (copy.state, copy.digest) == ("queued", "")

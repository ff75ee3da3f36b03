"""A system that delivers what rules rest on falls silent: it is noticed, it holds them, and it never does for ever."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from contracts.events.trade import PaymentReceived
from services.chassis.clock import Clock
from services.chassis.lease import Leases
from services.chassis.metrics import Metrics
from services.chassis.supplies import SETTLE, Source, Supplies, holding, silent, usual_gap
from tests.chassis.lab import Lab, lab_service, told, unique
from tests.chassis.test_clock import Feeds, read_to, ticks

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOLD = 14 * DAY


def hours(moments: Iterable[datetime]) -> list[int]:
    return [int(at.timestamp()) // 3600 for at in moments]


def office(weeks: int) -> list[datetime]:
    """Every hour from nine to five, Monday to Friday."""
    days = (MONDAY + n * DAY for n in range(7 * weeks))
    return [day + hour * HOUR for day in days if day.weekday() < 5 for hour in range(9, 18)]


def weekly(weeks: int) -> list[datetime]:
    """A file every Monday morning."""
    return [MONDAY + n * 7 * DAY + 6 * HOUR for n in range(weeks)]


def always(weeks: int) -> list[datetime]:
    return [MONDAY + n * HOUR for n in range(weeks * 168)]


def source(moments: list[datetime], **changes: object) -> Source:
    found = Source("payments", "bank", moments[-1], len(moments), usual_gap(hours(moments)))
    return found._replace(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("moments", "usual", "bears"),
    [
        (office(6), 64, 97),  # from Friday at five to Monday at nine
        (weekly(6), 168, 253),
        (always(4), 1, 2.5),
        (always(1), None, None),  # a week says nothing of week-ends
        (weekly(3), None, None),
        ([], None, None),
    ],
)
def test_nights_week_ends_and_weekly_files_are_usual(
    moments: list[datetime], usual: int | None, bears: float | None
) -> None:
    assert usual_gap(hours(moments)) == usual
    if moments and bears is not None:
        one = source(moments)
        assert not silent(one, one.last + bears * HOUR, HOLD)
        assert silent(one, one.last + bears * HOUR + timedelta(seconds=1), HOLD)
    elif moments:
        assert not silent(source(moments), moments[-1] + 400 * DAY, HOLD), "not known yet: it holds nothing"


def test_one_outage_and_one_holiday_do_not_make_silence_usual() -> None:
    gone = [at for at in office(8) if not MONDAY + 7 * DAY <= at < MONDAY + 14 * DAY]
    gone = [at for at in gone if not MONDAY + 28 * DAY <= at < MONDAY + 32 * DAY]
    assert usual_gap(hours(gone)) == 64


def test_a_source_that_is_back_has_an_hour_to_deliver_what_it_owes_or_says_that_it_has() -> None:
    back = MONDAY + 40 * DAY
    one = source(always(5), last=back + SETTLE, back=back)
    assert silent(one, back + SETTLE - timedelta(seconds=1), HOLD)
    assert not silent(one, back + SETTLE, HOLD)
    assert not silent(one._replace(completed=back), back, HOLD)
    assert silent(one._replace(completed=back - HOUR), back, HOLD), "said before it fell silent"


def test_it_is_silent_no_longer_once_it_says_that_it_has_delivered_everything() -> None:
    one = source(always(4))
    now = one.last + 5 * DAY
    assert silent(one, now, HOLD)
    assert not silent(one._replace(completed=now), now, HOLD)
    assert silent(one._replace(completed=now), now + 3 * HOUR, HOLD), "that was three hours ago"


def test_a_source_that_stays_away_has_ended_and_holds_nothing_more() -> None:
    one = source(always(4))
    assert silent(one, one.last + HOLD, HOLD)
    assert not silent(one, one.last + HOLD + timedelta(seconds=1), HOLD)
    rare = source(weekly(6))
    assert silent(rare, rare.last + 31 * DAY, HOLD), "three times what it bears, where that is longer"


def test_a_small_source_among_large_ones_holds_nothing() -> None:
    large, small = source(always(4)), source(always(4), source="shop 17", hours=60)
    now = large.last + DAY
    busy = large._replace(last=now)
    assert [one.source for one in holding([busy, small], now, HOLD)] == []
    assert [one.source for one in holding([busy, small._replace(hours=80)], now, HOLD)] == ["shop 17"]
    assert [one.source for one in holding([large, small], now, HOLD)] == ["bank"]


# On a real database.


async def heard(supplies: Supplies, moments: Iterable[datetime], name: str = "bank") -> None:
    for at in moments:
        supplies.heard.note(("payments",), name, at)
    await supplies.write()


@pytest.mark.stack
async def test_what_several_processes_have_heard_is_one_past(fresh: Lab) -> None:
    one, other = (Supplies(fresh.db, Metrics(), ["payments"], 14) for _ in range(2))
    moments, name = office(6), unique("bank")
    await heard(one, moments[::2], name)
    await heard(other, moments[1::2], name)
    await heard(one, moments[:5], name)
    row = await fresh.db["supplies"].find_one({"_id": f"payments\t{name}"})
    assert row is not None
    assert (row["last"], row["usual"], row["heard"]) == (moments[-1], 64, hours(moments))
    assert await one.held(moments[-1] + 97 * HOUR) == frozenset()
    other._looked = float("-inf")
    assert await other.held(moments[-1] + 98 * HOUR) == {"payments"}


@pytest.mark.stack
async def test_deadlines_that_rest_on_a_silent_supply_wait_and_say_so_while_others_come(fresh: Lab) -> None:
    service = lab_service()
    service.supply("payments", PaymentReceived)
    service.rests["cards"] = "payments"
    applier, held, subject = await fresh.applier(), unique("bank"), unique()
    applier.service = service
    await fresh.db["supplies"].delete_many({})
    supplies = Supplies(fresh.db, applier.metrics, service.rests.values(), 14)
    clock = Clock(applier, Leases(applier.db, unique("holder")), Feeds(0), supplies=supplies)
    moments = always(4)
    await heard(supplies, moments, held)
    quiet = moments[-1] + 6 * HOUR
    await applier.apply(fresh.works([told("wait", 1, subject)]))
    await read_to(applier, 0, quiet)
    assert await clock.round() == 0
    assert await ticks(fresh, subject) == 0
    assert applier.metrics.withheld._value.get() == 1
    assert applier.metrics.supply_held.labels("payments")._value.get() == 1
    supplies.heard.complete(held, quiet)
    await supplies.write()
    supplies._looked = float("-inf")
    assert await clock.round() == 1
    assert await ticks(fresh, subject) == 1
    assert applier.metrics.withheld._value.get() == 0
    assert applier.metrics.supply_held.labels("payments")._value.get() == 0


def test_a_deadline_cannot_rest_on_what_nothing_brings() -> None:
    service = lab_service()
    service.rests["cards"] = "payments"
    with pytest.raises(ValueError, match=r"service\.supply"):
        service.check()

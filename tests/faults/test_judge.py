"""The judge itself, without broker or database: it finds nothing in sound books, and what is taken from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from aiokafka.structs import ConsumerRecord

from contracts.envelope import Event
from contracts.events.alerts import AlertRaised
from contracts.events.trade import InvoiceIssued
from services.alerts.handlers import alerts_service
from services.alerts.model.rules import purchase_slowdown, receivable_over_limit, receivable_overdue
from services.alerts.store import ACCOUNTS, STAFF
from tests.desk import TestDesk
from tests.faults import judge, knowledge, load, terms
from tests.faults.bus import TRADE
from tests.faults.found import Found
from tests.faults.knowledge import Fact, Log
from tests.faults.size import ZONE, Size, evening
from tests.faults.table import Table

SIZE = Size(seed=2, customers=90, days=26, kills=0, inside=0, waiting=0, erased=0)
RULES = terms.rules(ZONE)
World = tuple[load.Load, Found, list[Event]]


@pytest.fixture(scope="module")
def world() -> World:
    """A sound service at the end of all days, told each event in its turn."""
    made = load.make(SIZE)
    desk = TestDesk(alerts_service(RULES), evening(-1))
    for n, event in enumerate(made.accepted.values()):
        desk.take(event, at=event.time)
        if n % 20 == 0:
            desk.advance(desk.now)
    desk.advance(evening(SIZE.last))
    return made, _found(desk), desk.said


def _found(desk: TestDesk) -> Found:
    kinds: dict[str, dict[tuple[str, str], Any]] = {one.name: {} for one in dataclasses.fields(Found)}
    for (head, subject), state in desk.states.items():
        for (kind, key), stored in state.documents.items():
            if stored.value is not None and head in (ACCOUNTS.name, STAFF.name):
                kinds[kind if kind != head else head][subject, key] = stored.value
    given: dict[str, Any] = kinds | {"priors": [], "ledger": set(), "erased": set(), "clock": evening(SIZE.last)}
    return Found(**{one.name: given[one.name] for one in dataclasses.fields(Found)})


def _books(made: load.Load, found: Found) -> dict[str, bool]:
    table = Table()
    judge.books(table, made, found, RULES)
    return {row.what: row.good for row in table.rows}


def test_nothing_is_wrong_with_sound_books_and_all_three_rules_have_alerts_in_them(world: World) -> None:
    made, found, _ = world
    assert [what for what, good in _books(made, found).items() if not good] == []
    standing = {owned.alert.rule for owned in found.alerts.values() if owned.alert.state != "resolved"}
    assert standing == {receivable_overdue.RULE, receivable_over_limit.RULE, purchase_slowdown.RULE}


def _without(rule: str) -> Callable[[Found], dict[str, Any]]:
    def taken(found: Found) -> dict[str, Any]:
        at = next(at for at, one in found.alerts.items() if one.alert.rule == rule and one.alert.state != "resolved")
        return {"alerts": {other: one for other, one in found.alerts.items() if other != at}}

    return taken


def _first_gone(name: str) -> Callable[[Found], dict[str, Any]]:
    return lambda found: {name: dict(list(getattr(found, name).items())[1:])}


def _counted_twice(found: Found) -> dict[str, Any]:
    at, card = next((at, one) for at, one in found.rhythms.items() if one.course.rhythm.gaps)
    twice = msgspec.structs.replace(card.course.rhythm, gaps=card.course.rhythm.gaps + 1)
    course = msgspec.structs.replace(card.course, rhythm=twice)
    return {"rhythms": found.rhythms | {at: msgspec.structs.replace(card, course=course)}}


@pytest.mark.parametrize(
    ("change", "shows"),
    [
        (_without(receivable_overdue.RULE), "alerts that differ from the episodes of the last day"),
        (_without(purchase_slowdown.RULE), "alerts that differ from the episodes of the last day"),
        (_without(receivable_over_limit.RULE), "alerts that differ from the limits of the last day"),
        (_first_gone("orders"), "orders that differ"),
        (_first_gone("purchases"), "purchases that differ"),
        (_counted_twice, "rhythms that differ from all purchases told again"),
    ],
)
def test_what_is_taken_from_the_books_is_found(
    world: World, change: Callable[[Found], dict[str, Any]], shows: str
) -> None:
    made, found, _ = world
    assert not _books(made, dataclasses.replace(found, **change(found)))[shows]


def _log(made: load.Load) -> Log:
    log, at = Log(simulated=True), (TRADE, 0)
    for event in made.accepted.values():
        log.marks[at].append(max([event.time, *log.marks[at][-1:]]))
        log.facts[event.subject][at].append(Fact(len(log.marks[at]) - 1, log.marks[at][-1], event))
    return log


@pytest.mark.parametrize("rule", [receivable_overdue.RULE, receivable_over_limit.RULE, purchase_slowdown.RULE])
def test_an_alert_before_its_time_is_false_and_one_in_its_time_is_not(world: World, rule: str) -> None:
    made, _, said = world
    raised = [(one, one.data) for one in said if isinstance(one.data, AlertRaised) and one.data.rule == rule]
    log = _log(made)
    assert raised and [*knowledge.false_alerts(log, [event for event, _ in raised], RULES)] == []
    for event, data in raised[:5]:
        early = msgspec.structs.replace(data, raised_at=data.raised_at - timedelta(days=60))
        assert [*knowledge.false_alerts(log, [msgspec.structs.replace(event, data=early)], RULES)]


def test_what_came_again_in_another_partition_was_known_from_the_first(world: World) -> None:
    made, _, _ = world
    event = next(one for one in made.accepted.values() if one.type == InvoiceIssued.TYPE)
    wire = load.wire_of(event)

    def lies(partition: int, after_s: int) -> ConsumerRecord[Any, Any]:
        appended_ms = int(event.time.timestamp() + after_s) * 1000
        sizes = (len(wire.key or b""), len(wire.value or b""))
        return ConsumerRecord(TRADE, partition, 0, appended_ms, 1, wire.key, wire.value, None, *sizes, wire.headers)

    log = Log.of([lies(9, 7200), lies(3, 3600)], [load.name_of(event)], simulated=True)
    assert [*log.facts[event.subject]] == [(TRADE, 3)]

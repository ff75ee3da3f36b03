"""The limit: prepared batches with the same rows in the same kind of transaction, one after another; no Kafka, no
decoding, no loading, no folding, no relay.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import Any, cast

import uvloop
from pydantic import SecretStr

from services.alerts.handlers import alerts_service
from services.alerts.settings import AlertsSettings
from services.chassis.aggregate import EVERY, Head, State, Stored
from services.chassis.fold import Folded, fold_subject
from services.chassis.plan import Plan, settle
from services.chassis.runtime import Runtime
from services.chassis.service import Service
from services.chassis.transaction import Transactions
from services.chassis.work import Origin, Work, event_work, tick_work
from tests.bench.load import Load, record

BATCH = 2000  # as the service's own setting has it
MOST = 15_000  # events a second that are prepared; what is not reached is thrown away


@dataclass(frozen=True)
class Applied:
    """What a window has shown: events a second, and what went along with 100 of them."""

    rate: float
    events: int
    seconds: float
    outgoing: float
    ticks: float


@dataclass
class Prepared:
    """The writes of each batch, worked out with the service's own folds on states in memory. Behind each batch of
    events comes one of the clock: what those have made due at once.
    """

    service: Service
    shards: int = 8
    states: dict[tuple[str, str], State] = field(default_factory=dict)
    plans: list[Plan] = field(default_factory=list)

    def add(self, works: Iterable[Work], batch: int = BATCH) -> None:
        """Plans for all full batches of `works`."""
        gathered: list[Work] = []
        for work in works:
            gathered.append(work)
            if len(gathered) == batch:
                self._plan(gathered)
                gathered = []

    def _plan(self, works: list[Work]) -> None:
        by_subject: dict[tuple[str, str], list[Work]] = {}
        for work in works:
            by_subject.setdefault((work.head.name, work.subject), []).append(work)
        folded = [self._fold(key, mine) for key, mine in by_subject.items()]
        self.plans.append(Plan.of(folded, [], self.service, self.shards))
        ticks = [tick for one in folded for tick in self._due(one)]
        for one in folded:
            settle(one)
        if ticks:
            self._plan(ticks)

    def _fold(self, key: tuple[str, str], works: list[Work]) -> Folded:
        state = self.states.setdefault(key, State(key[1], key[0], documents={(key[0], ""): Stored(None)}))
        while (one := fold_subject(state, works, f"rapport/{self.service.name}", self.service.kinds)).missing:
            for kind, which in one.missing:
                if which == EVERY:
                    state.whole.add(kind)
                else:
                    state.documents[(kind, which)] = Stored(None)
        return one

    def _due(self, one: Folded) -> Iterator[Work]:
        now = datetime.now(UTC)
        for (name, key), (kind, stored) in one.changed.items():
            if name in self.service.ticks and stored.due is not None and stored.due <= now:
                head = cast("Head[Any]", self.service.kinds[kind.head])
                yield tick_work(kind, head, self.service.ticks[name][1], one.state.subject, key, stored.due)


def works(service: Service, load: Load, start: int, count: int) -> Iterator[Work]:
    """Events of a load as the intake hands them on, from its beginning with what comes before it."""
    before = load.before() if start == 0 else ()
    for n, event in enumerate(chain(before, load.events(start, count)), start):
        made = record(event)
        origin = Origin("rapport.trade", 0, n, made.key, made.value, tuple(made.headers))
        yield event_work(event, service.handlers[event.type], datetime.now(UTC), origin, made.value)


def measure(mongo: str, prefix: str, load: Load, warm: int, seconds: float) -> Applied:
    """Apply prepared batches to an empty database for `seconds`, after the first `warm` events; in its own process."""
    settings = AlertsSettings(mongo_uri=SecretStr(mongo), mongo_database_prefix=prefix)
    prepared = Prepared(alerts_service(settings.rules))
    prepared.add(works(prepared.service, load, 0, warm + int(seconds * MOST)))
    prepared.states.clear()
    gc.freeze()  # the collector would walk through all that is prepared
    return uvloop.run(_measured(prepared, settings, warm, seconds))


async def _measured(prepared: Prepared, settings: AlertsSettings, warm: int, seconds: float) -> Applied:
    runtime = await Runtime.open(prepared.service, settings)
    try:
        transactions, plans = runtime.applier.transactions, iter(prepared.plans)
        done = 0
        while done < warm:
            done += len((await _next(transactions, plans))[0].taken)
        written: list[Plan] = []
        started = time.perf_counter()
        while (past := time.perf_counter() - started) < seconds and (some := await _next(transactions, plans)):
            written += some
        return _applied(written, past)
    finally:
        await runtime.client.drop_database(settings.database)
        await runtime.close()


async def _next(transactions: Transactions, plans: Iterator[Plan]) -> Sequence[Plan]:
    for plan in plans:
        await transactions.store(plan, [])
        return [plan]
    return []


def _applied(written: Sequence[Plan], seconds: float) -> Applied:
    events = sum(len(plan.taken) for plan in written)
    outgoing = sum(len(plan.outbox) for plan in written)
    ticks = sum(len(writes) for plan in written if not plan.taken for writes in plan.heads.values())
    return Applied(events / seconds, events, seconds, 100 * outgoing / events, 100 * ticks / events)

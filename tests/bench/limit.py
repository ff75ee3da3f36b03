"""The limit: prepared batches with the same rows in the same kind of transaction, one after another; no Kafka, no decoding, no folding."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime

from contracts.envelope import Event, encode_data
from services.chassis.aggregate import State, Stored
from services.chassis.apply import Applier
from services.chassis.fold import Folded, fold_subject
from services.chassis.plan import Plan, settle
from services.chassis.service import Service
from services.chassis.work import Work, event_work


def prepare(service: Service, events: Iterable[Event], batch: int, shards: int = 8) -> list[Plan]:
    """The writes of each batch, worked out beforehand with the service's own folds on states in memory."""
    states: dict[tuple[str, str], State] = {}
    plans: list[Plan] = []
    works: list[Work] = []
    for event in events:
        now = datetime.now(UTC)
        works.append(event_work(event, service.handlers[event.type], now, None, encode_data(event.data)))
        if len(works) == batch:
            plans.append(_plan(service, works, states, shards))
            works = []
    return plans


def _plan(service: Service, works: list[Work], states: dict[tuple[str, str], State], shards: int) -> Plan:
    by_subject: dict[tuple[str, str], list[Work]] = {}
    for work in works:
        by_subject.setdefault((work.head.name, work.subject), []).append(work)
    folded: list[Folded] = []
    for key, mine in by_subject.items():
        state = states.setdefault(key, State(key[1], key[0], documents={(key[0], ""): Stored(None)}))
        while (one := fold_subject(state, mine, f"rapport/{service.name}", service.kinds)).missing:
            for place in one.missing:
                state.documents[place] = Stored(None)
        folded.append(one)
    plan = Plan.of(folded, [], service, shards)
    for one in folded:
        settle(one)
    return plan


async def apply(applier: Applier, plans: list[Plan], seconds: float) -> float:
    """Apply prepared batches for `seconds`, or until they are all written; returns events a second."""
    started = time.perf_counter()
    done = 0
    for plan in plans:
        await applier.transactions.store(plan, [])
        done += len(plan.taken)
        if time.perf_counter() - started > seconds:
            break
    return done / (time.perf_counter() - started)

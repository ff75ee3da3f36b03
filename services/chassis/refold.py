"""Fold a subject again from its ledger, and put the result in the place of what is stored.

Each subject is refolded in a transaction of its own, under its head's version, while the service runs: there is no
second set of collections to fill and swap, a refold that is killed goes on where it was, and nobody waits. What a
refold changes is said (an alarm that falls away is withdrawn); what it does not change is not said again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from contracts.envelope import decode
from contracts.refusal import Refused

from .aggregate import Desk, Head, Key, Kind, Part, State, Stored
from .apply import Applier, Stale
from .fold import Folded, fold_subject
from .mongo import MAJORITY, Doc, from_doc
from .plan import Plan, state_of
from .service import Before, Service
from .work import Work, event_work, tick_work


@dataclass(slots=True)
class Rebuilt:
    """A subject folded from its ledger: its documents, and how many facts went into them."""

    state: State
    facts: int
    refused: int


def rebuild(
    service: Service, head: Head[Any], subject: str, rows: list[Doc], now: datetime, kept: dict[Key, Stored]
) -> Rebuilt:
    """Fold `rows` in order into an empty state, with due moments in their places, up to `now`. Pure.

    `kept` are documents that a refold does not rebuild (notifications); folds find them where they were.
    """
    state = State(subject, head.name, documents={(head.name, ""): Stored(None), **kept})
    state.whole = {part.name for part in service.parts_of(head.name)}
    refused = 0
    for row in rows:
        work = work_of(service, row)
        if work is None or work.head.name != head.name:
            continue
        _tick_until(service, state, work.now)
        refused += len(_apply(service, state, work).dead)
    _tick_until(service, state, now)
    return Rebuilt(state, len(rows), refused)


def work_of(service: Service, row: Doc) -> Work | None:
    """The work a ledger row stands for; None where its type is no longer taken."""
    handler = service.handlers.get(row["t"])
    if handler is None or "d" not in row:
        return None
    source, event_id = row["_id"][: row["n"]], row["_id"][row["n"] + 1 :]
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", row["t"].encode()),
        ("ce_subject", row["s"].encode()),
        ("ce_time", row["time"].isoformat().encode()),
    ]
    try:
        event = decode(row["d"].encode(), headers, None)
    except Refused as stale:
        raise ValueError(
            f"ledger row {row['_id']} can no longer be read: {stale}; read its major version too"
        ) from stale
    return event_work(event, handler, row["at"], None, row["d"].encode())


def _apply(service: Service, state: State, work: Work) -> Folded:
    while True:
        one = fold_subject(state, [work], f"rapport/{service.name}", service.kinds)
        for name, key in one.missing:
            state.documents[(name, key)] = Stored(None)  # built from nothing: what has not been folded is not there
        if not one.missing:
            for at, (_, stored) in one.changed.items():
                state.documents[at] = stored
            return one


def _tick_until(service: Service, state: State, moment: datetime) -> None:
    while True:
        due = [
            (stored.due, name, key)
            for (name, key), stored in state.documents.items()
            if stored.due is not None and stored.due < moment and name in service.ticks
        ]
        if not due:
            return
        at, name, key = min(due)
        kind, tick = service.ticks[name]
        head = cast("Head[Any]", service.kinds[state.head])
        _apply(service, state, tick_work(kind, head, tick, state.subject, key, at))


async def refold_subject(applier: Applier, head: Head[Any], subject: str, now: datetime) -> bool:
    """Refold one subject and store it; returns whether anything changed."""
    while True:
        try:
            return await _refold_once(applier, head, subject, now)
        except Stale:
            applier.metrics.conflicts.inc()


async def _refold_once(applier: Applier, head: Head[Any], subject: str, now: datetime) -> bool:
    service = applier.service
    applier.cache.drop([(head.name, subject)])
    before = state_of(head, subject, await applier.db[head.name].find_one({"_id": subject}))
    if before.erased:
        return False
    for part in service.parts_of(head.name):
        async for doc in applier.db[part.name].find({"s": subject}):
            before.documents[(part.name, doc["k"])] = Stored(from_doc(doc["state"], part.type), doc.get("due"))
    kept = {at: stored for at, stored in before.documents.items() if _is_kept(service, at)}
    built = rebuild(service, head, subject, await applier.ledger.rows(subject), now, kept).state
    one = difference(service, before, built, now)
    if not one.changed and before.fold_version == service.fold_version:
        return False
    plan = Plan.of([one], [], service, applier.shards)
    async with applier.sessions.use() as session, session.start_transaction(write_concern=MAJORITY):
        await applier.write(plan, [], session)
    applier.metrics.refolds.labels("command").inc()
    return True


def _is_kept(service: Service, at: Key) -> bool:
    kind = service.kinds[at[0]]
    return isinstance(kind, Part) and not kind.derived


def difference(service: Service, before: State, built: State, now: datetime) -> Folded:
    """What has to be written to turn `before` into `built`, and what is to be said about it."""
    one = Folded(before)
    for at in before.documents.keys() | built.documents.keys():
        kind: Kind = service.kinds[at[0]]
        if _is_kept(service, at):
            continue
        new = built.documents.get(at, Stored(None))
        if before.documents.get(at, Stored(None)) != new:
            one.changed[at] = (kind, new)
    compare = service.refolded.get(before.head)
    if compare is not None and one.changed:
        desk = Desk(built, f"rapport/{service.name}", now, f"refold:{before.subject}:{before.v}", below=one.changed)
        compare(desk, Before({at: stored.value for at, stored in before.documents.items()}))
        one.changed.update(desk.changed)
        one.said = desk.said
    return one

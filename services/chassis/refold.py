"""Fold a subject again from its ledger, and put the result in the place of what is stored.

Each subject is refolded in a transaction of its own, under its head's version, while the service runs: there is no
second set of collections to fill and swap, a refold that is killed goes on where it was, and nobody waits. What a
refold changes is said (an alarm that falls away is withdrawn); what it does not change is not said again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import msgspec
from pymongo.errors import PyMongoError

from contracts.envelope import Event, decode
from contracts.payload import Withdrawal
from contracts.refusal import Refused

from . import marks
from .aggregate import Desk, Head, Key, Kind, Missing, Part, State, Stored, name_of, named
from .apply import Applier
from .errors import duplicate, heals
from .fold import Folded, fold_subject
from .mongo import Doc, from_doc
from .plan import Plan, state_of
from .service import AfterRefold, Before, Service
from .ties import account_of
from .transaction import Stale
from .work import Dead, Work, event_work, tick_work


class Gone(NamedTuple):
    """What a withdrawal names: facts of an account and a source whose ids begin so."""

    account: str
    source: str
    under: str


@dataclass(slots=True)
class Rebuilt:
    """A subject folded from its ledger: its documents, how many facts went into them, and which could not."""

    state: State
    facts: int
    refused: list[Dead]


def rebuild(
    service: Service,
    head: Head[Any],
    subject: str,
    rows: list[Doc],
    ticked: datetime | None,
    kept: dict[Key, Stored],
) -> Rebuilt:
    """Fold `rows` in order into an empty state, with due moments in the places in which the clock came to them. Pure.

    Each row says which moments had been folded before it (see `plan.number`): while a batch lay unread the clock did
    not look, and what it would have said then was never said. `ticked` is the last moment that has been folded by now;
    later ones are left to the clock, which also sends what they say.
    `kept` are documents that a refold does not rebuild (notifications); folds find them where they were.
    """
    state = State(subject, head.name, documents={(head.name, ""): Stored(None), **kept})
    state.whole = {part.name for part in service.parts_of(head.name)}
    refused: list[Dead] = []
    for row in standing(service, rows):
        work = work_of(service, row)
        if work is None or work.head.name != head.name:
            continue
        _tick_to(service, state, row.get("c"))
        refused += _apply(service, state, work).dead
    _tick_to(service, state, ticked)
    return Rebuilt(state, len(rows), refused)


def standing(service: Service, rows: list[Doc]) -> list[Doc]:
    """The rows that no withdrawal names, wherever it stands among them."""
    gone = named_by(service, rows)
    return [row for row in rows if not any(under(row, *one) for one in gone)] if gone else rows


def named_by(service: Service, rows: list[Doc]) -> list[Gone]:
    """What the withdrawals among these rows name."""
    gone: list[Gone] = []
    for row in rows:
        handler = service.handlers.get(row["t"])
        if handler is not None and handler.withdraws and (work := work_of(service, row)) is not None:
            event = cast("Event", work.event)
            gone.append(Gone(account_of(row), event.source, cast("Withdrawal", event.data).under))
    return gone


def under(row: Doc, account: str, source: str, beginning: str) -> bool:
    """Whether a row is one of those that a withdrawal names."""
    said_by, event_id = named(row["_id"])
    return (account_of(row), said_by) == (account, source) and event_id.startswith(beginning)


def work_of(service: Service, row: Doc) -> Work | None:
    """The work a ledger row stands for; None where its type is no longer taken."""
    handler = service.handlers.get(row["t"])
    if handler is None or "d" not in row:
        return None
    source, event_id = named(row["_id"])
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", row["t"].encode()),
        ("ce_subject", account_of(row).encode()),
        ("ce_time", row["time"].isoformat().encode()),
    ]
    if "h" in row:
        headers.append(("ce_history", row["h"].encode()))
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


def _tick_to(service: Service, state: State, moment: datetime | None) -> None:
    while moment is not None:
        due = [
            (stored.due, name, key)
            for (name, key), stored in state.documents.items()
            if stored.due is not None and stored.due <= moment and name in service.ticks
        ]
        if not due:
            return
        at, name, key = min(due)
        kind, tick = service.ticks[name]
        head = cast("Head[Any]", service.kinds[state.head])
        _apply(service, state, tick_work(kind, head, tick, state.subject, key, at))


async def refold_to(applier: Applier) -> datetime:
    """The moment of what a refold says: as far as the feeds are applied, as for the clock of the running service."""
    positions = await applier.positions()
    known = [clock for (topic, _), (_, clock) in positions.items() if topic in applier.service.feeds]
    return min(known, default=datetime.min.replace(tzinfo=UTC))


async def refold_subject(
    applier: Applier, head: Head[Any], subject: str, now: datetime, withdrawn: Sequence[Gone] = ()
) -> bool:
    """Refold one subject and store it; what that says is said at `now` (see `refold_to`). `withdrawn` is what has been
    since he was folded last. Returns whether anything changed.
    """
    delay = 0.01
    while True:
        try:
            return await _refold_once(applier, head, subject, now, withdrawn)
        except Stale:
            applier.metrics.conflicts.inc()
        except PyMongoError as error:  # the live service writes the same subject, or the database is away
            if not heals(error) and not duplicate(error):
                raise
            applier.metrics.retries.labels(stage="refold").inc()
        await asyncio.sleep(delay)
        delay = min(delay * 2, 5.0)


async def _refold_once(
    applier: Applier, head: Head[Any], subject: str, now: datetime, withdrawn: Sequence[Gone]
) -> bool:
    service = applier.service
    applier.cache.drop([(head.name, subject)])
    before = state_of(head, subject, await applier.db[head.name].find_one({"_id": subject}))
    if before.erased or (before.root and head.gathers):
        return False
    for part in service.parts_of(head.name):
        async for doc in applier.db[part.name].find({"s": subject}):
            before.documents[(part.name, doc["k"])] = Stored(from_doc(doc["state"], part.type), doc.get("due"))
    kept = {at: stored for at, stored in before.documents.items() if is_kept(service, at)}
    built = rebuild(service, head, subject, await applier.ledger.rows(subject), before.ticked, kept).state
    one = difference(service, before, built, now, withdrawn)
    if not one.changed and not one.said and (not before.v or before.fold_version == service.fold_version):
        return False
    before.fold_version = service.fold_version
    plan = Plan.of([one], [], service, applier.shards)
    plan.stage = marks.IN_REFOLD
    await applier.transactions.store(plan, [])
    applier.metrics.refolds.labels("command").inc()
    return True


def is_kept(service: Service, at: Key) -> bool:
    """Whether a document is one that a refold does not make."""
    kind = service.kinds[at[0]]
    return isinstance(kind, Part) and not kind.derived


def _with_copies(kind: Kind, old: Stored | None, new: Stored) -> Stored:
    if not isinstance(kind, Head) or not kind.copied or old is None or old.value is None:
        return new
    empty = kind.type() if new.value is None else new.value
    value = msgspec.structs.replace(empty, **_copies(kind, old.value))
    return new if new.value is None and value == empty else Stored(value, new.due)


def _copies(kind: Head[Any], value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in kind.copied}


def copies_of(kind: Head[Any], value: Any) -> Any:
    """Of a head's value what came from copies alone; None where there is nothing."""
    if not kind.copied or value is None:
        return None
    copies = msgspec.structs.replace(kind.type(), **_copies(kind, value))
    return None if copies == kind.type() else copies


def difference(service: Service, before: State, built: State, now: datetime, withdrawn: Sequence[Gone] = ()) -> Folded:
    """What has to be written to turn `before` into `built`, and what is to be said about it. Of what was withdrawn
    others may have been told though nothing here changes by that.
    """
    one = changes(service, before, built)
    if one.changed or withdrawn:
        named = tuple(name_of(gone.source, gone.under) for gone in withdrawn if gone.account == before.subject)
        was = Before({at: stored.value for at, stored in before.documents.items()}, withdrawn=named)
        say(service, one, built, was, now, f"refold:{before.subject}:{before.v}")
    return one


def changes(service: Service, before: State, built: State) -> Folded:
    """What has to be written to turn `before` into `built`."""
    one = Folded(before)
    built.root, built.kin = before.root, before.kin
    for at in before.documents.keys() | built.documents.keys():
        kind: Kind = service.kinds[at[0]]
        if is_kept(service, at):
            continue
        new = _with_copies(kind, before.documents.get(at), built.documents.get(at, Stored(None)))
        if before.documents.get(at, Stored(None)) != new:
            one.changed[at] = (kind, new)
    return one


def say(service: Service, one: Folded, built: State, was: Before, now: datetime, cause: str) -> None:
    """Add what the service has to say of the changes; `cause` names them for ever."""
    compare = service.refolded.get(built.head)
    if compare is not None:
        desk = Desk(built, f"rapport/{service.name}", now, cause, below=one.changed)
        _compared(compare, desk, was)
        one.changed.update(desk.changed)
        one.said = desk.said


def _compared(compare: AfterRefold, desk: Desk, was: Before) -> None:
    while True:
        try:
            compare(desk, was)
        except Missing as missing:  # all there is lies on the desk: what is asked for is not there
            desk.state.documents[(missing.kind.name, missing.key)] = Stored(None)
            desk.changed.clear()
            desk.said.clear()
        else:
            return

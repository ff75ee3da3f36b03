"""Gathers the accounts of one customer at their root, and lets them go again.

A fact that ties two accounts waits in the ledger, marked, until this has been done: every account concerned is folded
again from the rows that are its own now, and rows, documents and heads change places in one transaction, under the
versions of all heads that take part. So a process may be killed at any point; whoever folds for one of the accounts
meanwhile loads again; and since states are functions of the rows, loosing what was tied gives what was there before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateMany
from pymongo.errors import PyMongoError

from . import marks
from .aggregate import Desk, Head, Key, Part, State, Stored
from .apply import Applier
from .dead import conflict
from .errors import duplicate, heals
from .fold import Folded
from .mongo import Doc, from_doc, to_doc
from .outbox import dead_doc, dead_row, rows_of, shard_of
from .plan import Plan, belonging, body, part_write, state_of
from .refold import changes, copies_of, is_kept, rebuild, say
from .service import Before, Service
from .ties import account_of, in_order, roots
from .transaction import Stale
from .work import Dead, act_work

LONGEST_PAUSE: Final = 5.0
log = structlog.get_logger(__name__)
Roots = Mapping[str, str]


@dataclass(slots=True)
class Moved:
    """An account before and after. `built` is None for one that keeps no state of its own now."""

    before: State
    root: str = ""
    kin: tuple[str, ...] = ()
    built: State | None = None
    refused: Sequence[Dead] = ()
    one: Folded = field(init=False)

    def __post_init__(self) -> None:
        self.one = Folded(self.before)


def regrouped(
    service: Service,
    head: Head[Any],
    states: Mapping[str, State],
    rows: list[Doc],
    to: Roots,
    now: datetime,
    because: str,
) -> list[Moved]:
    """What becomes of these accounts when each is at the root that `to` names. Pure.

    Args:
        states: the heads concerned as they are, with all documents.
        rows: all ledger rows that lie with them, of each in order.
        because: the fact that led here.
    """
    moved = {name: Moved(state, to[name] if to[name] != name else "", _kin(name, to)) for name, state in states.items()}
    if not head.gathers:
        for name, one in moved.items():
            if one.root != one.before.root:
                _told(service, one, name, now, because)
        return list(moved.values())
    kept = _kept(service, states, to)
    ticked = max((state.ticked for state in states.values() if state.ticked is not None), default=None)
    for name, one in moved.items():
        if not one.root:
            own = in_order([row for row in rows if to.get(account_of(row), account_of(row)) == name])
            again = rebuild(service, head, name, own, ticked, kept[name])
            one.built, one.refused = again.state, again.refused
            # What folding again would keep anew is not kept: whether somebody is to be told is for `say`.
            made = {at: stored for at, stored in one.built.documents.items() if not is_kept(service, at)}
            one.built.documents = made | kept[name]
            one.one = changes(service, one.before, one.built)
            one.built.root, one.built.kin = "", one.kin
            one.one.changed |= {
                at: (service.kinds[at[0]], stored)
                for at, stored in kept[name].items()
                if one.before.documents.get(at) != stored
            }
    for one in moved.values():
        if one.built is not None:
            was = Before(_was(service, one, moved), because)
            say(service, one.one, one.built, was, now, f"tie:{because}:{one.before.subject}")
    return list(moved.values())


def _kin(name: str, to: Roots) -> tuple[str, ...]:
    return tuple(sorted(account for account, root in to.items() if root == name and account != name))


def _kept(service: Service, states: Mapping[str, State], to: Roots) -> dict[str, dict[Key, Stored]]:
    """Documents that no refold makes, by whom they belong to now."""
    found: dict[str, dict[Key, Stored]] = {name: {} for name in states}
    for name, state in states.items():
        for at, stored in state.documents.items():
            if stored.value is None or not is_kept(service, at):
                continue
            if not _part(service, at).follows:
                found[name][at] = stored
                continue
            account = stored.value.account or name
            root = to.get(account, account)
            value = msgspec.structs.replace(stored.value, account="" if root == account else account)
            found[root][at] = Stored(value, stored.due)
    return found


def _part(service: Service, at: Key) -> Part[Any]:
    kind = service.kinds[at[0]]
    if not isinstance(kind, Part):
        raise TypeError(f"{at[0]} is no part")
    return kind


def _was(service: Service, one: Moved, moved: Mapping[str, Moved]) -> dict[Key, Any]:
    """What was there before of all accounts concerned, less what another of them has now. What nobody has now is told
    by where it was, or else by who has taken that over.
    """
    name, found = one.before.subject, dict[Key, Any]()
    others = [other.built for other in moved.values() if other.built is not None and other is not one]
    for subject, other in moved.items():
        for at, stored in other.before.documents.items():
            if stored.value is None or (at[0] == one.before.head and subject != name):
                continue
            here = one.built is not None and one.built.documents.get(at, Stored(None)).value is not None
            elsewhere = any(built.documents.get(at, Stored(None)).value is not None for built in others)
            mine = name in (subject, other.root)
            if (here or (mine and not elsewhere)) and (subject == name or at not in found):
                found[at] = stored.value
    return found


def _told(service: Service, one: Moved, name: str, now: datetime, because: str) -> None:
    retied = service.retied.get(one.before.head)
    if retied is not None:
        desk = Desk(one.before, f"rapport/{service.name}", now, f"tie:{because}:{name}")
        retied(desk, one.root)
        one.one.changed, one.one.said = desk.changed, desk.said


def plan_of(service: Service, head: Head[Any], moved: list[Moved], rows: list[str], shards: int) -> Plan:
    """The writes that put everything in its new place. All heads go on from the highest of their versions, so that the
    order of later rows stays one order, whichever way they part again.
    """
    plan = Plan(stage=marks.IN_TIE if any(one.root for one in moved) else marks.IN_PARTING)
    top = max(one.before.v for one in moved)
    for one in moved:
        spoke = one.before.spoke
        if one.one.said:
            plan.unsure.update(shard_of(event.subject, shards) for event in one.one.said)
            said, spoke = rows_of(one.one.said, spoke, shards)
            plan.outbox += said
        _head(plan, service, head, one, moved, top, spoke)
        _parts(plan, service, head, one)
        if head.gathers and one.root != one.before.root:
            plan.ledger.append(_relabel(one))
    if rows:
        plan.ledger.append(UpdateMany({"_id": {"$in": rows}}, {"$unset": {"w": ""}}))
    return plan


def _head(plan: Plan, service: Service, head: Head[Any], one: Moved, moved: list[Moved], top: int, spoke: int) -> None:
    before = one.before
    told_by = service.fold_version if one.built is not None else before.fold_version or service.fold_version
    doc: Doc = {"v": top + 1, "spoke": spoke, "fv": told_by} | belonging(one.root, one.kin)
    among = [each.before for each in moved] if head.gathers else [before]
    for name in ("ticked", "heard"):
        if moments := [moment for state in among if (moment := getattr(state, name)) is not None]:
            doc[name] = max(moments)
    stored = before.documents.get((head.name, ""), Stored(None))
    if one.root and head.gathers:
        if (copies := copies_of(head, stored.value)) is not None:
            doc["was"] = to_doc(copies)
    else:
        doc |= body(one.one.changed[head.name, ""][1] if (head.name, "") in one.one.changed else stored)
    where = {"_id": before.subject, "v": before.v}
    plan.heads[head.name].append(ReplaceOne(where, doc) if before.v else InsertOne({"_id": before.subject, **doc}))


def _parts(plan: Plan, service: Service, head: Head[Any], one: Moved) -> None:
    before = one.before
    for (name, key), (kind, stored) in one.one.changed.items():
        write = part_write(kind, before, key, stored) if name != head.name else None
        if isinstance(write, DeleteOne):
            plan.gone.setdefault(name, []).append(kind.doc_id(before.subject, key))
        elif write is not None:
            plan.parts[name].append(write)
    if not head.gathers:
        return
    for (name, key), stored in before.documents.items():
        if name == head.name or stored.value is None or (name, key) in one.one.changed:
            continue
        part = _part(service, (name, key))
        stays = part.follows and one.built is not None and (name, key) in one.built.documents
        if (one.root and (part.derived or part.follows)) or (part.follows and not stays):
            plan.gone.setdefault(name, []).append(part.doc_id(before.subject, key))


def _relabel(one: Moved) -> UpdateMany:
    """The account's rows, from where they are to its new root."""
    name, root = one.before.subject, one.root or one.before.subject
    here = {"s": one.before.root, "a": name} if one.before.root else {"s": name, "a": {"$exists": False}}
    there: Doc = {"$set": {"s": root, "a": name}} if root != name else {"$set": {"s": root}, "$unset": {"a": ""}}
    return UpdateMany(here, there)


async def gather(applier: Applier, row: Doc, now: datetime) -> None:
    """Let a tie take effect (`row`: its ledger row), and those with it that wait. What it says is said at `now`."""
    delay = 0.01
    while True:
        try:
            return await _gather_once(applier, row, now)
        except Stale:
            applier.metrics.conflicts.inc()
        except PyMongoError as error:  # the live service writes the same accounts, or the database is away
            if not heals(error) and not duplicate(error):
                raise
            applier.metrics.retries.labels(stage="gather").inc()
        await asyncio.sleep(delay)
        delay = min(delay * 2, LONGEST_PAUSE)


async def _gather_once(applier: Applier, row: Doc, now: datetime) -> None:
    head = applier.service.handlers[row["t"]].head
    ties = await applier.ledger.ties_among(row["m"])
    names = {name for tie in ties for name in (tie.account, tie.into)} | set(row["m"])
    to = roots(ties, names)
    docs = {doc["_id"]: doc for doc in await applier.db[head.name].find({"_id": {"$in": sorted(names)}}).to_list(None)}
    gone = {name for name, doc in docs.items() if doc.get("erased")}
    was = {name: docs.get(name, {}).get("root", name) for name in names - gone}
    orphans = [name for name in sorted(was) if to[name] in gone]
    if orphans and all(was[name] == name for name in orphans):
        await _erase(applier, head, orphans, now)
        raise Stale
    # One that another customer still has stands for itself first, or he would be erased in its place.
    to = {name: name if name in orphans else to[name] for name in was}
    moving = {name for name in to if was[name] != to[name]}
    if not moving:
        await applier.ledger.settled([row["_id"]])
        return
    places = sorted({place for name in moving for place in (name, was[name], to[name])})
    to |= {place: place for place in places if place not in to}
    applier.cache.drop((head.name, place) for place in places)
    states = await _loaded(applier, head, places)
    rows = await applier.ledger.rows_of(places) if head.gathers else []
    if sorted(await applier.ledger.ties_among(row["m"])) != sorted(ties):
        raise Stale  # one that came since, before the heads were read, would be passed over
    # What its end says has ids of its own, beside those of what the tie has said.
    because = row["_id"] + ("/withdrawn" if row.get("void") else "")
    moved = regrouped(applier.service, head, states, rows, to, now, because)
    plan = plan_of(applier.service, head, moved, [] if orphans else [row["_id"]], applier.shards)
    conflicts = [] if orphans else [conflict(dead, because, now) for one in moved for dead in one.refused]
    for letter in conflicts:
        plan.dead.append(InsertOne(dead_doc(letter)))
        if (said := dead_row(letter, applier.service.name, applier.shards)) is not None:
            plan.outbox.append(said)
            plan.unsure.add(said["shard"])
    await applier.transactions.store(plan, [])
    applier.cache.drop((head.name, place) for place in places)
    applier.metrics.refolds.labels("tie").inc()
    if conflicts:
        log.warning("tie.conflicts", facts=len(conflicts), next="each is a dead letter with the reason tie_conflict")


async def _erase(applier: Applier, head: Head[Any], accounts: Iterable[str], now: datetime) -> None:
    # Their root was erased before it was known here that they are his.
    def forget(desk: Desk) -> None:
        desk.erase_subject()
        if applier.service.eraser is not None:
            applier.service.eraser(desk, None)

    await applier.apply([act_work(head, account, now, f"erased:{account}", forget) for account in accounts])


async def _loaded(applier: Applier, head: Head[Any], accounts: list[str]) -> dict[str, State]:
    """The accounts with all their documents; heads first, so that a change in between shows in their versions."""
    parts = applier.service.parts_of(head.name)
    docs = {doc["_id"]: doc async for doc in applier.db[head.name].find({"_id": {"$in": accounts}})}
    names = [part.name for part in parts]
    states = {account: state_of(head, account, docs.get(account), names) for account in accounts}
    for state in states.values():
        state.whole.update(names)
    for part in parts:
        async for doc in applier.db[part.name].find({"s": {"$in": accounts}}):
            states[doc["s"]].documents[part.name, doc["k"]] = Stored(from_doc(doc["state"], part.type), doc.get("due"))
    return states

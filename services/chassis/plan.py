"""What one transaction will write, worked out before it is opened so that it stays short."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne

from .aggregate import Desk, Kind, State, Stored
from .fold import Folded
from .mongo import Doc, check_doc, from_doc, to_doc
from .outbox import Mended, dead_doc, dead_row, mended_row, now_us, rows_of, shard_of, tombstone_row
from .service import Service
from .work import Dead, Work

_ROWS = 1 << 20  # more than one version can hold
Write = InsertOne[Doc] | ReplaceOne[Doc] | UpdateOne | DeleteOne


@dataclass(slots=True)
class Plan:
    """Writes by collection; heads apart, for their versions are checked. `looked`: versions of heads that are not
    written, but on whose state something was decided (a refusal, a moment that has moved).
    """

    taken: list[Work] = field(default_factory=list)
    heads: dict[str, list[Write]] = field(default_factory=lambda: defaultdict(list))
    parts: dict[str, list[Write]] = field(default_factory=lambda: defaultdict(list))
    outbox: list[Doc] = field(default_factory=list)
    unsure: set[int] = field(default_factory=set)  # shards of the outbox where others' words may have to go out before
    dead: list[Write] = field(default_factory=list)
    erased: list[State] = field(default_factory=list)
    gone: dict[str, list[str]] = field(default_factory=dict)  # ids of parts, taken out before anything is put in
    ledger: list[UpdateMany] = field(default_factory=list)  # rows that go to another root
    looked: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    stage: str = ""  # how fault tests call its transaction (marks.py), where it is not one as all are

    @property
    def empty(self) -> bool:
        """Nothing to write or to check."""
        return not (self.taken or self.heads or self.parts or self.outbox or self.dead or self.looked)

    def guard(self, states: Iterable[State]) -> None:
        """Let the plan rest on these states too, without writing them."""
        for state in states:
            self.looked[state.head][state.subject] = state.v

    @classmethod
    def of(cls, folded: list[Folded], dead: list[Dead], service: Service, shards: int) -> Plan:
        """The writes for what was folded."""
        plan = cls()
        for one in folded:
            plan.taken += one.rows
            number(one)
            if not one.moves:
                plan.looked[one.state.head][one.state.subject] = one.state.v
                continue
            if one.said:
                if one.state.spoke and not one.state.ours:
                    plan.unsure.update(shard_of(event.subject, shards) for event in one.said)
                rows, one.state.spoke = rows_of(one.said, one.state.spoke, shards)
                plan.outbox += rows
            if one.erase:
                plan._tombstones(one.state, service, shards)
            plan._subject(one, service)
        for letter in dead:
            if letter.answered:
                continue
            doc = dead_doc(letter)
            plan.dead.append(ReplaceOne({"_id": letter.id}, doc, upsert=True) if letter.attempt else InsertOne(doc))
            row = dead_row(letter, service.name, shards)
            if row is not None:
                plan.outbox.append(row)
        return plan

    def mend(self, mended: list[Mended], service: Service, shards: int) -> None:
        """Letters whose events are taken now: closed here, and said where they were said."""
        for one in mended:
            done = {"status": "replayed", "replayed_at": one.at}
            self.dead.append(UpdateOne({"_id": one.letter}, {"$set": done}))
            self.outbox.append(mended_row(one, service.name, shards))

    def _tombstones(self, state: State, service: Service, shards: int) -> None:
        if state.spoke and not state.ours:
            self.unsure.add(shard_of(state.subject, shards))
        for topic in service.snapshots:
            state.spoke += 1
            cause = f"{service.name}/{topic}/{state.subject}"
            self.outbox.append(tombstone_row(state.subject, topic, cause, state.spoke, shards))
            for account in state.kin:
                self.unsure.add(shard_of(account, shards))
                at = max(state.spoke, now_us())  # what was said of it is older: its head is the customer's
                self.outbox.append(tombstone_row(account, topic, f"{service.name}/{topic}/{account}", at, shards))

    def _subject(self, one: Folded, service: Service) -> None:
        state = one.state
        self.heads[state.head].append(head_write(one, service.fold_version))
        if one.erase:
            self.erased.append(state)
            return
        for (name, key), (kind, stored) in one.changed.items():
            if name != state.head:
                write = part_write(kind, state, key, stored)
                if write is not None:
                    self.parts[name].append(write)


def number(one: Folded) -> None:
    """Write into the rows what a refold needs to tell the same story again: `o`, the order in which facts were applied
    whatever their times (a person's decision and a record that lay unread while he took it come in the order in which
    the service learnt of them), and `c`, the last due moment that the clock had folded by then.
    """
    for n, work in enumerate(one.rows):
        if work.keep and work.row is not None:
            work.row["o"] = (one.state.v + 1) * _ROWS + n
            if one.state.ticked is not None:
                work.row["c"] = one.state.ticked


def head_write(one: Folded, fold_version: int) -> Write:
    """The head under its next version. A head whose own state did not change only moves its version on."""
    state = one.state
    change = one.changed.get((state.head, ""))
    # What stands keeps the version of the rules it was folded with, until a refold.
    doc: Doc = {"v": state.v + 1, "spoke": state.spoke, "fv": state.fold_version or fold_version}
    if (ticked := latest(one)) is not None:
        doc["ticked"] = ticked
    if (heard := one.heard or state.heard) is not None:
        doc["heard"] = heard
    if one.erase:
        doc["erased"] = True
    elif change is None and state.v:
        return UpdateOne({"_id": state.subject, "v": state.v}, {"$set": doc})
    elif change is not None:
        doc |= body(change[1])
        if state.root or state.kin:
            doc |= belonging(state.root, state.kin)
    if not state.v:
        return InsertOne({"_id": state.subject, **doc})
    return ReplaceOne({"_id": state.subject, "v": state.v}, doc)


def belonging(root: str, kin: Iterable[str]) -> Doc:
    """What a head says of the accounts that are one customer; nothing, where there is only one."""
    doc: Doc = {"root": root} if root else {}
    if kin:
        doc["kin"] = list(kin)
    return doc


def latest(one: Folded) -> datetime | None:
    """The last due moment that has been folded for the subject, here or before."""
    return max((moment for moment in (one.ticked, one.state.ticked) if moment is not None), default=None)


def part_write(kind: Kind, state: State, key: str, stored: Stored) -> Write | None:
    """The write for a part, None where nothing changes."""
    before = state.held((kind.name, key))
    doc_id = kind.doc_id(state.subject, key)
    if before is not None and before == stored:
        return None
    if stored.value is None:
        return DeleteOne({"_id": doc_id})
    doc: Doc = {"_id": doc_id, "s": state.subject, "k": key, **body(stored)}
    if before is not None and before.value is None:
        return InsertOne(doc)
    # Not looked at before it was put: it may be there or not.
    return ReplaceOne({"_id": doc_id}, doc, upsert=before is None)


def body(stored: Stored) -> Doc:
    """A document's own content beside what the chassis keeps in it."""
    doc: Doc = {} if stored.value is None else {"state": to_doc(stored.value)}
    if stored.due is not None:
        doc["due"] = stored.due
    return doc


def storable(desk: Desk) -> None:
    """Try what an event has made on the encoders that its transaction and its way to the bus will use.

    Raises:
        Exception: whatever the encoders say.
    """
    for _, stored in desk.changed.values():
        check_doc(body(stored))
    rows_of(desk.said, 0, 1)


def settle(one: Folded) -> None:
    """After the commit: the state on hand is what the database now holds."""
    state = one.state
    state.ours = state.ours or bool(one.said) or one.erase
    if one.moves:
        state.v += 1
        state.ticked = latest(one)
        state.heard = one.heard or state.heard
    for at, (_, stored) in one.changed.items():
        state.documents[at] = stored
    if one.erase:
        state.erased = True
        state.whole.clear()
        state.documents = {(state.head, ""): Stored(None)}


def state_of(kind: Kind, subject: str, doc: Doc | None, parts: Iterable[str] = ()) -> State:
    """A subject's state from its head's document. Before its first head nothing of a subject is stored, so that of
    its `parts` all is known.
    """
    if doc is None:
        return State(subject, kind.name, documents={(kind.name, ""): Stored(None)}, whole=set(parts))
    held = doc.get("state", doc.get("was"))
    value: Any = from_doc(held, kind.type) if held is not None else None
    return State(
        subject,
        kind.name,
        v=doc["v"],
        spoke=doc.get("spoke", 0),
        fold_version=doc.get("fv", 0),
        ticked=doc.get("ticked"),
        heard=doc.get("heard"),
        erased=doc.get("erased", False),
        root=doc.get("root", ""),
        kin=tuple(doc.get("kin", ())),
        documents={(kind.name, ""): Stored(value, doc.get("due"))},
    )

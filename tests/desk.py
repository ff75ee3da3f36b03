"""A service's folds at work without broker and database: events in, what it says and keeps out.

    desk = TestDesk(profiles_service(CompanyDays(ZoneInfo("Asia/Shanghai"))), now=moment)
    crm = Sender("crm")
    said = desk.take(crm.event(OwnerAssigned(owner_id="staff/7", since=day), "C-1", moment))
    desk.advance(to=later)          # due moments on the way
    desk.value(CUSTOMERS, "C-1")

It runs the chassis' own pure parts (event_work, fold_subject, rebuild, difference). Documents go through BSON and
back between two batches, and events through their wire form, so that what would not survive storing does not here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import bson
import msgspec

from contracts.envelope import Event, decode, encode, encode_data
from contracts.payload import Payload
from services.chassis.aggregate import Desk, Head, Part, State, Stored, cause_of
from services.chassis.fold import Folded, fold_subject
from services.chassis.gather import regrouped
from services.chassis.mongo import CODEC, Doc, from_doc
from services.chassis.plan import body, number, settle
from services.chassis.refold import copies_of, difference, is_kept, rebuild
from services.chassis.service import Service
from services.chassis.ties import account_of, in_order
from services.chassis.work import Dead, Work, act_work, event_work, tick_work

P = TypeVar("P", bound=Payload)
T = TypeVar("T", bound=msgspec.Struct)


@dataclass
class Sender:
    """A system that sends events: it numbers them."""

    source: str
    sent: int = 0

    def event(self, payload: Payload, subject: str, time: datetime, *, event_id: str | None = None) -> Event:
        """The next event of this system."""
        self.sent += 1
        number = event_id or f"{self.source}-{self.sent}"
        return Event(id=number, source=self.source, type=payload.TYPE, subject=subject, time=time, data=payload)


def payloads(events: Iterable[Event], kind: type[P]) -> list[P]:
    """The payloads of one type among events, in their order."""
    return [event.data for event in events if isinstance(event.data, kind) and event.type == kind.TYPE]


@dataclass
class TestDesk:
    """One service's states in memory. `said` and `dead` are all there was so far, `rows` the ledger."""

    __test__ = False
    service: Service
    now: datetime
    states: dict[tuple[str, str], State] = field(default_factory=dict)
    rows: dict[str, list[Doc]] = field(default_factory=lambda: defaultdict(list))
    known: set[str] = field(default_factory=set)
    said: list[Event] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)
    tombstones: list[tuple[str, str]] = field(default_factory=list)  # topic and subject
    roots: dict[str, str] = field(default_factory=dict)  # of accounts that are another's

    def take(self, *events: Event, at: datetime | None = None) -> list[Event]:
        """Apply a batch as appended to the log `at` (by itself now, never earlier); returns what was said."""
        self.now = max(self.now, at or self.now)
        work: dict[tuple[str, str], list[Work]] = defaultdict(list)
        for event in events:
            if cause_of(event) in self.known:
                continue
            self.known.add(cause_of(event))
            record = encode(event)
            read = decode(record.value, record.headers, record.key)
            handler = self.service.handlers[read.type]
            one = event_work(read, handler, self.now, None, encode_data(read.data))
            work[handler.head.name, self.roots.get(read.subject, read.subject)].append(one)
        before = len(self.said)
        for at_, works in work.items():
            self._apply(at_, works)
        return self.said[before:]

    def advance(self, to: datetime) -> list[Event]:
        """Let time pass: fold every due moment before `to` in order; returns what was said."""
        before = len(self.said)
        while (due := self._next_due(to)) is not None:
            moment, at, name, key = due
            kind, tick = self.service.ticks[name]
            head = self.service.kinds[at[0]]
            assert isinstance(head, Head)
            self._apply(at, [tick_work(kind, head, tick, at[1], key, moment)])
        self.now = max(self.now, to)
        return self.said[before:]

    def act(self, head: Head[Any], subject: str, act: Callable[[Desk], None]) -> list[Event]:
        """What the service does by itself for a subject now; returns what was said."""
        before = len(self.said)
        self._apply((head.name, subject), [act_work(head, subject, self.now, "act", act)])
        return self.said[before:]

    def value(self, kind: Head[T] | Part[T], subject: str, key: str = "") -> T | None:
        """A document, or None where there is none."""
        stored = self._state((kind.head, subject)).documents.get((kind.name, key), Stored(None))
        value: T | None = stored.value
        return value

    def every(self, kind: Part[T], subject: str) -> dict[str, T]:
        """All documents of a kind by key."""
        documents = self._state((kind.head, subject)).documents
        return {key: one.value for (name, key), one in documents.items() if name == kind.name and one.value is not None}

    def due(self, kind: Head[Any] | Part[Any], subject: str, key: str = "") -> datetime | None:
        """When the clock looks at a document next."""
        return self._state((kind.head, subject)).documents.get((kind.name, key), Stored(None)).due

    def refold(self, head: Head[Any], subject: str) -> Folded:
        """Fold a subject again from its ledger and keep the result; returns what changed and what was said."""
        state = self._state((head.name, subject))
        kinds = self.service.kinds
        kept = {at: one for at, one in state.documents.items() if not getattr(kinds[at[0]], "derived", True)}
        built = rebuild(self.service, head, subject, in_order(self.rows[subject]), state.ticked, kept).state
        one = difference(self.service, state, built, self.now)
        self.said += one.said
        self._settle(one)
        return one

    def regroup(self, head: Head[Any], to: dict[str, str], because: str = "crm:tie") -> None:
        """Let each of these accounts be at the root that `to` names, as the chassis' worker does."""
        states = {name: self._state((head.name, name)) for name in to}
        rows = [row for name in to for row in self.rows.pop(name, [])]
        top = max(state.v for state in states.values())
        ticked = max((state.ticked for state in states.values() if state.ticked is not None), default=None)
        heard = max((state.heard for state in states.values() if state.heard is not None), default=None)
        for one in regrouped(self.service, head, states, rows, to, self.now, because):
            name, before = one.before.subject, one.before.documents
            if one.built is None:
                documents = {(head.name, ""): Stored(copies_of(head, before[head.name, ""].value))}
            else:
                new = {at: _through_bson(kind, stored) for at, (kind, stored) in one.one.changed.items()}
                documents = {at: held for at, held in before.items() if not is_kept(self.service, at)}
                documents |= {at: held for at, held in one.built.documents.items() if is_kept(self.service, at)} | new
            self.said += one.one.said
            whole = {part.name for part in self.service.parts_of(head.name)}
            self.states[head.name, name] = State(
                name, head.name, v=top + 1, root=one.root, kin=one.kin, ticked=ticked, heard=heard,
                documents=documents, whole=whole,
            )  # fmt: skip
        self.roots = {name: root for name, root in (self.roots | to).items() if name != root}
        for row in rows:
            account = row["a"] = account_of(row)
            row["s"] = to[account]
            if row["s"] == account:
                del row["a"]
            self.rows[row["s"]].append(row)
        for own in self.rows.values():
            own.sort(key=lambda row: (row["o"], row["at"]))

    def _next_due(self, to: datetime) -> tuple[datetime, tuple[str, str], str, str] | None:
        waiting = [
            (stored.due, at, name, key)
            for at, state in self.states.items()
            for (name, key), stored in state.documents.items()
            if stored.due is not None and stored.due < to and name in self.service.ticks
        ]
        return min(waiting, default=None)

    def _state(self, at: tuple[str, str]) -> State:
        head, subject = at
        if at not in self.states:
            whole = {part.name for part in self.service.parts_of(head)}
            self.states[at] = State(subject, head, documents={(head, ""): Stored(None)}, whole=whole)
        return self.states[at]

    def _apply(self, at: tuple[str, str], works: list[Work]) -> None:
        state = self._state(at)
        while True:
            one = fold_subject(state, works, f"rapport/{self.service.name}", self.service.kinds)
            if not one.missing:
                break
            # All that is there is on the desk, so what is asked for is not there.
            state.documents |= {asked: Stored(None) for asked in one.missing}
        self.said += one.said
        self.dead += one.dead
        number(one)
        self.rows[state.subject] += [work.row for work in one.rows if work.row is not None and work.keep]
        self._settle(one)

    def _settle(self, one: Folded) -> None:
        one.changed = {at: (kind, _through_bson(kind, stored)) for at, (kind, stored) in one.changed.items()}
        settle(one)
        if one.erase:
            self.rows.pop(one.state.subject, None)
            self.tombstones += [(topic, one.state.subject) for topic in self.service.snapshots]


def _through_bson(kind: Head[Any] | Part[Any], stored: Stored) -> Stored:
    doc = bson.decode(bson.encode(body(stored), codec_options=CODEC), codec_options=CODEC)
    value = from_doc(doc["state"], kind.type) if "state" in doc else None
    return Stored(value, doc.get("due"))


def moment(text: str) -> datetime:
    """A moment from ISO 8601; without an offset it is UTC."""
    read = datetime.fromisoformat(text)
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)

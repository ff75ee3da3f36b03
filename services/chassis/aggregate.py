"""A subject's state on the desk: what a fold may see, change and say.

A *head* is the one document a subject (a customer account, a staff member) has in a service; *parts* are documents of
the same subject that can grow in number (open items, alerts). All are stored in one transaction under the head's
version, so one check of `{_id, v}` guards the whole subject.

A fold is an ordinary function `fold(desk, event) -> None`. It reads with `get`, changes with `put` and `drop`, speaks
with `emit`. It declares nothing beforehand: when it asks for a document that has not been loaded, `Missing` ends it,
the document is loaded together with those of the whole batch, and the fold runs again. Folds have no other effect, so
running one again is harmless.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar, cast

import msgspec

from contracts.envelope import Event
from contracts.payload import Payload

from .mongo import Collection, Index

T = TypeVar("T", bound=msgspec.Struct)

MAX_ID = 500
EVERY = "*"  # as a key: all documents of a kind


@dataclass(frozen=True)
class Head(Generic[T]):
    """The one document of a subject. `indexes` are what readers query by; `clocked` means its `due` moment is watched
    by the clock. `copied` are fields set by events that leave no ledger row (snapshots): a refold takes them over.
    `gathers`: the state of accounts that are one customer is kept at their root; else each keeps its own.
    """

    name: str
    type: type[T]
    indexes: tuple[Index, ...] = ()
    clocked: bool = False
    copied: tuple[str, ...] = ()
    gathers: bool = True

    @property
    def head(self) -> str:
        """The collection whose version guards this document."""
        return self.name

    def doc_id(self, subject: str, key: str) -> str:
        """A head is the subject; it has no key of its own."""
        return subject

    def collection(self) -> Collection:
        """The collection as the database must have it."""
        return Collection(self.name, self.indexes + _due_index(self.clocked))


@dataclass(frozen=True)
class Part(Generic[T]):
    """Documents of a subject beside its head. `derived` parts are thrown away and built again by a refold; others
    (notifications) are kept. Kept ones whose type has a field `account` follow that account to its root and back (where
    it is empty they are the customer's own); others stay where they are.
    """

    name: str
    type: type[T]
    of: Head[Any]
    indexes: tuple[Index, ...] = ()
    clocked: bool = False
    derived: bool = True

    @property
    def follows(self) -> bool:
        """Whether a kept document goes along when its account is tied to another."""
        return not self.derived and "account" in self.type.__struct_fields__

    @property
    def head(self) -> str:
        """The collection whose version guards this document."""
        return self.of.name

    def doc_id(self, subject: str, key: str) -> str:
        """Unique over subjects: an id may hold blanks inside, but never a tab."""
        return f"{subject}\t{key}"

    def collection(self) -> Collection:
        """The collection as the database must have it; every part can be found by its subject."""
        return Collection(self.name, (*self.indexes, Index((("s", 1),)), *_due_index(self.clocked)))


Kind = Head[Any] | Part[Any]


def _due_index(clocked: bool) -> tuple[Index, ...]:
    # Partial: documents that wait for nothing cost the clock nothing.
    return (Index((("due", 1),), partial={"due": {"$exists": True}}),) if clocked else ()


class Stored(NamedTuple):  # made for every change: as a frozen dataclass it would take three times as long
    """A document as loaded or as a fold left it. `value` None: it is not there. `due`: when the clock has to look at
    it next.
    """

    value: Any
    due: datetime | None = None


Key = tuple[str, str]  # (kind's name, key within the subject)


@dataclass(slots=True)
class State:
    """What is known of one subject while a batch is applied. `v` 0: the head is not in the database yet. `ticked` is
    the last of its due moments that the clock has folded, `heard` the latest log time at which it learnt of anything.
    """

    subject: str
    head: str
    v: int = 0
    spoke: int = 0  # microseconds of the last thing said, so that what is said later sorts later (see outbox.py)
    fold_version: int = 0
    ticked: datetime | None = None
    heard: datetime | None = None
    erased: bool = False
    root: str = ""  # this account is that one's now
    kin: tuple[str, ...] = ()  # the accounts that are this one's
    ours: bool = False  # since it was loaded, this process has spoken for it, and no other
    documents: dict[Key, Stored] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)  # kinds of which every document of the subject is here

    def held(self, at: Key) -> Stored | None:
        """A document as loaded; None where it has not been."""
        found = self.documents.get(at)
        if found is None and at[0] in self.whole:
            found = self.documents[at] = Stored(None)
        return found


class Missing(Exception):  # noqa: N818 - not an error: a request
    """A fold asked for a document that is not on the desk yet."""

    def __init__(self, kind: Kind, key: str) -> None:
        super().__init__(kind.name)
        self.kind = kind
        self.key = key


@dataclass(slots=True)
class Desk:
    """One event's view of one subject: the state below, what this event changes above."""

    state: State
    source: str  # of what is said here: `rapport/<service>`
    now: datetime
    cause: str
    traceparent: str | None = None
    history: date | None = None  # of a load of the past; what is said because of it is history too
    changed: dict[Key, tuple[Kind, Stored]] = field(default_factory=dict)
    said: list[Event] = field(default_factory=list)
    below: Mapping[Key, tuple[Kind, Stored]] = field(default_factory=dict)
    erase: bool = False
    account: str = ""  # with which the fact came; a fold may say that it belongs to another one of the customer's
    turn: str = ""  # tells apart what the same cause says at another time: a due moment can come again
    private: Any = None  # what a command carries that may not go on the bus (the text of a note)

    @property
    def subject(self) -> str:
        """The party this desk is about."""
        return self.state.subject

    @property
    def came_with(self) -> str:
        """The account with which the fact came, where that is another than the customer's root; else empty."""
        return "" if self.account == self.state.subject else self.account

    def stored(self, kind: Kind, key: str = "") -> Stored:
        """The document with its due moment.

        Raises:
            Missing: it has not been loaded; the engine loads it and runs the fold again.
        """
        at = (kind.name, key)
        for layer in (self.changed, self.below):
            if (change := layer.get(at)) is not None:
                return change[1]
        found = self.state.held(at)
        if found is None:
            self._mine(kind)
            raise Missing(kind, key)
        return found

    def _mine(self, kind: Kind) -> None:
        if kind.head != self.state.head:
            raise ValueError(
                f"{kind.name} is stored under the version of {kind.head}, and this desk is about {self.state.head}: "
                "keep what the fold needs in a part of its own head"
            )

    def get(self, kind: Head[T] | Part[T], key: str = "") -> T | None:
        """The document, or None where there is none. A head takes no key."""
        return cast("T | None", self.stored(kind, key).value)

    def all(self, kind: Part[T]) -> dict[str, T]:
        """Every document of a kind by key, for the rare fold that changes them all (a grace period, a merge).

        Raises:
            Missing: they have not been loaded.
        """
        if kind.name not in self.state.whole:
            raise Missing(kind, EVERY)
        keys = {key for name, key in (*self.state.documents, *self.below, *self.changed) if name == kind.name}
        values = {key: cast("T | None", self.stored(kind, key).value) for key in sorted(keys)}
        return {key: value for key, value in values.items() if value is not None}

    def put(self, kind: Head[T] | Part[T], value: T, key: str = "", *, due: datetime | None = None) -> None:
        """Store `value`; `due` is the next moment at which waiting alone would change it, None for never."""
        self._mine(kind)
        self.changed[(kind.name, key)] = (kind, Stored(value, None if due is None else stored_due(due)))

    def drop(self, kind: Kind, key: str = "") -> None:
        """Remove the document."""
        self._mine(kind)
        self.changed[(kind.name, key)] = (kind, Stored(None))

    def erase_subject(self) -> None:
        """Personal data of this subject goes, at once and for ever; later events about it are refused."""
        self.erase = True

    def emit(self, payload: Payload, *, subject: str | None = None) -> Event:
        """Say something on the bus. The id is derived from the cause, so that a repeat has the same id."""
        kind = payload.TYPE
        n = sum(1 for event in self.said if event.type == kind)
        event = Event(
            id=derived_id(self.cause + self.turn, kind, n),
            source=self.source,
            type=kind,
            subject=subject or self.subject,
            time=self.now,
            data=payload,
            traceparent=self.traceparent,
            history=self.history,
        )
        self.said.append(event)
        return event

    def puts(self, kind: Kind) -> Iterator[tuple[str, Any]]:
        """What this event has put into a kind so far, by key."""
        return ((key[1], stored.value) for key, (_, stored) in self.changed.items() if key[0] == kind.name)


def stored_due(moment: datetime) -> datetime:
    """The moment as the database will hold it, to the millisecond and never earlier: a clock that came too soon would
    find nothing to do and come again.
    """
    rest = moment.microsecond % 1000
    return moment + timedelta(microseconds=1000 - rest) if rest else moment


def cause_of(event: Event) -> str:
    """What an event's consequences name as their cause: unique over sources."""
    return name_of(event.source, event.id)


def name_of(source: str, event_id: str) -> str:
    """`source:id`. A colon in the source is escaped, so that no two events share a name."""
    if ":" in source or "%" in source:
        source = source.replace("%", "%25").replace(":", "%3A")
    return f"{source}:{event_id}"


def named(name: str) -> tuple[str, str]:
    """Source and id of an event from its name."""
    source, _, event_id = name.partition(":")
    return source.replace("%3A", ":").replace("%25", "%"), event_id


def derived_id(cause: str, kind: str, n: int) -> str:
    """`{cause}/{type}/{n}`; where chains of causes grow past what an id may hold, the cause is replaced by its
    digest.
    """
    tail = f"/{kind.removeprefix('rapport.')}/{n}"
    if len(cause) + len(tail) > MAX_ID:
        cause = hashlib.sha256(cause.encode()).hexdigest()[:32]
    return cause + tail

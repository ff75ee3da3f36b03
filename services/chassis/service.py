"""What a service is made of: which events it takes, what it does when waiting ends, what it forgets and what it hands
out.

An author writes pure folds and registers them here; see README.md of this folder for a whole service on one page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from contracts.envelope import Event
from contracts.payload import Payload, Withdrawal
from contracts.registry import topic_of

from .aggregate import Desk, Head, Kind, Part
from .mongo import Collection, Database, Doc
from .ties import Tie

P = TypeVar("P", bound=Payload)
S = TypeVar("S", bound=msgspec.Struct)
W = TypeVar("W", bound=Withdrawal)

Fold = Callable[[Desk, Event], None]
Needs = Callable[[Event], Iterable[tuple[Kind, str]]]
Tick = Callable[[Desk, str, Any], None]
AfterRefold = Callable[[Desk, "Before"], None]
Opening = Callable[[Database], Awaitable[object]]
Eraser = Callable[[Desk, Event | None], None]
Export = Callable[[Database, str], Awaitable[dict[str, list[Doc]]]]
Ties = Callable[[Event], Tie]
Retied = Callable[[Desk, str], None]


@dataclass(frozen=True)
class Before:
    """The parts of a subject as they were before a refold, by kind and key. Where accounts were tied or loosed these
    are the parts of all concerned, less what stands with another of them now; `because` names the fact that did it.
    `withdrawn`: what the names of facts begin with that were taken out.
    """

    documents: dict[tuple[str, str], Any]
    because: str = ""
    withdrawn: tuple[str, ...] = ()

    def of(self, kind: Part[S]) -> dict[str, S]:
        """All documents of one kind, by key."""
        return {key: value for (name, key), value in self.documents.items() if name == kind.name and value is not None}


@dataclass(frozen=True)
class Handler:
    """How one event type is taken. `keep`: it leaves a ledger row for ever; else an inbox row that goes after 35
    days.
    """

    fold: Fold
    head: Head[Any]
    keep: bool = True
    own: bool = False
    needs: Needs | None = None  # what the fold is known to ask for, so that it is loaded with the batch's heads
    withdraws: bool = False  # names facts that are taken out: the subject is folded again without them
    ties: Ties | None = None  # says which account is the subject's, or is its own again
    of_root: bool = False  # of an account that is another's now it waits in the ledger, and counts for nothing
    to_root: bool = False  # it is about the whole customer, also where each account keeps its own state


@dataclass
class Service:
    """A service's wiring. `feeds` are the topics whose log time drives the clock: a due moment waits until they are
    read up to it.
    """

    name: str
    feeds: tuple[str, ...] = ()
    fold_version: int = 1
    handlers: dict[str, Handler] = field(default_factory=dict)
    ticks: dict[str, tuple[Kind, Tick]] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)
    refolded: dict[str, AfterRefold] = field(default_factory=dict)
    retied: dict[str, Retied] = field(default_factory=dict)
    eraser: Eraser | None = None  # without an event where a customer's other account was erased
    exporter: Export | None = None
    opening: Opening | None = None  # what its folds rest on beside their desk is read before the first of them
    extra: tuple[Collection, ...] = ()
    supplies: dict[str, tuple[str, ...]] = field(default_factory=dict)  # what rules rest on, by event type
    rests: dict[str, str] = field(default_factory=dict)  # by kind: the supply without which its moments wait
    books: tuple[str, ...] = ()  # event types whose ledger rows law keeps after an erasure, without subject
    # Collections with documents about a `subject` beside his own: the fields that an erasure takes out of them.
    bared: dict[str, tuple[str, ...]] = field(default_factory=dict)
    snapshots: tuple[str, ...] = ()  # compacted topics with content about a subject: a tombstone ends him there

    def stores(self, *kinds: Kind) -> None:
        """Declare heads and parts, so that their collections and indexes exist before the first event."""
        for kind in kinds:
            self.kinds[kind.name] = kind

    def on(
        self,
        payload: type[P],
        head: Head[Any],
        *,
        keep: bool = True,
        needs: Needs | None = None,
        ties: Ties | None = None,
        of_root: bool = False,
        to_root: bool = False,
    ) -> Callable[[Fold], Fold]:
        """Register the fold of an event type.

        `keep=False` is for what a later copy replaces anyway (snapshots). `needs` names documents the fold will ask
        for; it only saves time, for what it leaves out is loaded when the fold asks. `ties` says which account the
        event makes the subject's, or looses from it (gather.py). `of_root`: said of an account that is another's, it
        waits until that account stands for itself again. `to_root`: it is about all accounts of the customer.
        """

        def register(fold: Fold) -> Fold:
            if payload.TYPE in self.handlers:
                raise ValueError(f"{self.name} takes {payload.TYPE} twice")
            self.handlers[payload.TYPE] = Handler(
                fold, head, keep, needs=needs, ties=ties, of_root=of_root, to_root=to_root
            )
            self.kinds.setdefault(head.name, head)
            return fold

        return register

    def after_tie(self, head: Head[Any]) -> Callable[[Retied], Retied]:
        """Register what an account that keeps its own state says when it has got a root, or none any more (empty)."""

        def register(retied: Retied) -> Retied:
            self.retied[head.name] = retied
            return retied

        return register

    def withdraws(self, payload: type[W], head: Head[Any]) -> None:
        """Take withdrawals: the facts they name stay in the ledger, and the subject is folded again as if they had not
        come (withdraw.py).
        """

        def noted(desk: Desk, event: Event) -> None:
            """The row says it; what follows from it is the refold."""

        self.handlers[payload.TYPE] = Handler(noted, head, withdraws=True)
        self.kinds.setdefault(head.name, head)

    def command(self, payload: type[P], head: Head[Any]) -> Callable[[Fold], Fold]:
        """Register the fold of what this service itself says when a person acts (an HTTP write): folded here first,
        then sent out as it is.
        """

        def register(fold: Fold) -> Fold:
            self.handlers[payload.TYPE] = Handler(fold, head, keep=True, own=True)
            self.kinds.setdefault(head.name, head)
            return fold

        return register

    def supply(self, name: str, *payloads: type[Payload]) -> None:
        """Name what rules rest on: events of these types are it, and systems that deliver it are listened for."""
        for payload in payloads:
            self.supplies[payload.TYPE] = (*self.supplies.get(payload.TYPE, ()), name)

    def due(
        self, kind: Head[S] | Part[S], *, rests_on: str = ""
    ) -> Callable[[Callable[[Desk, str, S], None]], Callable[[Desk, str, S], None]]:
        """Register what happens when a document's due moment has come. `desk.now` is that moment. With `rests_on` it
        waits as long as a system that delivers that supply is unusually silent.
        """
        if rests_on:
            self.rests[kind.name] = rests_on

        def register(tick: Callable[[Desk, str, S], None]) -> Callable[[Desk, str, S], None]:
            self.ticks[kind.name] = (kind, tick)
            self.kinds.setdefault(kind.name, kind)
            return tick

        return register

    def after_refold(self, head: Head[Any]) -> Callable[[AfterRefold], AfterRefold]:
        """Register what a refold has to say about the difference it made (nothing, where there is none)."""

        def register(compare: AfterRefold) -> AfterRefold:
            self.refolded[head.name] = compare
            return compare

        return register

    def check(self) -> None:
        """Raises ValueError where parts of the wiring do not fit together."""
        if unread := set(self.feeds) - set(self.topics()):
            raise ValueError(
                f"{self.name} names {', '.join(sorted(unread))} as a feed of its clock and takes no event from there: "
                "its clock would stand for ever"
            )

        if unknown := set(self.rests.values()) - {name for names in self.supplies.values() for name in names}:
            raise ValueError(
                f"{self.name} has deadlines that rest on {', '.join(sorted(unknown))}, and nothing brings that: "
                "name its events with service.supply(...)"
            )

    def topics(self) -> list[str]:
        """The topics to subscribe to: those of the event types taken from outside."""
        return sorted({topic_of(kind) for kind, handler in self.handlers.items() if not handler.own})

    def heads(self) -> Iterable[Head[Any]]:
        """The heads among the stored kinds."""
        return (kind for kind in self.kinds.values() if isinstance(kind, Head))

    def all_parts(self) -> list[Part[Any]]:
        """The parts among the stored kinds."""
        return [kind for kind in self.kinds.values() if isinstance(kind, Part)]

    def parts_of(self, head: str) -> list[Part[Any]]:
        """The parts stored under a head."""
        return [kind for kind in self.kinds.values() if isinstance(kind, Part) and kind.head == head]

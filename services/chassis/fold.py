"""The pure middle of the applier: work and loaded states in; changed documents, things said and dead letters out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from contracts.envelope import Event
from contracts.refusal import Refused

from .aggregate import Desk, Key, Kind, Missing, State, Stored
from .mongo import Doc
from .work import Dead, Work, dead_of_work

Changes = dict[Key, tuple[Kind, Stored]]
ERASED = "This customer was erased on request; nothing about him is kept any more."


@dataclass(slots=True)
class Folded:
    """What became of one subject in a batch."""

    state: State
    changed: Changes = field(default_factory=dict)
    said: list[Event] = field(default_factory=list)
    rows: list[Work] = field(default_factory=list)  # taken: these leave a row
    dead: list[Dead] = field(default_factory=list)
    missing: set[tuple[str, str]] = field(default_factory=set)
    ticked: datetime | None = None  # the last due moment folded here
    heard: datetime | None = None  # the latest log time learnt of, here or before
    erase: bool = False

    @property
    def moves(self) -> bool:
        """Whether the subject's version moves on. A fact that is kept moves it even where it changes nothing, so that
        the order of facts is that of versions.
        """
        return bool(self.changed or self.said or self.erase or any(work.keep for work in self.rows))

    @property
    def due_at_once(self) -> bool:
        """Whether something was put that the clock may take as soon as it has passed what is known here."""
        heard = self.heard
        return heard is not None and any(
            stored.due is not None and stored.due <= heard for _, stored in self.changed.values()
        )


def fold_subject(
    state: State,
    works: list[Work],
    source: str,
    kinds: Mapping[str, Kind],
    check: Callable[[Desk], None] | None = None,
) -> Folded:
    """Fold a subject's work in order.

    What a fold asked for and did not find is collected in `missing`; the rest of the subject's work is then only run
    to find out what else it will ask for, and the whole is to be run again when that is loaded. An event whose fold
    raises leaves its subject as before and takes only itself out. `check` is asked after each; what it raises counts
    as the fold's own fault.
    """
    out = Folded(state, heard=state.heard)
    for work in works:
        if state.erased or out.erase:
            # Whoever is told again to forget him, or to forget some of it, has nothing to do.
            handler = work.handler
            if work.tick is None and not (handler is not None and (handler.to_root or handler.withdraws)):
                out.dead.append(dead_of_work(work, "erased", ERASED, bare=True))
            continue
        now = _learnt(work, out.heard)
        desk = Desk(
            state, source, now, work.cause, work.traceparent, work.event.history if work.event is not None else None,
            below=out.changed, account=work.subject, private=work.private,
        )  # fmt: skip
        try:
            _run(work, desk, kinds, check)
        except Missing as missing:
            if missing.kind.name in kinds:
                out.missing.add((missing.kind.name, missing.key))
            else:
                out.dead.append(_fault(work, _undeclared(missing.kind.name)))
            continue
        except Exception as error:  # noqa: BLE001 - any fault of a fold: kept, named and shown, never blocking the others
            if not out.missing:
                out.dead.append(_fault(work, error))
                _stop_waiting(state, work, out)
            continue
        if work.tick is not None and desk.changed:
            out.ticked = work.now
        _take(work, desk, out)
    return out


def _learnt(work: Work, heard: datetime | None) -> datetime:
    """When the subject learns of it: a subject's time never runs back. A record that lay unread, in another topic or
    in a partition it had before, while later ones were taken or the clock went by, is learnt of now; folded at its own
    time it would undo what has been said since.
    """
    return work.now if work.origin is None or heard is None else max(work.now, heard)


def _take(work: Work, desk: Desk, out: Folded) -> None:
    out.changed.update(desk.changed)
    out.said.extend(desk.said)
    out.erase = desk.erase
    if work.origin is not None or work.tick is not None:
        out.heard = desk.now if out.heard is None else max(out.heard, desk.now)
    if work.row is not None:
        if work.keep:
            work.row["at"] = desk.now
            if desk.account != work.row["s"] or desk.account != desk.subject:
                _belongs(work.row, desk)
        out.rows.append(work)


def _belongs(row: Doc, desk: Desk) -> None:
    # Folded before under another root (the transaction was too late), it may say so.
    row["s"] = desk.subject
    if desk.came_with:
        row["a"] = desk.account
    else:
        row.pop("a", None)


def known_needs(state: State, works: Mapping[tuple[str, str], list[Work]]) -> set[Key]:
    """What the folds of a subject's work are known to ask for and has not been loaded."""
    wanted: set[Key] = set()
    for work in works[(state.head, state.subject)]:
        try:
            for kind, key in work.needs():
                wanted.add((kind.name, key))
        except Exception:  # noqa: BLE001, S112 - such an event will not be folded either, and is told so there
            continue
    return {at for at in wanted if state.held(at) is None}


def _run(work: Work, desk: Desk, kinds: Mapping[str, Kind], check: Callable[[Desk], None] | None) -> None:
    if work.tick is not None:
        desk.turn = f"@{desk.state.v}"
    if desk.account != desk.state.subject and work.handler is not None and work.handler.of_root:
        return  # it waits in the ledger
    work.run(desk)
    if unknown := [name for name, _ in desk.changed if name not in kinds]:
        raise _undeclared(*unknown)
    if check is not None:
        check(desk)


def _undeclared(*names: str) -> ValueError:
    return ValueError(f"{', '.join(names)}: declare it with service.stores(...)")


def _fault(work: Work, error: Exception) -> Dead:
    if isinstance(error, Refused):
        return dead_of_work(work, error.reason, error.message, error.field)
    return dead_of_work(work, "fold_failed", f"The rules could not take this: {type(error).__name__}: {error}")


def _stop_waiting(state: State, work: Work, out: Folded) -> None:
    # A due moment that cannot be folded would come up again in every round of the clock; the subject's next event
    # works it out anew.
    if work.tick is not None:
        kind, _, key = work.tick
        at = (kind.name, key)
        held = out.changed[at][1] if at in out.changed else state.documents[at]
        out.changed[at] = (kind, Stored(held.value, None))
        out.ticked = work.now

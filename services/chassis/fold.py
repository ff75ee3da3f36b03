"""The pure middle of the applier: work and loaded states in; changed documents, things said and dead letters out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.envelope import Event
from contracts.refusal import Refused

from .aggregate import Desk, Key, Kind, Missing, State, Stored
from .work import Dead, Work, dead_of_work

Changes = dict[Key, tuple[Kind, Stored]]


@dataclass(slots=True)
class Folded:
    """What became of one subject in a batch."""

    state: State
    changed: Changes = field(default_factory=dict)
    said: list[Event] = field(default_factory=list)
    rows: list[Work] = field(default_factory=list)  # taken: these leave a row
    dead: list[Dead] = field(default_factory=list)
    missing: set[tuple[str, str]] = field(default_factory=set)
    erase: bool = False


def fold_subject(state: State, works: list[Work], source: str, kinds: Mapping[str, Kind]) -> Folded:
    """Fold a subject's work in order.

    What a fold asked for and did not find is collected in `missing`; the rest of the subject's work is then only run
    to find out what else it will ask for, and the whole is to be run again when that is loaded. An event whose fold
    raises leaves its subject as before and takes only itself out.
    """
    out = Folded(state)
    for work in works:
        if state.erased or out.erase:
            out.dead.append(
                dead_of_work(
                    work,
                    "erased",
                    "This customer was erased on request; nothing about him is kept any more.",
                    bare=True,
                )
            )
            continue
        desk = Desk(state, source, work.now, work.cause, work.traceparent, below=out.changed, private=work.private)
        try:
            work.run(desk)
        except Missing as missing:
            out.missing.add((missing.kind.name, missing.key))
            continue
        except Refused as refused:
            out.dead.append(dead_of_work(work, refused.reason, refused.message, refused.field))
            continue
        except Exception as error:  # noqa: BLE001 - any fault of a fold: kept, named and shown, never blocking the others
            if not out.missing:
                out.dead.append(
                    dead_of_work(work, "fold_failed", f"The rules could not take this: {type(error).__name__}: {error}")
                )
                _stop_waiting(state, work, out)
            continue
        out.changed.update(desk.changed)
        out.said.extend(desk.said)
        out.erase = desk.erase
        if work.row is not None:
            out.rows.append(work)
    return out


def _stop_waiting(state: State, work: Work, out: Folded) -> None:
    # A due moment that cannot be folded would come up again in every round of the clock; the subject's next event
    # works it out anew.
    if work.tick is not None:
        kind, _, key = work.tick
        at = (kind.name, key)
        held = out.changed[at][1] if at in out.changed else state.documents[at]
        out.changed[at] = (kind, Stored(held.value, None))

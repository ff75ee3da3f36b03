"""A case: a dead letter with what people do about it. Its state follows from its facts, in whatever order they came."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import msgspec

State = Literal["open", "assigned", "sent", "settled", "closed"]
LEFT: Final[tuple[State, ...]] = ("open", "assigned")  # somebody has to do something
MOST: Final = 100  # entries of a history that are kept; the first one always is
Doing = Literal[
    "refused", "corrected", "resent", "sent", "not_sent", "taken", "assigned", "closed", "reopened", "called_off"
]


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a history: who did what. `attempt` is the sending it is about, `note` what he said to it."""

    at: datetime
    who: str
    what: Doing
    attempt: int | None = None
    note: str | None = None


class Closed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody has closed it, and why; `bulk` where he closed many at once."""

    at: datetime
    by: str
    note: str | None = None
    bulk: str | None = None


class Outgoing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be sent and is not known to be with the broker yet: the how manyeth sending, `corrected` or as it
    was. Kept before anything is sent, so that whoever comes after a crash sends the very same.
    """

    attempt: int
    by: str
    at: datetime
    corrected: bool = False
    bulk: str | None = None


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter of a service. `attempts` counts sendings that the broker has taken, `refused` is the one that was
    refused last (0: the first of all, which was not ours), `taken` whether the service has said that it took one.
    `why_not` says why the event cannot be sent again from here, where it cannot; `cut`: only its beginning was kept;
    `bare` that its customer is erased.
    """

    id: str
    v: int = 1
    service: str
    letter: str
    at: datetime
    last: datetime
    touched: datetime
    topic: str
    partition: int
    offset: int
    reason: str
    message: str | None = None
    field: str | None = None
    type: str | None = None
    source: str | None = None
    event_id: str | None = None
    subject: str | None = None
    why_not: str | None = None
    cut: bool = False
    bare: bool = False
    attempts: int = 0
    refused: int = 0
    taken: bool = False
    closed: Closed | None = None
    assignee: str | None = None
    outgoing: Outgoing | None = None
    bulk: str | None = None
    sent_in: str | None = None
    state: State = "open"
    history: tuple[Entry, ...] = ()


def with_state(case: Case, **changes: object) -> Case:
    """The case after a change, with the state that follows."""
    changed = msgspec.structs.replace(case, **changes)
    return msgspec.structs.replace(changed, state=state_of(changed))


def state_of(case: Case) -> State:
    """Closed where somebody said so; settled where its service says that it has the event; sent while no later refusal
    is known; else somebody's, or nobody's yet.
    """
    if case.closed is not None:
        return "closed"
    if case.taken:
        return "settled"
    if case.attempts > case.refused:
        return "sent"
    return "assigned" if case.assignee is not None else "open"


def noted(case: Case, entry: Entry) -> tuple[Entry, ...]:
    """The case's history with one more entry."""
    whole = (*case.history, entry)
    return whole if len(whole) <= MOST else (whole[0], *whole[len(whole) - MOST + 1 :])


def refused_again(case: Case, heard: Case, attempt: int) -> Case:
    """A letter about a sending of ours: the reason is the new one. A repeat of one that is known changes nothing."""
    if attempt <= case.refused:
        return case
    entry = Entry(at=heard.at, who=f"rapport/{case.service}", what="refused", attempt=attempt, note=heard.reason)
    return with_state(
        case,
        last=heard.at,
        touched=heard.at,
        reason=heard.reason,
        message=None if case.bare else heard.message,
        field=heard.field,
        topic=heard.topic,
        partition=heard.partition,
        offset=heard.offset,
        refused=attempt,
        attempts=max(case.attempts, attempt),
        closed=None,
        history=noted(case, entry),
    )


def taken(case: Case, attempt: int, at: datetime) -> Case:
    """Its service says that it has the event; `attempt` 0 where operations have replayed it there."""
    if case.taken:
        return case
    entry = Entry(at=at, who=f"rapport/{case.service}", what="taken", attempt=attempt or None)
    attempts = max(case.attempts, attempt)
    return with_state(case, taken=True, touched=at, attempts=attempts, outgoing=None, history=noted(case, entry))


def claimed(case: Case, by: str, at: datetime, *, corrected: bool = False) -> Case:
    """Somebody sends it: from here on it will go out, whatever dies."""
    outgoing = Outgoing(attempt=max(case.attempts, case.refused) + 1, by=by, at=at, corrected=corrected)
    entry = Entry(at=at, who=by, what="corrected" if corrected else "resent", attempt=outgoing.attempt)
    return with_state(case, outgoing=outgoing, touched=at, history=noted(case, entry))


def went_out(case: Case, attempt: int, at: datetime) -> Case | None:
    """The broker has it. None where that is known already, or it was called off."""
    held = case.outgoing
    if held is None or held.attempt != attempt:
        return None
    entry = Entry(at=at, who=held.by, what="sent", attempt=attempt)
    return with_state(
        case,
        outgoing=None,
        attempts=max(case.attempts, attempt),
        sent_in=held.bulk or case.sent_in,
        touched=at,
        history=noted(case, entry),
    )


def stays(case: Case, attempt: int, at: datetime, why: str, what: Doing = "not_sent") -> Case | None:
    """It does not go out after all. None where it is not about to."""
    held = case.outgoing
    if held is None or held.attempt != attempt:
        return None
    entry = Entry(at=at, who=held.by, what=what, attempt=attempt, note=why)
    return with_state(case, outgoing=None, touched=at, history=noted(case, entry))


def assigned(case: Case, to: str | None, by: str, at: datetime) -> Case:
    """It is for somebody to look after, or for nobody."""
    entry = Entry(at=at, who=by, what="assigned", note=to)
    return with_state(case, assignee=to, touched=at, history=noted(case, entry))


def closed(case: Case, note: str, by: str, at: datetime, bulk: str | None = None) -> Case:
    """Nothing more is to be done about it."""
    entry = Entry(at=at, who=by, what="closed", note=note)
    done = Closed(at=at, by=by, note=note, bulk=bulk)
    return with_state(case, closed=done, touched=at, bulk=bulk or case.bulk, history=noted(case, entry))


def reopened(case: Case, by: str, at: datetime) -> Case:
    """It was closed too soon."""
    entry = Entry(at=at, who=by, what="reopened")
    return with_state(case, closed=None, touched=at, history=noted(case, entry))

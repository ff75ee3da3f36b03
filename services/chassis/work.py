"""One piece of work for the applier: an event from the bus, a command over HTTP, or a due moment. All are applied by
the same door.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from contracts.envelope import Event
from contracts.refusal import Refused

from .aggregate import Desk, Head, Kind, Stored, cause_of, name_of
from .logtime import to_millisecond
from .mongo import Doc
from .service import Handler, Tick
from .ties import fields


class Origin(NamedTuple):  # made for every record: as a frozen dataclass it would take four times as long
    """Where a record was read: its place in the log and its bytes as they were."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


LETTER = "x-rapport-letter"
ATTEMPT = "x-rapport-attempt"


class Resent(NamedTuple):
    """What the clinic says of an event that was a dead letter: the letter's id, and the how manyeth sending it is."""

    letter: str
    attempt: int


def resent_in(headers: Mapping[str, bytes]) -> Resent | None:
    """What a record's headers say of its being sent again; None for all others."""
    letter, attempt = headers.get(LETTER), headers.get(ATTEMPT, b"")
    if letter is None or not attempt.isdigit() or len(attempt) > 6:
        return None
    return Resent(letter.decode(errors="replace"), int(attempt))


@dataclass(slots=True)
class Work:
    """What to fold, for whom and when. `id` is None for due moments: they come from stored state and cannot be
    repeated. `subject` is the account it came with; it is folded at the desk of that account's root.
    """

    subject: str
    head: Head[Any]
    now: datetime
    cause: str
    traceparent: str | None = None
    id: str | None = None
    row: Doc | None = None  # what stays in the ledger or the inbox
    keep: bool = True
    origin: Origin | None = None
    event: Event | None = None
    handler: Handler | None = None
    tick: tuple[Kind, Tick, str] | None = None
    act: Callable[[Desk], None] | None = None
    private: Any = None
    answered: bool = False  # a refusal is told to whoever asked, and is no dead letter
    resent: Resent | None = None  # it was a dead letter, and the clinic has sent it again

    def needs(self) -> Iterable[tuple[Kind, str]]:
        """Documents it is known to ask for."""
        if self.tick is not None:
            return ((self.tick[0], self.tick[2]),)
        if self.event is not None and self.handler is not None and self.handler.needs is not None:
            return self.handler.needs(self.event)
        return ()

    def run(self, desk: Desk) -> None:
        """Fold this piece of work on the desk."""
        if self.event is not None and self.handler is not None:
            self.handler.fold(desk, self.event)
            if self.handler.own:
                desk.said.append(self.event)
        elif self.tick is not None:
            kind, tick, key = self.tick
            stored = desk.stored(kind, key)
            # The moment may have moved or gone since the clock read it; a new one is folded as itself.
            if stored.value is not None and stored.due == desk.now:
                tick(desk, key, stored.value)
                _passed(desk, kind, key)
        elif self.act is not None:
            self.act(desk)


def _passed(desk: Desk, kind: Kind, key: str) -> None:
    """After a tick its moment is over: what was left waiting for it waits no more.

    Raises:
        ValueError: the tick waits for a moment that is not later; the clock would never get past it.
    """
    after = desk.stored(kind, key)
    if (kind.name, key) not in desk.changed:
        desk.changed[(kind.name, key)] = (kind, Stored(after.value, None))
    elif after.due is not None and after.due <= desk.now:
        raise ValueError(f"the tick of {kind.name} waits again for {after.due}, which is not after {desk.now}")


def event_work(event: Event, handler: Handler, now: datetime, origin: Origin | None, body: bytes) -> Work:
    """Work for an event. `body` is its payload as JSON, kept as it came so that a refold reads what was said.

    Moments are brought to what the database holds, UTC and milliseconds: a refold then sees the same ones.
    """
    now, moment = to_millisecond(now), to_millisecond(event.time)
    if moment is not event.time:
        event = msgspec.structs.replace(event, time=moment)
    cause = cause_of(event)
    row: Doc = {
        "_id": cause,
        "n": len(cause) - len(event.id) - 1,  # where the id begins in `_id`
        "s": event.subject,
        "t": event.type,
        "at": now,
        "time": event.time,
        "d": body.decode(),
    }
    if event.history is not None:
        row["h"] = event.history.isoformat()
    if handler.withdraws:
        row["w"] = True  # until the subject has been folded again
    if handler.ties is not None and (tie := handler.ties(event)).account != event.subject:
        row |= fields(tie, event.subject)
    if not handler.keep:
        row = {"_id": cause, "at": now}
    return Work(
        subject=event.subject,
        head=handler.head,
        now=now,
        cause=cause,
        traceparent=event.traceparent,
        id=cause,
        row=row,
        keep=handler.keep,
        origin=origin,
        event=event,
        handler=handler,
    )


def act_work(head: Head[Any], subject: str, now: datetime, cause: str, act: Callable[[Desk], None]) -> Work:
    """Work the service does by itself for a subject (an attempt to notify): no event, nothing in the ledger.

    `cause` names it for ever: what it says has ids made from it.
    """
    return Work(subject=subject, head=head, now=now, cause=cause, act=act, answered=True)


def tick_work(kind: Kind, head: Head[Any], tick: Tick, subject: str, key: str, due: datetime) -> Work:
    """Work for a due moment: its time is the moment itself, whenever the clock comes to it, so that a refold tells
    the same story.
    """
    cause = f"due:{kind.name}:{subject}:{key}:{due.isoformat()}"
    return Work(subject=subject, head=head, now=due, cause=cause, tick=(kind, tick, key))


MESSAGE = 2000  # characters of a reason at most


@dataclass(frozen=True, slots=True)
class Dead:
    """Something that could not be taken, and why."""

    id: str
    reason: str
    message: str
    at: datetime
    origin: Origin | None = None
    field: str | None = None
    event: Event | None = None
    bare: bool = False  # the subject is erased: keep ids and reason only
    answered: bool = False  # told to whoever asked; not filed
    subject: str | None = None
    attempt: int = 0  # of a letter that was sent again, and is refused again


def dead_of_record(origin: Origin, refused: Refused, now: datetime) -> Dead:
    """A record that could not even be read. Named by what can be read of its id, else by its place, so that a repeat
    is the same letter.
    """
    headers = dict(origin.headers)
    source, event_id = headers.get("ce_source"), headers.get("ce_id")
    place = f"{origin.topic}/{origin.partition}/{origin.offset}"
    name = place
    if source and event_id:
        name = name_of(source.decode(errors="replace"), event_id.decode(errors="replace"))
    again = resent_in(headers)
    attempt = again.attempt if again is not None else 0
    return Dead(name[:512], refused.reason, refused.message, now, origin, refused.field, attempt=attempt)


def dead_of_work(work: Work, reason: str, message: str, field: str | None = None, *, bare: bool = False) -> Dead:
    """An event whose fold refused it."""
    message = message.encode(errors="replace").decode()[:MESSAGE]  # it travels in a header and is stored
    return Dead(
        work.cause,
        reason,
        message,
        work.now,
        work.origin,
        field,
        work.event,
        bare,
        work.answered,
        work.subject,
        work.resent.attempt if work.resent is not None else 0,
    )

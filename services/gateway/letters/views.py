"""Cases as HTTP shows them, and what it asks to be done with them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from contracts.refusal import Refused
from services.gateway.letters import judge, store
from services.gateway.letters.many import Bulk
from services.gateway.letters.store import Record
from services.gateway.model import reasons, verdict
from services.gateway.model.difference import Change
from services.gateway.model.letter import Case, State

Name = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]+$")]
Note = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]
_ENDED: Final = ("settled", "closed")


class Said(BaseModel):
    """What happened, and what to do next."""

    what: str
    next: str


class InWords(BaseModel):
    """The reason in words for people, in both languages."""

    en: Said
    zh_cn: Said = Field(serialization_alias="zh-CN")

    @classmethod
    def of(cls, reason: str) -> InWords:
        """Of a reason."""
        found = reasons.words(reason)
        return cls(en=Said(what=found.en, next=found.next_en), zh_cn=Said(what=found.zh, next=found.next_zh))


class LetterCard(BaseModel):
    """A dead letter in a list: nothing of its content. `can` names what may be done with it; `sending`: it is about to
    go out, and will whatever happens; `attempts` sendings are with the broker.
    """

    id: str
    service: str
    state: State
    at: datetime = Field(description="When it was refused first.")
    last: datetime = Field(description="When it was refused last.")
    reason: str
    words: InWords
    type: str | None = None
    source: str | None = None
    event_id: str | None = None
    subject: str | None = None
    field: str | None = None
    assignee: str | None = None
    attempts: int
    sending: bool
    erased: bool
    can: list[str]

    @classmethod
    def of(cls, case: Case) -> LetterCard:
        """Of a case."""
        return cls(**_card(case))


class EntryView(BaseModel):
    """Who did what."""

    at: datetime
    who: str
    what: str
    attempt: int | None = None
    note: str | None = None


class LetterView(LetterCard):
    """A dead letter with its content. `data` is what it holds, `attributes` what it says of itself, as far as either
    can be read; `corrected` what somebody has sent in its place. `replay` is the command by which operations give it to
    its service again, where it cannot be sent from here.
    """

    letter: str
    topic: str
    partition: int
    offset: int
    message: str | None = None
    expected: str | None = None
    example: dict[str, Any] | None = Field(None, description="A correct CloudEvent of this type, or the most similar.")
    attributes: dict[str, str]
    data: Any = None
    corrected: Any = None
    closed_by: str | None = None
    closed_because: str | None = None
    replay: str | None = None
    history: list[EntryView]

    @classmethod
    def whole(cls, case: Case, held: Record) -> LetterView:
        """Of a case and its record."""
        told = _verdict(case)
        was = held._replace(data=None, given={})
        return cls(
            **_card(case) | {"field": told.field},
            letter=case.letter,
            topic=case.topic,
            partition=case.partition,
            offset=case.offset,
            message=case.message,
            expected=told.expected or None,
            example=None if isinstance(told.example, msgspec.UnsetType) else msgspec.json.decode(told.example),
            attributes=judge.stated(case, was),
            data=judge.data_of(was),
            corrected=judge.data_of(held) if held.data is not None else None,
            closed_by=case.closed.by if case.closed is not None else None,
            closed_because=case.closed.note if case.closed is not None else None,
            replay=replay_of(case) if case.why_not is not None else None,
            history=[
                EntryView(at=one.at, who=one.who, what=one.what, attempt=one.attempt, note=one.note)
                for one in case.history
            ],
        )


def _card(case: Case) -> dict[str, Any]:
    names = ("id", "service", "state", "at", "last", "reason", "type", "source", "event_id", "subject", "field")
    shown = {name: getattr(case, name) for name in (*names, "assignee", "attempts")}
    return shown | {
        "words": InWords.of(case.reason),
        "sending": case.outgoing is not None,
        "erased": case.bare,
        "can": can(case),
    }


def can(case: Case) -> list[str]:
    """What may be done with a case as it stands."""
    if case.state == "closed":
        return ["reopen"]
    if case.state in _ENDED:
        return []
    sends = case.why_not is None and not case.bare and case.outgoing is None
    return [*(["correct"] if sends else []), *(["resend"] if sends and not case.cut else []), "assign", "close"]


def replay_of(case: Case) -> str:
    """The command for operations, in a shell."""
    quoted = case.letter.replace("'", "'\\''")
    return f"rapport dead replay --service {case.service} '{quoted}'"


def _verdict(case: Case) -> verdict.Verdict:
    why = Refused(case.reason, case.message or "", case.field)
    return verdict.refused(0, why, verdict.Stated(type=case.type))


class ReasonCount(BaseModel):
    """How many letters there are of a reason, by state, and since when the oldest of them."""

    service: str
    reason: str
    words: InWords
    states: dict[State, int]
    oldest: datetime


class ChangeView(BaseModel):
    """A place in which the correction differs from what came."""

    field: str
    kind: str
    before: Any = None
    after: Any = None

    @classmethod
    def of(cls, change: Change) -> ChangeView:
        """Of a change."""
        return cls(field=change.field, kind=change.kind, before=change.before, after=change.after)


class Corrected(BaseModel):
    """What a correction would change, or has changed: `sent` says which. It would be taken as far as can be told here;
    what only its service can see (a conflict with its books) shows afterwards.
    """

    sent: bool
    changes: list[ChangeView]
    letter: LetterCard


class Attributes(BaseModel):
    """Attributes that were wrong or missing. Source and id can only be given where they could not be read."""

    model_config = ConfigDict(extra="forbid")

    id: Name | None = None
    source: Name | None = None
    type: Name | None = None
    subject: Name | None = None
    time: Name | None = None


class Correction(BaseModel):
    """The event's data as it should be, all of it; without it, the data that came. Nothing is sent without `send`."""

    model_config = ConfigDict(extra="forbid")

    data: dict[str, Any] | None = None
    attributes: Attributes = Attributes()
    send: bool = False


class Assignment(BaseModel):
    """For whom it is; null: for nobody."""

    model_config = ConfigDict(extra="forbid")

    to: Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")] | None


class Closing(BaseModel):
    """Why nothing more is to be done."""

    model_config = ConfigDict(extra="forbid")

    reason: Note


class Like(BaseModel):
    """Letters that have all of this."""

    service: Name | None = None
    state: State | None = None
    reason: Name | None = None
    type: Name | None = None
    source: Name | None = None
    subject: Name | None = None
    assignee: Name | None = None

    def filter(self) -> store.Filter:
        """As the database is asked."""
        return store.Filter(**self.model_dump())


class Which(Like):
    """Letters that have all of this, and it is nothing else that was meant."""

    model_config = ConfigDict(extra="forbid")


class Wish(BaseModel):
    """Something for all letters that fit and are there by now. With `preview` it is only counted; `expected`: how many
    the caller has seen, so that not many more are meant than he knows of.
    """

    model_config = ConfigDict(extra="forbid")

    action: Literal["resend", "close"]
    filter: Which
    reason: Note | None = Field(None, description="Why they are closed.")
    preview: bool = False
    expected: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None


class BulkView(BaseModel):
    """Something done to many. `fits`: so many there are; `kept`: of these, not possible (they would be refused again)
    or no longer wanted; `waiting`: still to come.
    """

    id: str | None = None
    action: Literal["resend", "close"]
    state: Literal["preview", "waiting", "done", "undoing", "undone"]
    fits: int
    done: int = 0
    kept: int = 0
    at: datetime | None = None
    by: str | None = None

    @classmethod
    def of(cls, job: Bulk, touched: int, done: int, left: int) -> BulkView:
        """Of one under way: so many cases are touched, done and left."""
        ended = job.state in ("done", "undone")
        return cls(
            id=job.id,
            action=job.action,
            state=job.state,
            fits=job.done + job.kept if ended else touched + left,
            done=job.done if ended else done,
            kept=job.kept,
            at=job.at,
            by=job.by,
        )

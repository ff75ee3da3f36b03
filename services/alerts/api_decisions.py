"""The writes of the API: what a person does to an alert becomes an event, and is applied like any other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from contracts.envelope import Event, decode, encode, encode_data
from contracts.events.alerts import (
    AlertAcknowledged,
    AlertAssigned,
    AlertCommented,
    AlertFact,
    AlertResolved,
    AlertSnoozed,
    AlertWorked,
)
from contracts.refusal import Refused
from services.alerts.api_parts import Person, parts, problems
from services.alerts.decided import NOT_ALLOWED, NOT_FOUND, STALE, Asked, version_of
from services.alerts.reads import alert_card, colleague, event_row, note_of, scope_of, with_names
from services.alerts.store import Owned
from services.alerts.views import (
    Acknowledgement,
    AlertCard,
    Assignment,
    CommentText,
    Resolution,
    SnoozeUntil,
    WorkDone,
)
from services.alerts.why import card
from services.chassis.auth import Access, CurrentCaller, Role, only
from services.chassis.mongo import Doc
from services.chassis.pages import CountsOnce, WantedVersion, etag, reused_key, stale
from services.chassis.problems import Problem, missing, unavailable
from services.chassis.web import Audited

# Managers write to what they see; an administrator to every alert.
WRITERS: Final = only(Role.MANAGER, Role.ADMIN)
WRITING_ALL: Final = only(Role.ADMIN)
ACCESS: Final[Access] = {
    ("POST", f"/alerts/{{id}}/{what}"): WRITERS
    for what in ("acknowledge", "assign", "comment", "work", "snooze", "resolve")
}
# A command waits for a database that is away for as long as it takes; its caller does not.
PATIENCE_SECONDS: Final = 10.0
Said = Callable[[datetime], AlertFact]
router = APIRouter(tags=["alerts"], responses=problems(400, 404, 409, 412, 413, 428))


@dataclass(frozen=True, slots=True)
class Write:
    """A write as asked for: by whom, of which version, counting once, and in whose trail."""

    request: Request
    response: Response
    caller: CurrentCaller
    version: WantedVersion
    once: CountsOnce
    audit: Audited
    by: Person


Asking = Annotated[Write, Depends()]


@router.post("/alerts/{id}/acknowledge", summary="I have seen it and handle it", response_model_exclude_none=True)
async def acknowledge(id: str, asking: Asking, body: Acknowledgement | None = None) -> AlertCard:  # noqa: A002
    """Takes the alert on; it is not escalated then."""

    def said(now: datetime) -> AlertFact:
        return AlertAcknowledged(alert_id=id, by=asking.by, acknowledged_at=now)

    return await _carry_out(asking, id, said, body.note if body else None)


@router.post("/alerts/{id}/assign", summary="A colleague is to handle it", response_model_exclude_none=True)
async def assign(id: str, asking: Asking, body: Assignment) -> AlertCard:  # noqa: A002
    """Gives the alert to a colleague; it stays with him when the customer's owner changes."""
    runtime, rules = parts(asking.request)
    if await colleague(runtime.db, body.to, rules.day(runtime.now())) is None:
        raise Problem(
            422,
            "unknown_colleague",
            "Nobody with the staff id in `to` is known, or he has left; choose a colleague that HR has registered.",
        )

    def said(now: datetime) -> AlertFact:
        return AlertAssigned(alert_id=id, owner_id=body.to, by=asking.by, assigned_at=now)

    return await _carry_out(asking, id, said, body.note)


@router.post("/alerts/{id}/comment", summary="Something to remember", response_model_exclude_none=True)
async def comment(id: str, asking: Asking, body: CommentText) -> AlertCard:  # noqa: A002
    """Adds a comment; its text stays in this service."""

    def said(now: datetime) -> AlertFact:
        return AlertCommented(alert_id=id, by=asking.by, commented_at=now, comment_id=asking.once.event_id)

    return await _carry_out(asking, id, said, body.text)


@router.post("/alerts/{id}/work", summary="What was found, done, promised, recovered", response_model_exclude_none=True)
async def work(id: str, asking: Asking, body: WorkDone) -> AlertCard:  # noqa: A002
    """Records cause, measure, promise of payment and amount recovered; also on a resolved alert."""
    promise = body.promise

    def said(now: datetime) -> AlertFact:
        return AlertWorked(
            alert_id=id,
            by=asking.by,
            worked_at=now,
            cause=body.cause,
            measure=body.measure,
            promised=promise.amount.money() if promise else None,
            promised_by=promise.by if promise else None,
            recovered=body.recovered.money() if body.recovered else None,
        )

    return await _carry_out(asking, id, said, body.note)


@router.post("/alerts/{id}/snooze", summary="Not before then", response_model_exclude_none=True)
async def snooze(id: str, asking: Asking, body: SnoozeUntil) -> AlertCard:  # noqa: A002
    """Lets the alert rest until a moment, at most 92 days ahead."""

    def said(now: datetime) -> AlertFact:
        return AlertSnoozed(alert_id=id, by=asking.by, snoozed_at=now, until=body.until)

    return await _carry_out(asking, id, said, body.note)


@router.post("/alerts/{id}/resolve", summary="It is settled", response_model_exclude_none=True)
async def resolve(id: str, asking: Asking, body: Resolution | None = None) -> AlertCard:  # noqa: A002
    """Resolves the alert by a person's judgement; it stays so until its cause begins anew."""
    outcome = (body or Resolution()).outcome

    def said(now: datetime) -> AlertFact:
        return AlertResolved(alert_id=id, by=asking.by, resolved_at=now, outcome=outcome)

    return await _carry_out(asking, id, said, body.note if body else None)


async def _carry_out(asking: Write, alert_id: str, said: Said, text: str | None) -> AlertCard:
    """Apply the decision once, and show the alert as it is then."""
    runtime, _ = parts(asking.request)
    # Before anything else: the author of a repeat may no longer see what he has given away.
    done = await event_row(runtime.db, runtime.applier.source, asking.once.event_id)
    if done is None:
        owned = await _own(asking, alert_id)
        done = await _apply(asking, owned, said, text or "")
    if done is not None:
        await _same_again(asking, done, said, text or "")
    return await _show(asking, alert_id)


async def _own(asking: Write, alert_id: str) -> Owned:
    runtime, rules = parts(asking.request)
    scope = await scope_of(runtime.db, asking.caller, WRITING_ALL, rules.day(runtime.now()))
    owned = await alert_card(runtime.db, alert_id)
    if owned is None or not scope.shows(owned.alert.subject, owned.owner_id):
        raise missing("alert", alert_id)
    return owned


async def _apply(asking: Write, owned: Owned, said: Said, text: str) -> Doc | None:
    """Apply the decision. Returns the row of an earlier request under the same key, where that was quicker."""
    runtime, _ = parts(asking.request)
    now = runtime.now()
    data = said(now)
    event = Event(
        id=asking.once.event_id,
        source=runtime.applier.source,
        type=data.TYPE,
        subject=owned.alert.subject,
        time=now,
        data=data,
        traceparent=asking.request.state.traceparent,
    )
    _check(event)
    await asking.audit.changes(data.TYPE, event.subject, {"alert": data.alert_id, "event": event.id}, {"text": text})
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            outcome = await runtime.command(event, Asked(asking.version, text))
    except TimeoutError as late:
        raise unavailable("The database") from late
    except Refused as refused:
        raise await _problem(asking, data.alert_id, refused) from refused
    return await event_row(runtime.db, event.source, event.id) if outcome.repeats else None


def _check(event: Event) -> None:
    """What is kept in the ledger must be readable for ever, so it goes through the same gate as what comes in."""
    record = encode(event)
    try:
        decode(record.value, record.headers, record.key)
    except Refused as refused:
        field = (refused.field or "").removeprefix("$.")
        raise Problem(
            422,
            "invalid",
            "The request does not fit; see `errors`, correct it and send it again.",
            errors=[{"in": "body", "field": field, "expected": refused.message}],
        ) from refused


async def _same_again(asking: Write, done: Doc, said: Said, text: str) -> None:
    """Raises Problem 422 where the key was used for another request."""
    runtime, _ = parts(asking.request)
    at: datetime = done["time"]
    repeated = said(at.astimezone(UTC))
    note = await note_of(runtime.db, done["s"], asking.once.event_id)
    if (done["t"], done["d"], note) != (repeated.TYPE, encode_data(repeated).decode(), text):
        raise reused_key()


async def _problem(asking: Write, alert_id: str, refused: Refused) -> Problem:
    runtime, _ = parts(asking.request)
    if refused.reason == STALE:
        owned = await alert_card(runtime.db, alert_id)
        return missing("alert", alert_id) if owned is None else stale(version_of(owned))
    if refused.reason == NOT_ALLOWED:
        return Problem(409, NOT_ALLOWED, refused.message)
    if refused.reason in (NOT_FOUND, "erased"):
        return missing("alert", alert_id)
    raise refused


async def _show(asking: Write, alert_id: str) -> AlertCard:
    runtime, rules = parts(asking.request)
    owned = await alert_card(runtime.db, alert_id)
    if owned is None:
        raise missing("alert", alert_id)
    asking.response.headers["ETag"] = etag(version_of(owned))
    now = runtime.now()
    return card((await with_names(runtime.db, [owned]))[0], now, rules.day(now))

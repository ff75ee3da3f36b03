"""HTTP in: what people do about events that were not taken. What a case is stands in `model/letter.py`; what is done to
many at once in `api_letters_bulk.py`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from contracts.refusal import Refused
from services.chassis.auth import Access, CurrentCaller, Role, only
from services.chassis.mongo import Database
from services.chassis.pages import Page, WantedPage, WantedVersion, etag, stale
from services.chassis.problems import MEDIA_TYPE, Problem, missing
from services.chassis.web import Audited
from services.gateway.api_sources import Stored
from services.gateway.letters import judge, store
from services.gateway.letters.carry import Carrier, now
from services.gateway.letters.judge import Judged
from services.gateway.letters.store import Record
from services.gateway.letters.views import (
    Assignment,
    ChangeView,
    Closing,
    Corrected,
    Correction,
    InWords,
    LetterCard,
    LetterView,
    Like,
    ReasonCount,
    can,
    replay_of,
)
from services.gateway.model import letter, verdict
from services.gateway.model.letter import Case

MAY: Final = only(Role.OPERATOR, Role.ADMIN)
ACCESS: Final[Access] = {
    ("GET", "/letters"): MAY,
    ("GET", "/letters/counts"): MAY,
    ("GET", "/letters/{id}"): MAY,
    **{("POST", f"/letters/{{id}}/{what}"): MAY for what in ("correct", "resend", "assign", "close", "reopen")},
}
_SAID: Final = {
    400: "The cursor or the header If-Match cannot be read.",
    404: "There is no such letter.",
    409: "Its state does not admit it; `detail` says what would be possible.",
    412: "It has changed since you read it; the header ETag has its present version.",
    413: "The request is too long.",
    422: "The request does not fit, or the event would be refused again.",
    428: "The header If-Match is missing.",
}
_PROBLEM: Final = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": said, "content": _PROBLEM} for status, said in _SAID.items()
}
_SENDS: Final[dict[int | str, dict[str, Any]]] = {
    202: {"description": "Kept, and sent as soon as the broker answers.", "model": Corrected | LetterCard}
}
router = APIRouter(tags=["letters"], responses=REFUSALS)
Id = Annotated[str, Path(max_length=64)]
Asked = Annotated[Like, Query()]


async def _carrier(request: Request) -> Carrier:
    carrier: Carrier = request.app.state.carrier
    return carrier


Carries = Annotated[Carrier, Depends(_carrier)]


@router.get("/letters", response_model_exclude_none=True)
async def list_letters(db: Stored, page: WantedPage, asked: Asked) -> Page[LetterCard]:
    """Events that a service could not take, the newest first, each with its reason in words."""
    found = await store.listed(db, asked.filter().where(), _after(page.after), page.size + 1)
    shown = found[: page.size]
    last = (shown[-1].at, shown[-1].id) if len(found) > page.size else None
    return Page(items=[LetterCard.of(one) for one in shown], next=page.cursor(last))


@router.get("/letters/counts")
async def count_letters(db: Stored, asked: Asked) -> list[ReasonCount]:
    """How many there are by service and reason, those with most first."""
    found: dict[tuple[str, str], ReasonCount] = {}
    for service, reason, state, number, oldest in await store.counted(db, asked.filter().where()):
        new = ReasonCount(service=service, reason=reason, words=InWords.of(reason), states={}, oldest=oldest)
        one = found.setdefault((service, reason), new)
        one.states[state] = number
        one.oldest = min(one.oldest, oldest)
    return sorted(found.values(), key=lambda one: -sum(one.states.values()))


@router.get("/letters/{id}", response_model_exclude_none=True)
async def show_letter(id: Id, db: Stored, audit: Audited, response: Response) -> LetterView:  # noqa: A002
    """A letter with all that is kept of it. The header ETag holds the version that a write must name."""
    found = await _found(db, id)
    await audit.saw([found.subject or found.id], "GET /letters/{id}")
    response.headers["ETag"] = etag(found.v)
    return LetterView.whole(found, await store.record(db, id))


@router.post("/letters/{id}/correct", responses=_SENDS, response_model=Corrected, response_model_exclude_none=True)
async def correct(
    id: Id,  # noqa: A002
    wanted: Correction,
    db: Stored,
    carrier: Carries,
    caller: CurrentCaller,
    audit: Audited,
    version: WantedVersion,
    request: Request,
) -> Response:
    """See what a correction would change; with `send` it is sent in the place of the event that was refused, under
    its source and id.
    """
    before = await _able(db, id, version, "correct")
    held = await store.record(db, id)
    wished = wanted.attributes.model_dump(exclude_none=True)
    try:
        judged = judge.corrected(before, held, wanted.data, wished, now())
    except Refused as why:
        raise _refused(why, wished.get("type") or before.type) from None
    changes = [ChangeView.of(one) for one in judged.differences]
    if not wanted.send:
        return _json(Corrected(sent=False, changes=changes, letter=LetterCard.of(before)), before)
    subject = before.subject or before.id
    await audit.changes("letter", subject, {"id": id}, {"data": wanted.data, "attributes": wished})
    given = {name: getattr(judged.given, name) for name in judge.NAMES}
    kept = held._replace(data=judged.data, given=given)
    after, out = await _send(request, carrier, before, judged, caller.subject, kept)
    return _json(Corrected(sent=True, changes=changes, letter=LetterCard.of(after)), after, 200 if out else 202)


@router.post("/letters/{id}/resend", responses=_SENDS, response_model=LetterCard, response_model_exclude_none=True)
async def resend(
    id: Id,  # noqa: A002
    db: Stored,
    carrier: Carries,
    caller: CurrentCaller,
    version: WantedVersion,
    request: Request,
) -> Response:
    """Send it again as it was, when what it lacked has come (or as it was corrected before)."""
    before = await _able(db, id, version, "resend")
    held = await store.record(db, id)
    try:
        judged = judge.as_it_was(held, now())
    except Refused as why:
        raise _refused(why, before.type) from None
    after, out = await _send(request, carrier, before, judged, caller.subject, None)
    return _json(LetterCard.of(after), after, 200 if out else 202)


@router.post("/letters/{id}/assign", response_model_exclude_none=True)
async def assign(
    id: Id,  # noqa: A002
    wanted: Assignment,
    db: Stored,
    caller: CurrentCaller,
    version: WantedVersion,
    response: Response,
) -> LetterCard:
    """Say who looks after it."""
    before = await _able(db, id, version, "assign")
    return await _put(db, before, letter.assigned(before, wanted.to, caller.subject, now()), response)


@router.post("/letters/{id}/close", response_model_exclude_none=True)
async def close(
    id: Id,  # noqa: A002
    wanted: Closing,
    db: Stored,
    caller: CurrentCaller,
    version: WantedVersion,
    response: Response,
) -> LetterCard:
    """Say why nothing more is to be done. It is open again when it is refused once more, or by `reopen`."""
    before = await _able(db, id, version, "close")
    return await _put(db, before, letter.closed(before, wanted.reason, caller.subject, now()), response)


@router.post("/letters/{id}/reopen", response_model_exclude_none=True)
async def reopen(
    id: Id,  # noqa: A002
    db: Stored,
    caller: CurrentCaller,
    version: WantedVersion,
    response: Response,
) -> LetterCard:
    """It was closed too soon."""
    before = await _able(db, id, version, "reopen")
    return await _put(db, before, letter.reopened(before, caller.subject, now()), response)


async def _found(db: Database, wanted: str) -> Case:
    found = await store.case(db, wanted) if store.usable(wanted) else None
    if found is None:
        raise missing("letter", wanted)
    return found


async def _able(db: Database, wanted: str, version: int, what: str) -> Case:
    found = await _found(db, wanted)
    if found.v != version:
        raise stale(found.v)
    if what not in can(found):
        raise Problem(409, f"cannot_{what}", _instead(found), headers={"ETag": etag(found.v)})
    return found


def _instead(case: Case) -> str:
    ways = ", ".join(can(case)) or "nothing: its service has the event by now"
    if case.outgoing is not None:
        return f"It is about to be sent; wait for that. Possible now: {ways}."
    if case.bare:
        return f"Its customer is erased and nothing of the event is kept. Possible now: {ways}."
    if case.why_not is not None and case.state not in ("settled", "closed"):
        return f"Only its own service may say this event; operations can run: {replay_of(case)}. Possible here: {ways}."
    cut = " Only its beginning is kept, so it needs a correction." if case.cut else ""
    return f"The letter is {case.state}.{cut} Possible now: {ways}."


def _refused(why: Refused, event_type: str | None) -> Problem:
    told = verdict.refused(0, why, verdict.Stated(type=event_type))
    detail = f"{why.message} (field {told.field}). Nothing was sent; correct it and try again."
    return Problem(422, why.reason, detail, field=told.field, expected=told.expected)


async def _send(
    request: Request, carrier: Carrier, before: Case, judged: Judged, by: str, kept: Record | None
) -> tuple[Case, bool]:
    """Note that it goes out, send it, and wait for the broker's word for a while; whether that has come."""
    claimed = letter.claimed(before, by, now(), corrected=kept is not None)
    if not await store.put(carrier.db, before, claimed, kept):
        raise stale((await _found(carrier.db, before.id)).v)
    assert claimed.outgoing is not None  # noqa: S101 - `claimed` has just set it
    out = judge.outgoing(claimed, judged, claimed.outgoing.attempt)
    patience = request.app.state.settings.gateway_answer_seconds
    if sent := await carrier.send([out], patience):
        await carrier.mark([await _found(carrier.db, before.id)])
    return await _found(carrier.db, before.id), sent


async def _put(db: Database, before: Case, after: Case, response: Response) -> LetterCard:
    if not await store.put(db, before, after):
        raise stale((await _found(db, before.id)).v)
    found = await _found(db, before.id)
    response.headers["ETag"] = etag(found.v)
    return LetterCard.of(found)


def _after(position: tuple[Any, ...] | None) -> tuple[datetime, str] | None:
    if position is None:
        return None
    match position:
        case (datetime() as at, str(last)):
            return at, last
    raise Problem(400, "bad_cursor", "The cursor cannot be read; begin again without one.")


def _json(shown: Corrected | LetterCard, case: Case, status: int = 200) -> JSONResponse:
    content = shown.model_dump(mode="json", exclude_none=True, by_alias=True)
    return JSONResponse(content, status, {"ETag": etag(case.v)})

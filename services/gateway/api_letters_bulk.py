"""HTTP in: what is done to many dead letters at once."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Response

from services.chassis.auth import Access, CurrentCaller
from services.chassis.mongo import Database
from services.chassis.pages import CountsOnce, reused_key
from services.chassis.problems import Problem, missing
from services.gateway.api_letters import MAY, REFUSALS, Carries, Id
from services.gateway.api_sources import Stored
from services.gateway.letters import many
from services.gateway.letters.carry import now
from services.gateway.letters.many import Bulk
from services.gateway.letters.store import count
from services.gateway.letters.views import BulkView, Wish

ACCESS: Final[Access] = {
    ("POST", "/letters/bulk"): MAY,
    ("GET", "/letters/bulk/{id}"): MAY,
    ("POST", "/letters/bulk/{id}/undo"): MAY,
}
router = APIRouter(tags=["letters"], responses=REFUSALS)


@router.post(
    "/letters/bulk",
    status_code=202,
    responses={200: {"model": BulkView, "description": "Counted only."}},
    response_model_exclude_none=True,
)
async def begin_bulk(
    wanted: Wish, db: Stored, carrier: Carries, caller: CurrentCaller, once: CountsOnce, response: Response
) -> BulkView:
    """Send again, or close, all letters that fit: those of one reason, once its cause is mended. Those that would be
    refused for what can be seen here stay.
    """
    job = Bulk(
        id=once.event_id,
        action=wanted.action,
        content=once.content,
        filter=wanted.filter.filter(),
        at=now(),
        by=caller.subject,
        note=wanted.reason,
    )
    if not job.filter.where():
        raise Problem(422, "filter_missing", "Say which letters are meant: a reason or a service at least.")
    if wanted.action == "close" and wanted.reason is None:
        raise Problem(422, "reason_missing", "Say in `reason` why they are closed.")
    fits = await count(db, many.fits_close(job) if job.action == "close" else many.fits_resend(job))
    if wanted.preview:
        response.status_code = 200
        return BulkView(action=job.action, state="preview", fits=fits)
    known = await many.bulk(db, job.id)
    if known is None and wanted.expected is not None and fits > wanted.expected:
        detail = (
            f"There are {fits} letters by now, more than the {wanted.expected} expected; look at them, then repeat."
        )
        raise Problem(409, "more_than_expected", detail)
    begun = known or await many.begin(db, job)
    if begun.content != once.content:
        raise reused_key()
    carrier.wake()
    response.headers["Location"] = f"/letters/bulk/{begun.id}"
    return await _bulk_view(db, begun)


@router.get("/letters/bulk/{id}", response_model_exclude_none=True)
async def show_bulk(id: Id, db: Stored) -> BulkView:  # noqa: A002
    """How far it is."""
    return await _bulk_view(db, await _bulk(db, id))


@router.post("/letters/bulk/{id}/undo", status_code=202, response_model_exclude_none=True)
async def undo_bulk(id: Id, db: Stored, carrier: Carries) -> BulkView:  # noqa: A002
    """Take it back as far as that can be: what was closed is open again, what is not out yet stays. What is with the
    broker cannot be called back.
    """
    job = await _bulk(db, id)
    if job.state in ("waiting", "done"):
        moved = await many.move(db, job, state="undoing")
        if moved is None:
            raise Problem(409, "moved_on", "It has moved on in this moment; look at it, and try again.")
        carrier.wake()
        job = moved
    return await _bulk_view(db, job)


async def _bulk(db: Database, wanted: str) -> Bulk:
    found = await many.bulk(db, wanted)
    if found is None:
        raise missing("bulk", wanted)
    return found


async def _bulk_view(db: Database, job: Bulk) -> BulkView:
    if job.action == "close":
        done, fits = {"closed.bulk": job.id}, many.fits_close(job)
    else:
        done, fits = {"sent_in": job.id}, many.fits_resend(job)
    left = await count(db, fits) if job.state == "waiting" else 0
    return BulkView.of(job, await count(db, {"bulk": job.id}), await count(db, done), left)

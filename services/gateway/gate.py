"""What happens to a request with events: let in, read, judged, sent, and answered after the broker's word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from fastapi import Response
from starlette.datastructures import Headers

from services.chassis.auth import Caller
from services.chassis.problems import MEDIA_TYPE, Problem
from services.gateway.admission import Admission, Hold
from services.gateway.emits import Outgoing
from services.gateway.metrics import GatewayMetrics
from services.gateway.model.scope import Scope
from services.gateway.model.verdict import ACCEPTED, UNKNOWN, Verdict, Verdicts
from services.gateway.reading import Mode, Read, mode_of, read
from services.gateway.registry import Known, Registry, now_ms
from services.gateway.sender import Sender, Word

ANY: Final = Scope()
BODY_SECONDS: Final = 60.0  # in which a request has to come whole
# The answer to a single event that is refused, where it is another than 422.
STATUS: Final = {
    "malformed_json": 400,
    "missing_attribute": 400,
    "source_not_granted": 403,
    "type_not_granted": 403,
    "too_large": 413,
    "wrong_content_type": 415,
}
_SOME_REFUSED: Final = 207
_json: Final = msgspec.json.Encoder()


@dataclass(frozen=True)
class Gate:
    """The way of every request with events. `most` events a request; its sender waits `patience` seconds at most."""

    sender: Sender
    admission: Admission
    registry: Registry
    metrics: GatewayMetrics
    most: int
    patience: int

    async def take(self, caller: Caller, headers: Headers, chunks: AsyncIterator[bytes], request_id: str) -> Response:
        """Take a request's events.

        Raises Problem: 400 no list of events, 413 too many, 415 in another form, 429 come again later, 503 not now.
        """
        known = self.registry.of(caller)
        self._within_quota(known)
        mode = mode_of(headers)
        hold = self.admission.enter()
        try:
            body = await self._body(headers, chunks, hold)
            now = datetime.now(UTC)
            found = read(mode, headers, body, known.scope if known is not None else ANY, now, self.most)
            del body
            words = self._send(found.outgoing, hold)
            if words:
                await asyncio.wait(set(words), timeout=self.patience)
        finally:
            hold.release()
        verdicts = _verdicts(found, words)
        self._count(known, found, verdicts, now)
        return _answer(mode, verdicts, request_id)

    async def _body(self, headers: Headers, chunks: AsyncIterator[bytes], hold: Hold) -> bytes:
        """The whole body. Who lets it trickle holds room that others wait for. Raises Problem 408."""
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await _body(headers, chunks, hold)
        except TimeoutError:
            detail = f"The request has not come whole within {BODY_SECONDS:g} s; send fewer events at a time."
            raise Problem(408, "too_slow", detail, headers={"Connection": "close"}) from None

    def _within_quota(self, known: Known | None) -> None:
        if known is None or known.bucket is None:
            return
        if wait := known.bucket.wait_ms(now_ms()):
            self.metrics.turned_away.labels("quota").inc()
            pause = str(wait // 1000 + 1)
            raise Problem(
                429,
                "quota",
                f"{known.source.name} may send {known.bucket.per_minute} events a minute and has done so. Nothing of "
                f"this request was taken: send the same again in {pause} s.",
                headers={"Retry-After": pause},
            )

    def _send(self, outgoing: Sequence[Outgoing], hold: Hold) -> list[Word]:
        self.sender.require({one.topic for one in outgoing})
        words = self.sender.send((one.topic, one.record) for one in outgoing)
        for word in set(words):
            hold.share()
            word.add_done_callback(lambda _: hold.release())
        return words

    def _count(self, known: Known | None, found: Read, verdicts: Verdicts, now: datetime) -> None:
        metrics = self.metrics
        metrics.request_events.observe(found.count)
        metrics.verdicts.labels(ACCEPTED).inc(verdicts.accepted)
        metrics.verdicts.labels("refused").inc(verdicts.refused)
        metrics.verdicts.labels(UNKNOWN).inc(verdicts.unknown)
        for one in found.refused:
            metrics.refused.labels(one.reason).inc()
        if known is not None:
            if known.bucket is not None:
                known.bucket.take(found.count, now_ms())
            if verdicts.accepted:
                known.spoke(now)


async def _body(headers: Headers, chunks: AsyncIterator[bytes], hold: Hold) -> bytes:
    declared = headers.get("content-length", "")
    if declared.isdecimal():
        hold.more(int(declared))  # room for all of it before any of it is read
        return b"".join([chunk async for chunk in chunks])
    parts = []
    async for chunk in chunks:
        hold.more(len(chunk))
        parts.append(chunk)
    return b"".join(parts)


def _verdicts(found: Read, words: Sequence[Word]) -> Verdicts:
    made: list[Verdict] = [*found.refused]
    taken = {word for word in set(words) if word.done() and word.result() is None}
    unknown = 0
    for one, word in zip(found.outgoing, words, strict=True):
        if word in taken:
            given = one.given
            made.append(Verdict(index=one.place, verdict=ACCEPTED, id=given.id, source=given.source))
        else:
            unknown += 1
            made.append(_unknown(one, word))
    if found.refused:
        made.sort(key=lambda verdict: verdict.index)
    refused = len(found.refused)
    return Verdicts(accepted=len(made) - refused - unknown, refused=refused, unknown=unknown, verdicts=made)


def _unknown(one: Outgoing, word: Word) -> Verdict:
    failed = type(word.result()).__name__ if word.done() else "it has not answered in time"
    return Verdict(
        index=one.place,
        verdict=UNKNOWN,
        id=one.given.id,
        source=one.given.source,
        reason="no_word",
        message=f"The broker has not said that it has the event ({failed}); send the same again, under the same id.",
    )


def _answer(mode: Mode, verdicts: Verdicts, request_id: str) -> Response:
    if verdicts.unknown:
        detail = (
            f"The broker has not said that it has {verdicts.unknown} of the events; send these again under the same "
            "ids, or the whole request: what is known already is not taken twice."
        )
        problem = Problem(503, "no_word", detail, headers={"Retry-After": "5"})
        return _problem(problem, verdicts, request_id)
    if verdicts.refused and mode != "batch":
        one = verdicts.verdicts[0]
        detail = f"{one.message} (field {one.field}). A correct event is beside it, in `verdicts`."
        return _problem(
            Problem(STATUS.get(one.reason or "", 422), one.reason or "refused", detail), verdicts, request_id
        )
    return Response(_json.encode(verdicts), _SOME_REFUSED if verdicts.refused else 200, media_type="application/json")


def _problem(problem: Problem, verdicts: Verdicts, request_id: str) -> Response:
    document: dict[str, Any] = problem.document(request_id)
    document |= {name: getattr(verdicts, name) for name in verdicts.__struct_fields__}
    return Response(_json.encode(document), problem.status_code, dict(problem.headers or {}), media_type=MEDIA_TYPE)

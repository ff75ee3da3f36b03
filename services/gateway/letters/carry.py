"""Sends cases again: one because somebody says so, many because he says so of all that are alike.

A case says that it is to go out before anything is sent, and that it is out after the broker's word. So whoever is
killed in between, the next one sends the same record under the same id; readers drop the second copy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from contracts.refusal import Refused
from services.chassis import marks
from services.chassis.lease import Leases
from services.chassis.logtime import to_millisecond
from services.chassis.mongo import Database, Doc
from services.chassis.problems import Problem
from services.chassis.rounds import Rounds
from services.gateway.emits import Outgoing
from services.gateway.letters import judge, many, store
from services.gateway.letters.many import Bulk
from services.gateway.letters.store import Record
from services.gateway.metrics import GatewayMetrics
from services.gateway.model import letter
from services.gateway.model.letter import LEFT, Case
from services.gateway.sender import Sender

LEASE: Final = "letters/send"
ROUND: Final = 200  # cases that are claimed together
SIZE: Final = 4_000_000  # bytes of records in memory
LATE: Final = timedelta(seconds=30)  # after which what one process was about to send is another's to send
PAUSE: Final = 0.5  # seconds before the next try, while the broker is away
SHOW: Final = 5.0  # seconds between two counts
CLEAN: Final = 600.0  # seconds between two looks for what can go
log = structlog.get_logger(__name__)
Ready = tuple[Case, Outgoing]


@dataclass
class Carrier:
    """A worker of the runtime. `every`: seconds between two looks; `days`: an untouched case stays."""

    db: Database
    leases: Leases
    sender: Sender
    metrics: GatewayMetrics
    every: float
    days: int
    _rounds: Rounds = field(init=False)

    def __post_init__(self) -> None:
        self._rounds = Rounds("letters.carrier", self.every)

    def wake(self) -> None:
        """There is something to do."""
        self._rounds.wake()

    async def stop(self) -> None:
        """Let `run` end what it has begun, and return."""
        self._rounds.stop()

    async def run(self) -> None:
        """Carry out what is asked for until stopped."""
        await self._rounds.run(self._round)

    async def _round(self) -> None:
        if self._rounds.time_for("show", SHOW):
            await self.show()
        if not await self.leases.take(LEASE):
            return
        if self._rounds.time_for("clean", CLEAN):
            await self._clean()
        late = {"outgoing.at": {"$lt": now() - LATE}, "outgoing.bulk": {"$exists": False}}
        await self._carry(late)
        for job in await many.unfinished(self.db):
            await self._job(job)

    async def show(self) -> None:
        """Set the figures: what is left to do, and since when."""
        open_ = await store.counted(self.db, {"state": {"$in": list(LEFT)}})
        self.metrics.letters_open.clear()
        self.metrics.letters_oldest.clear()
        oldest: dict[str, datetime] = {}
        totals: dict[tuple[str, str], int] = {}
        for service, reason, _, number, since in open_:
            totals[service, reason] = totals.get((service, reason), 0) + number
            oldest[service] = min(since, oldest.get(service, since))
        for (service, reason), number in totals.items():
            self.metrics.letters_open.labels(service, reason).set(number)
        for service, since in oldest.items():
            self.metrics.letters_oldest.labels(service).set((now() - since).total_seconds())

    async def _clean(self) -> None:
        before = now() - timedelta(days=self.days)
        await many.forget(self.db, before)
        for state, number in (await store.forget(self.db, before)).items():
            self.metrics.letters_expired.labels(state).inc(number)
            log.info("letters.expired", state=state, number=number)

    async def _job(self, job: Bulk) -> None:
        mine: Doc = {"outgoing.bulk": job.id}
        going = True
        while going and not self._rounds.stopping and await self.leases.take(LEASE):
            held = await many.bulk(self.db, job.id)
            if held is None or held.state not in ("waiting", "undoing"):
                return
            if held.state == "undoing":
                going = await self._undo(held)
            elif held.action == "close":
                going = await self._close(held)
            else:
                going = await self._carry(mine) > 0 or await many.claim(self.db, held, ROUND, now()) > 0
            if not going:
                await self._end(held)

    async def _end(self, job: Bulk) -> None:
        touched = await store.count(self.db, {"bulk": job.id})
        undone = job.state == "undoing"
        done = await store.count(self.db, {"sent_in": job.id} if job.action == "resend" else {"closed.bulk": job.id})
        await many.move(self.db, job, state="undone" if undone else "done", done=done, kept=touched - done)
        log.info("letters.bulk_ended", id=job.id, action=job.action, state=job.state, done=done)

    async def _close(self, job: Bulk) -> bool:
        at = now()
        found = await store.listed(self.db, many.fits_close(job), None, ROUND)
        for one in found:
            await store.change(self.db, one.id, lambda case: _closing(case, job, at))
        return bool(found)

    async def _undo(self, job: Bulk) -> bool:
        """What is closed is opened again, what is still here stays here. What is out is out."""
        at = now()
        about = {"closed.bulk": job.id} if job.action == "close" else {"outgoing.bulk": job.id}
        found = await store.listed(self.db, about, None, ROUND)
        for one in found:
            await store.change(self.db, one.id, lambda case: _undone(case, job, at))
        return bool(found)

    async def _carry(self, where: Doc) -> int:
        """Send what is claimed, a few megabytes at a time; returns how many cases that were."""
        ready: list[Ready] = []
        size = seen = 0
        async for case, held in store.on_their_way(self.db, where, ROUND):
            seen += 1
            one = await self._judged(case, held)
            if one is None:
                continue
            ready.append((case, one))
            size += len(one.record.value)
            if size > SIZE:
                await self._out(ready)
                ready, size = [], 0
        await self._out(ready)
        return seen

    async def _judged(self, case: Case, held: Record) -> Outgoing | None:
        claimed = case.outgoing
        if claimed is None:
            return None
        try:
            return judge.outgoing(case, judge.as_it_was(held, now()), claimed.attempt)
        except Refused as why:
            attempt, reason = claimed.attempt, why.reason
            await store.change(self.db, case.id, lambda one: letter.stays(one, attempt, now(), reason))
            return None

    async def _out(self, ready: Sequence[Ready]) -> None:
        """Returns when the broker has all of it, however long that takes, or the process stops."""
        while ready and not self._rounds.stopping:
            if await self.send([one for _, one in ready], None):
                marks.reach(marks.LETTERS_AFTER_WORD)
                await self.mark([case for case, _ in ready])
                return
            await asyncio.sleep(PAUSE)

    async def send(self, records: Sequence[Outgoing], patience: float | None) -> bool:
        """Whether the broker has said that it has all of them, within so many seconds."""
        try:
            self.sender.check()
            self.sender.require({one.topic for one in records})
        except Problem as away:
            log.warning("letters.wait", why=away.code)
            return False
        words = set(self.sender.send((one.topic, one.record) for one in records))
        marks.reach(marks.LETTERS_BEFORE_WORD)
        await asyncio.wait(words, timeout=patience)
        return all(word.done() and word.result() is None for word in words)

    async def mark(self, sent: Sequence[Case]) -> None:
        """The broker has these, each as it was about to go out."""
        at = now()
        out = {case.id: case.outgoing.attempt for case in sent if case.outgoing is not None}
        changed = ((case, letter.went_out(case, out[case.id], at)) for case in sent if case.id in out)
        await store.put_all(self.db, [(case, after) for case, after in changed if after is not None])
        for case in (await store.cases(self.db, out)).values():
            if letter.went_out(case, out[case.id], at) is not None:  # somebody else has changed it in between
                await store.change(self.db, case.id, lambda one: letter.went_out(one, out[one.id], at))
        self.metrics.letters.labels("sent").inc(len(sent))


def _closing(case: Case, job: Bulk, at: datetime) -> Case | None:
    fits = case.state in (*LEFT, "sent") and case.bulk != job.id
    return letter.closed(case, job.note or "", job.by, at, job.id) if fits else None


def _undone(case: Case, job: Bulk, at: datetime) -> Case | None:
    if case.closed is not None and case.closed.bulk == job.id:
        return letter.reopened(case, job.by, at)
    if case.outgoing is not None and case.outgoing.bulk == job.id:
        return letter.stays(case, case.outgoing.attempt, at, "", "called_off")
    return None


def now() -> datetime:
    """The present moment, as the database holds it."""
    return to_millisecond(datetime.now(UTC))

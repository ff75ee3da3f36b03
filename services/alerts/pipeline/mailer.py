"""The mailer: sends queued notifications, each attempt recorded before it is made and closed after its answer.

One process of the service mails at a time. An attempt found open at the start of a round belongs to a process that died
in the middle of it: whether the mail arrived is in doubt, so it is sent again under the same Message-ID, and counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog

from services.alerts.channels.mail import Mail, MailConnection, Outcome
from services.alerts.emits import notification_fact
from services.alerts.model.notification import Notification, accepted, begun, bounced, postponed, suppressed
from services.alerts.pipeline.compose import Withheld, shelf
from services.alerts.settings import AlertsSettings
from services.alerts.store import ACCOUNTS, NOTIFICATIONS
from services.chassis import marks
from services.chassis.aggregate import Desk
from services.chassis.errors import heals
from services.chassis.mongo import DatabaseError, find, from_doc
from services.chassis.runtime import Runtime
from services.chassis.work import Work, act_work

OPEN = ("queued", "sending")
LEASE = "mailer"
Step = Callable[[Notification], Notification]
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """A notification under way."""

    subject: str
    key: str
    notification: Notification
    mail: Mail


class Mailer:
    """Sends what is queued; a Worker of the runtime."""

    def __init__(self, runtime: Runtime, settings: AlertsSettings) -> None:
        self.runtime, self.settings = runtime, settings
        self.connections = [MailConnection(settings.smtp) for _ in range(settings.mail_connections)]
        self.stopping = False
        self._wake = asyncio.Event()
        runtime.woken.append(lambda outcome: self._wake.set() if outcome.said else None)

    async def run(self) -> None:
        """Rounds until stopped."""
        renewal = asyncio.create_task(self._renew())
        try:
            while not self.stopping:
                if not await self._round():
                    await self._wait()
        finally:
            renewal.cancel()
            for connection in self.connections:
                await connection.close()

    async def stop(self) -> None:
        """Let `run` finish its round."""
        self.stopping = True
        self._wake.set()

    async def _round(self) -> int:
        try:
            self._wake.clear()
            if not await self.runtime.leases.take(LEASE):
                return 0
            jobs = await self._begin()
            outcomes = await self._send(jobs)
            await self._record(jobs, outcomes)
        except DatabaseError as error:
            if not heals(error):
                raise
            log.warning("mailer.held", error=type(error).__name__)
            return 0
        return len(jobs)

    async def _begin(self) -> list[Job]:
        """Open an attempt for each notification that is due; what cannot be sent is suppressed with its reason."""
        now = datetime.now(UTC)
        where = {"state.state": {"$in": list(OPEN)}, "state.next_at": {"$lte": now}}
        rows = await find(
            self.runtime.db, NOTIFICATIONS.name, where, sort=[("state.next_at", 1)], limit=self.settings.mail_batch
        )
        jobs: list[Job] = []
        works: list[Work] = []
        queued = [(row["s"], row["k"], from_doc(row["state"], Notification)) for row in rows]
        if not queued:
            return jobs
        made_from = await shelf(self.runtime.db, self.settings, [(subject, one) for subject, _, one in queued])
        for subject, key, notification in queued:
            if notification.state == "sending":
                self.runtime.metrics.in_doubt.inc()
            try:
                mail = made_from.mail(subject, notification)
            except Withheld as reason:
                works.append(self._work(subject, key, notification, partial(suppressed, why=str(reason))))
                continue
            works.append(self._work(subject, key, notification, partial(begun, at=now, by=self.holder)))
            jobs.append(Job(subject, key, begun(notification, now, self.holder), mail))
        await self._apply(works)
        return jobs

    @property
    def holder(self) -> str:
        """This process, as attempts name it."""
        return self.runtime.sessions.holder

    async def _send(self, jobs: list[Job]) -> list[Outcome]:
        marks.reach(marks.MAIL_BEFORE_ANSWER) if jobs else None
        sends = (self.connections[n % len(self.connections)].send(job.mail) for n, job in enumerate(jobs))
        outcomes = await asyncio.gather(*sends)
        marks.reach(marks.MAIL_AFTER_ANSWER) if jobs else None
        return outcomes

    async def _record(self, jobs: list[Job], outcomes: list[Outcome]) -> None:
        now = datetime.now(UTC)
        works = [
            self._work(job.subject, job.key, job.notification, partial(closed, outcome=outcome, now=now))
            for job, outcome in zip(jobs, outcomes, strict=True)
        ]
        await self._apply(works)

    def _work(self, subject: str, key: str, seen: Notification, step: Step) -> Work:
        def act(desk: Desk) -> None:
            held = desk.get(NOTIFICATIONS, key)
            if held is None or len(held.attempts) != len(seen.attempts) or held.state not in OPEN:
                return  # the customer was erased, or another process has gone on with it
            after = step(held)
            desk.put(NOTIFICATIONS, after, key)
            fact = notification_fact(key, after, desk.now)
            if fact is not None:
                desk.emit(fact)

        cause = f"notification:{key}:{len(seen.attempts)}:{seen.state}"
        return act_work(ACCOUNTS, subject, datetime.now(UTC), cause, act)

    async def _apply(self, works: list[Work]) -> None:
        if works:
            self.runtime.wake(await self.runtime.applier.apply(works))

    async def _renew(self) -> None:
        # A slow mail server must not cost the lease in the middle of a round: two mailers would send the same mail.
        while True:
            await asyncio.sleep(self.settings.lease_ms / 3000)
            try:
                await self.runtime.leases.take(LEASE)
            except DatabaseError as error:
                if not heals(error):
                    raise

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self.settings.outbox_poll_ms / 1000):
                await self._wake.wait()
        except TimeoutError:
            return


def closed(notification: Notification, outcome: Outcome, now: datetime) -> Notification:
    """The notification after the server's answer, or after none."""
    if outcome.accepted:
        return accepted(notification, now, outcome.answer)
    if outcome.retry_can_help:
        return postponed(notification, now, outcome.answer, in_doubt=outcome.in_doubt)
    return bounced(notification, outcome.answer, f"smtp_{outcome.code}" if outcome.code else "smtp_refused")

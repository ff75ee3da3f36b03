"""The couriers: each takes the notifications of one channel, every attempt recorded before it is made and closed after
its answer.

One process of the service delivers by a channel at a time. An attempt found open at the start of a round belongs to a
process that died in the middle of it: whether the message arrived is in doubt, so it is sent again under the same
Message-ID or webhook-id, and counted. A receiver that hangs holds up his own channel, and no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

import structlog

from services.alerts.channels.mail import MailPool
from services.alerts.channels.outcome import Outcome
from services.alerts.channels.webhook import WebhookChannel
from services.alerts.emits import notification_fact
from services.alerts.model.notification import (
    Channel,
    Notification,
    accepted,
    begun,
    bounced,
    copied,
    copy_key,
    postponed,
    routed,
    suppressed,
)
from services.alerts.pipeline.compose import Letter, Shelf, mail, shelf, webhook
from services.alerts.pipeline.letters.parts import Withheld
from services.alerts.settings import AlertsSettings
from services.alerts.store import ACCOUNTS, NOTIFICATIONS
from services.chassis import marks
from services.chassis.aggregate import Desk
from services.chassis.errors import heals
from services.chassis.mongo import DatabaseError, find, from_doc
from services.chassis.outward import Outward
from services.chassis.runtime import Runtime
from services.chassis.work import Work, act_work

OPEN = ("queued", "sending")
LEASES: Final[dict[Channel, str]] = {"mail": "mailer", "webhook": "webhooks"}
CODES: Final[dict[Channel, str]] = {"mail": "smtp", "webhook": "http"}  # whose codes a bounce's reason names
MARKS: Final[dict[Channel, tuple[str, str]]] = {
    "mail": (marks.MAIL_BEFORE_ANSWER, marks.MAIL_AFTER_ANSWER),
    "webhook": (marks.HOOK_BEFORE_ANSWER, marks.HOOK_AFTER_ANSWER),
}
Key = tuple[str, str]  # subject and key
Step = Callable[[Notification], Notification]
Message = TypeVar("Message")
Sent_contra = TypeVar("Sent_contra", contravariant=True)
log = structlog.get_logger(__name__)


class Carrier(Protocol[Sent_contra]):
    """What takes messages to their receivers. Whatever these or the network do is in the outcome, never raised."""

    async def send(self, message: Sent_contra, /) -> Outcome:
        """Hand one message over."""

    async def close(self) -> None:
        """Let go of what is open."""


@dataclass(frozen=True, slots=True)
class Way(Generic[Message]):
    """A channel: what a letter looks like there, and what carries it."""

    channel: Channel
    write: Callable[[Letter, AlertsSettings], Message]
    carrier: Carrier[Message]


@dataclass(frozen=True, slots=True)
class Job(Generic[Message]):
    """A notification under way."""

    subject: str
    key: str
    notification: Notification
    message: Message
    others: tuple[Channel, ...]  # by which its receiver gets a copy


def couriers(runtime: Runtime, settings: AlertsSettings) -> list[Courier[Any]]:
    """One for each channel. The webhooks' runs also where nothing signs: it sees to what was queued when something
    did.
    """
    mails = MailPool(settings.smtp, settings.mail_connections)
    hooks = WebhookChannel(Outward(settings.outward), settings.keyring)
    return [
        Courier(runtime, settings, Way("mail", mail, mails)),
        Courier(runtime, settings, Way("webhook", webhook, hooks)),
    ]


class Courier(Generic[Message]):
    """Delivers what is queued for one channel; a Worker of the runtime."""

    def __init__(self, runtime: Runtime, settings: AlertsSettings, way: Way[Message]) -> None:
        self.runtime, self.settings, self.way = runtime, settings, way
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
            await self.way.carrier.close()

    async def stop(self) -> None:
        """Let `run` finish its round."""
        self.stopping = True
        self._wake.set()

    async def _round(self) -> int:
        try:
            self._wake.clear()
            if not await self.runtime.leases.take(LEASES[self.way.channel]):
                return 0
            jobs = await self._begin()
            outcomes = await self._send(jobs)
            await self._record(jobs, outcomes)
        except DatabaseError as error:
            if not heals(error):
                raise
            log.warning("courier.held", channel=self.way.channel, error=type(error).__name__)
            return 0
        return len(jobs)

    async def _begin(self) -> list[Job[Message]]:
        """Open an attempt for each notification that is due; what cannot be sent is suppressed with its reason, what
        its receiver gets otherwise is left to another courier.
        """
        now = datetime.now(UTC)
        where = {
            "state.state": {"$in": list(OPEN)},
            "state.next_at": {"$lte": now},
            "state.channel": self.way.channel,
        }
        rows = await find(
            self.runtime.db, NOTIFICATIONS.name, where, sort=[("state.next_at", 1)], limit=self.settings.mail_batch
        )
        queued = [(row["s"], row["k"], from_doc(row["state"], Notification)) for row in rows]
        if not queued:
            return []
        made_from = await shelf(self.runtime.db, self.settings, [(subject, one) for subject, _, one in queued])
        stored: set[Key] = set()
        jobs: list[Job[Message]] = []
        works: list[Work] = []
        for subject, key, notification in queued:
            # Beside the loop, for some have a picture to draw, and the same loop applies the facts.
            step, job = await asyncio.to_thread(self._opening, made_from, subject, key, notification, now)
            if job and notification.state == "sending":
                self.runtime.metrics.in_doubt.inc()
            works.append(self._work(subject, key, notification, step, job.others if job else (), stored))
            jobs += [job] if job else []
        await self._apply(works)
        # What was not recorded is not sent: its customer was erased, or another process has gone on with it.
        return [job for job in jobs if (job.subject, job.key) in stored]

    def _opening(
        self, made_from: Shelf, subject: str, key: str, notification: Notification, now: datetime
    ) -> tuple[Step, Job[Message] | None]:
        """What becomes of a notification that is due, and how it goes out: not at all, or not by this channel: None."""
        channel = self.way.channel
        try:
            # Renewed, for its receiver may be another by now.
            letter = made_from.letter(subject, key, routed(notification, key, channel))
        except Withheld as reason:
            return partial(suppressed, why=str(reason)), None
        if channel not in letter.addresses:
            return partial(routed, key=key, channel=next(iter(letter.addresses))), None

        def step(held: Notification) -> Notification:
            return begun(routed(held, key, channel), now, self.holder)

        others = () if notification.copy_of else tuple(one for one in letter.addresses if one != channel)
        return step, Job(subject, key, step(notification), self.way.write(letter, self.settings), others)

    @property
    def holder(self) -> str:
        """This process, as attempts name it."""
        return self.runtime.sessions.holder

    async def _send(self, jobs: list[Job[Message]]) -> list[Outcome]:
        before, after = MARKS[self.way.channel]
        marks.reach(before) if jobs else None
        outcomes = await asyncio.gather(*(self.way.carrier.send(job.message) for job in jobs))
        marks.reach(after) if jobs else None
        return outcomes

    async def _record(self, jobs: list[Job[Message]], outcomes: list[Outcome]) -> None:
        now = datetime.now(UTC)
        works = [
            self._work(job.subject, job.key, job.notification, partial(closed, outcome=outcome, now=now))
            for job, outcome in zip(jobs, outcomes, strict=True)
        ]
        await self._apply(works)

    def _work(
        self,
        subject: str,
        key: str,
        seen: Notification,
        step: Step,
        others: Sequence[Channel] = (),
        stored: set[Key] | None = None,
    ) -> Work:
        stored = set() if stored is None else stored

        def act(desk: Desk) -> None:
            stored.discard((subject, key))
            held = desk.get(NOTIFICATIONS, key)
            if held is None or len(held.attempts) != len(seen.attempts) or held.state not in OPEN:
                return  # the customer was erased, or another process has gone on with it
            after = step(held)
            desk.put(NOTIFICATIONS, after, key)
            for channel in others:
                name = copy_key(key, channel)
                copy = copied(after, key, channel, desk.get(NOTIFICATIONS, name))
                if copy is not None:
                    desk.put(NOTIFICATIONS, copy, name)
            fact = notification_fact(key, after, desk.now)
            if fact is not None:
                desk.emit(fact)
            stored.add((subject, key))

        cause = f"notification:{key}:{len(seen.attempts)}:{seen.state}"
        return act_work(ACCOUNTS, subject, datetime.now(UTC), cause, act)

    async def _apply(self, works: list[Work]) -> None:
        if works:
            self.runtime.wake(await self.runtime.applier.apply(works))

    async def _renew(self) -> None:
        # A slow receiver must not cost the lease in the middle of a round: two couriers would send the same message.
        while True:
            await asyncio.sleep(self.settings.lease_ms / 3000)
            try:
                await self.runtime.leases.take(LEASES[self.way.channel])
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
        return postponed(
            notification,
            now,
            outcome.answer,
            in_doubt=outcome.in_doubt,
            asked=timedelta(seconds=outcome.retry_after_s or 0),
        )
    code = CODES[notification.channel]
    return bounced(notification, outcome.answer, f"{code}_{outcome.code}" if outcome.code else f"{code}_refused")

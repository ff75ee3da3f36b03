"""The couriers: each takes the notifications of one channel, every attempt recorded before it is made and closed after
its answer.

One process of the service delivers by a channel at a time. An attempt found open at the start of a round belongs to a
process that died in the middle of it: whether the message arrived is in doubt, so it is sent again under the same
Message-ID or webhook-id, and counted. A receiver that hangs holds up his own channel, and no other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Generic

import structlog

from services.alerts.channels.mail import MailPool
from services.alerts.channels.outcome import Outcome
from services.alerts.channels.webhook import WebhookChannel
from services.alerts.emits import notification_fact
from services.alerts.model.notification import (
    Channel,
    Notification,
    accepted,
    bounced,
    copied,
    copy_key,
    postponed,
)
from services.alerts.pipeline import queue
from services.alerts.pipeline.compose import digest, mail, shelf, webhook
from services.alerts.pipeline.opening import Key, Message, Opening, Parcel, Step, Way
from services.alerts.pipeline.queue import Row
from services.alerts.settings import AlertsSettings
from services.alerts.store import ACCOUNTS, NOTIFICATIONS
from services.chassis import marks
from services.chassis.aggregate import Desk
from services.chassis.errors import heals
from services.chassis.mongo import DatabaseError
from services.chassis.outward import Outward
from services.chassis.runtime import Runtime
from services.chassis.work import Work, act_work

UNSAID: Final = (*queue.OPEN, "held")
LEASES: Final[dict[Channel, str]] = {"mail": "mailer", "webhook": "webhooks"}
REST_MOST_S: Final = 0.1
CODES: Final[dict[Channel, str]] = {"mail": "smtp", "webhook": "http"}  # whose codes a bounce's reason names
MARKS: Final[dict[Channel, tuple[str, str]]] = {
    "mail": (marks.MAIL_BEFORE_ANSWER, marks.MAIL_AFTER_ANSWER),
    "webhook": (marks.HOOK_BEFORE_ANSWER, marks.HOOK_AFTER_ANSWER),
}
log = structlog.get_logger(__name__)


def couriers(runtime: Runtime, settings: AlertsSettings) -> list[Courier[Any]]:
    """One for each channel. The webhooks' runs also where nothing signs: it sees to what was queued when something
    did.
    """
    mails = MailPool(settings.smtp, settings.mail_connections)
    hooks = WebhookChannel(Outward(settings.outward), settings.keyring)
    return [
        Courier(runtime, settings, Way("mail", mail, mails, digest)),
        Courier(runtime, settings, Way("webhook", webhook, hooks)),
    ]


class Courier(Generic[Message]):
    """Delivers what is queued for one channel; a Worker of the runtime."""

    def __init__(self, runtime: Runtime, settings: AlertsSettings, way: Way[Message]) -> None:
        self.runtime, self.settings, self.way = runtime, settings, way
        self.stopping = asyncio.Event()
        self._wake = asyncio.Event()
        runtime.woken.append(lambda outcome: self._wake.set() if NOTIFICATIONS.name in outcome.parts else None)

    async def run(self) -> None:
        """Rounds until stopped."""
        renewal = asyncio.create_task(self._renew())
        try:
            while not self.stopping.is_set():
                began = time.monotonic()
                moved = await self._round()
                if not moved:
                    await self._wait()
                elif moved < self.settings.mail_batch:
                    await self._rest(time.monotonic() - began)
        finally:
            renewal.cancel()
            await self.way.carrier.close()

    async def stop(self) -> None:
        """Let `run` finish its round."""
        self.stopping.set()
        self._wake.set()

    async def _round(self) -> int:
        try:
            self._wake.clear()
            if not await self.runtime.leases.take(LEASES[self.way.channel]):
                return 0
            parcels, moved = await self._begin()
            outcomes = await self._send(parcels)
            await self._record(parcels, outcomes)
        except DatabaseError as error:
            if not heals(error):
                raise
            log.warning("courier.held", channel=self.way.channel, error=type(error).__name__)
            return 0
        return moved

    async def _begin(self) -> tuple[list[Parcel[Message]], int]:
        """Open an attempt for each notification that is due; what cannot be sent is suppressed with its reason, what
        its receiver gets otherwise is left to another courier, what waits for his digest is held. Returns what is to
        be handed over, and how many notifications were moved on.
        """
        now, moment = datetime.now(UTC), self.runtime.now()
        due = await queue.read(self.runtime.db, self.way.channel, now, moment, self.settings.mail_batch)
        if not (due.single or due.together):
            return [], 0
        made_from = await shelf(self.runtime.db, self.settings, due.wanted(), moment)
        opening = Opening(self.way, made_from, now, self.holder)
        # Beside the loop, for some have a picture to draw, and the same loop applies the facts.
        await asyncio.to_thread(opening.decide, due)
        self.runtime.metrics.in_doubt.inc(opening.doubts)
        stored: set[Key] = set()
        await self._apply([self._work(note.row, note.step, note.others, stored) for note in opening.notes])
        # What was not recorded is not sent: its customer was erased, or another process has gone on with it.
        return await asyncio.to_thread(opening.recorded, stored), len(stored)

    @property
    def holder(self) -> str:
        """This process, as attempts name it."""
        return self.runtime.sessions.holder

    async def _send(self, parcels: list[Parcel[Message]]) -> list[Outcome]:
        before, after = MARKS[self.way.channel]
        marks.reach(before) if parcels else None
        messages = [one.message for one in parcels if one.message is not None]
        outcomes = await asyncio.gather(*(self.way.carrier.send(message) for message in messages))
        marks.reach(after) if parcels else None
        return outcomes

    async def _record(self, parcels: list[Parcel[Message]], outcomes: list[Outcome]) -> None:
        now = datetime.now(UTC)
        works: list[Work] = []
        for parcel, outcome in zip(parcels, outcomes, strict=True):
            tries = max(len(part.row.notification.attempts) for part in parcel.parts)
            step = partial(closed, outcome=outcome, now=now, tries=tries)
            works += [self._work(part.row, step) for part in parcel.parts]
        await self._apply(works)

    def _work(self, row: Row, step: Step, others: Sequence[Channel] = (), stored: set[Key] | None = None) -> Work:
        stored = set() if stored is None else stored
        subject, key, seen = row

        def act(desk: Desk) -> None:
            stored.discard((subject, key))
            held = desk.get(NOTIFICATIONS, key)
            if held is None or held.state not in UNSAID:
                return  # the customer was erased, or another process has gone on with it
            if (held.recipient, len(held.attempts)) != (seen.recipient, len(seen.attempts)):
                return  # so it has, or somebody else is to get it now
            after = step(held)
            desk.put(NOTIFICATIONS, after, key)
            for channel in others:
                name = copy_key(key, channel)
                copy = copied(held, key, channel, desk.get(NOTIFICATIONS, name))
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

    async def _rest(self, worked: float) -> None:
        """A round costs much the same whether it moves one message or fifty: those that come meanwhile go together."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), min(worked, REST_MOST_S))

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self.settings.outbox_poll_ms / 1000):
                await self._wake.wait()
        except TimeoutError:
            return


def closed(notification: Notification, outcome: Outcome, now: datetime, tries: int = 0) -> Notification:
    """The notification after the server's answer, or after none; `tries` as in `postponed`."""
    if outcome.accepted:
        return accepted(notification, now, outcome.answer)
    if outcome.retry_can_help:
        return postponed(
            notification,
            now,
            outcome.answer,
            in_doubt=outcome.in_doubt,
            asked=timedelta(seconds=outcome.retry_after_s or 0),
            tries=tries,
        )
    code = CODES[notification.channel]
    return bounced(notification, outcome.answer, f"{code}_{outcome.code}" if outcome.code else f"{code}_refused")

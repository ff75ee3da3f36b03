"""A service process: every part wired in one place, started in order, stopped in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from fastapi import FastAPI
from faststream.kafka import KafkaBroker
from pymongo.errors import PyMongoError

from contracts.envelope import Event, encode_data
from contracts.refusal import Refused

from . import lease, ledger, outbox, sessions, trail
from .apply import Applier
from .batch import Outcome
from .cache import StateCache
from .clock import Clock
from .ends import Ends
from .errors import heals
from .health import Health, NotReadyError
from .http_server import HttpServer
from .intake import Intake
from .lease import Leases
from .ledger import Ledger
from .logtime import LogTime, Place, to_millisecond
from .metrics import Metrics
from .mongo import Client, Collection, Database, connect, database, ensure
from .patience import patiently
from .producer import producer
from .relay import Relay
from .security import faststream_security, kafka_options, mongo_options
from .service import Service
from .sessions import Sessions
from .settings import Settings
from .supplies import SUPPLIES, Supplies
from .trail import MongoStore, Trail
from .withdraw import Withdrawals
from .work import event_work

OFFSETS = Collection("offsets")
OWN = (
    ledger.LEDGER,
    outbox.OUTBOX,
    outbox.DEAD,
    lease.LEASES,
    sessions.WORKERS,
    OFFSETS,
    SUPPLIES,
    *trail.COLLECTIONS,
)
log = structlog.get_logger(__name__)


class Worker(Protocol):
    """Something that runs beside the intake (a courier, for one)."""

    async def run(self) -> None:
        """Work until stopped."""

    async def stop(self) -> None:
        """Let `run` finish what it has begun, and return."""


@dataclass
class Runtime:
    """The parts of one process. `open` connects; `run` serves until SIGTERM or SIGINT, or until a part fails."""

    service: Service
    settings: Settings
    metrics: Metrics
    client: Client
    db: Database
    sessions: Sessions
    leases: Leases
    ledger: Ledger
    applier: Applier
    health: Health
    trail: Trail
    supplies: Supplies
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    relay: Relay | None = None
    intake: Intake | None = None
    clock: Clock | None = None
    ends: Ends | None = None
    http: HttpServer | None = None
    woken: list[Callable[[Outcome], None]] = field(default_factory=list)

    @classmethod
    async def open(cls, service: Service, settings: Settings, metrics: Metrics | None = None) -> Runtime:
        """Connect to the database, however long it is away, make what is missing in it and take over from the dead."""
        service.check()
        metrics = metrics or Metrics()
        client = connect(settings.mongo_uri.get_secret_value(), **mongo_options(settings))
        db = database(client, settings.database)
        name = settings.kafka_group_instance_id
        own_sessions = Sessions(client, db, name=name, count=settings.lanes + 4)
        book = Ledger(db)
        applier = Applier(
            service,
            db,
            own_sessions,
            book,
            metrics,
            StateCache(settings.state_cache_size, settings.state_cache_documents),
            shards=settings.relay_shards,
            lanes=settings.lanes,
        )
        health = Health({}, timeout_ms=settings.health_timeout_ms, metrics=metrics)
        trail = Trail(MongoStore(db), settings, metrics)
        leases = Leases(db, own_sessions.holder, settings.lease_ms)
        supplies = Supplies(db, metrics, service.rests.values(), settings.supply_hold_days)
        runtime = cls(
            service, settings, metrics, client, db, own_sessions, leases, book, applier, health, trail, supplies
        )
        await runtime._prepare()
        health.add("mongo", runtime._mongo_answers)
        return runtime

    async def _prepare(self) -> None:
        delay = 0.2
        while True:
            try:
                kinds = [kind.collection() for kind in self.service.kinds.values()]
                await ensure(self.db, [*OWN, *kinds, *self.service.extra])
                if self.service.opening is not None:
                    await self.service.opening(self.db)
                await self.sessions.open()
            except PyMongoError as error:
                if not heals(error):
                    raise
                log.warning(
                    "start.no_database", error=type(error).__name__, next="check RAPPORT_MONGO_URI; trying again"
                )
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)
            else:
                return

    def wake(self, outcome: Outcome) -> None:
        """After a batch: the clock may have something to fold, and others may have something to do."""
        if self.clock is not None and self.ends is not None:
            # In a simulation a watermark that applies nothing moves the clock all the same.
            if self.settings.clock == "events":
                self.clock.wake()
            elif outcome.due:
                self.ends.ask()  # which wakes the clock: earlier it would find nothing
        for wake in self.woken:
            wake(outcome)

    def now(self) -> datetime:
        """The service's moment, to the millisecond: the wall clock, or in a simulation the clock of the events."""
        simulated = self.clock.now if self.settings.clock == "events" and self.clock is not None else None
        return to_millisecond(simulated or datetime.now(UTC))

    async def command(self, event: Event, private: object = None) -> Outcome:
        """Apply what a person did (an HTTP write) by the same door as any event, and send it out.

        `private` is what the fold may see and the bus may not. The same event again changes nothing.

        Raises:
            Refused: the fold does not admit it; nothing has changed.
        """
        outcome = await self.say([event], private)
        if outcome.dead:
            raise Refused(outcome.dead[0].reason, outcome.dead[0].message, outcome.dead[0].field)
        return outcome

    async def say(self, events: Sequence[Event], private: object = None) -> Outcome:
        """The same for what the service says of many subjects at once; those refused are in the outcome, and change
        nothing.
        """
        works = []
        for event in events:
            work = event_work(event, self.service.handlers[event.type], self.now(), None, encode_data(event.data))
            work.private, work.answered = private, True
            works.append(work)
        outcome = await self.applier.apply(works)
        self.wake(outcome)
        return outcome

    async def run(self, app: FastAPI | None = None, workers: Sequence[Worker] = ()) -> None:
        """Serve until told to stop. The first part that fails ends the process with its error."""
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self.stopping.set)
        try:
            if app is not None:
                self.http = HttpServer(app, self.settings)
                await self.http.start()
                log.info("http.listening", url=self.http.url)
            await self._serve(workers)
        finally:
            await self.close()

    async def _serve(self, workers: Sequence[Worker]) -> None:
        admin = AIOKafkaAdminClient(**kafka_options(self.settings))
        start = asyncio.create_task(self._start(admin))
        stop = asyncio.create_task(self.stopping.wait())
        await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not start.done():
            start.cancel()
            with suppress(asyncio.CancelledError):
                await start
            stop.cancel()
            await self._part(admin)
            return
        await start
        # A service that takes no events has neither intake nor clock, one that folds nothing has nothing to relay.
        made = (self.intake, self.clock, self._withdrawals(), *workers, self.relay)
        parts: list[Worker] = [part for part in made if part is not None]
        running = [asyncio.create_task(part.run(), name=type(part).__name__) for part in parts]
        beside = [asyncio.create_task(one, name=name) for name, one in self._beside()]
        log.info("service.started", topics=self.service.topics())
        try:
            await asyncio.wait({*running, *beside, stop}, return_when=asyncio.FIRST_COMPLETED)
            await self._stop(parts, running)
        finally:
            for task in (stop, *beside, *running):
                task.cancel()
            ended = await asyncio.gather(*beside, *running, return_exceptions=True)
            await self._part(admin)
        for end in ended:
            if isinstance(end, Exception):
                raise end

    def _beside(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What runs beside the work and is not waited for at the end: it holds nothing that must be finished."""
        yield "beat", self._beat()
        yield "anchors", self.trail.run()
        if self.ends is not None:
            yield "ends", self.ends.run()

    async def _stop(self, parts: Sequence[Worker], running: Sequence[asyncio.Task[None]]) -> None:
        """In the order in which work flows: nothing new comes in, what is in hand is finished, what is said is sent."""
        self.health.stopping()
        log.info("service.stopping")
        try:
            async with asyncio.timeout(self.settings.shutdown_grace_seconds):
                for part, task in zip(parts, running, strict=True):
                    if not task.done():
                        await part.stop()
                        await asyncio.wait({task})
        except TimeoutError:
            log.warning("service.cut_short", next="what was not finished is finished by the next process")

    async def _part(self, admin: AIOKafkaAdminClient) -> None:
        if self.intake is not None:
            await self.intake.broker.stop()
        await admin.close()

    async def _start(self, admin: AIOKafkaAdminClient) -> None:
        await patiently(admin.start)
        if self.service.handlers:
            self._relay()
        if self.service.topics():
            self._read(admin)
            self._look()

    def _relay(self) -> None:
        settings = self.settings
        self.relay = Relay(
            self.db,
            partial(producer, settings, max_request_size=2_000_000),
            self.leases,
            self.metrics,
            shards=settings.relay_shards,
            batch=settings.relay_batch,
            poll_ms=settings.outbox_poll_ms,
        )
        self.applier.hand = self.relay.hand

    def _withdrawals(self) -> Withdrawals | None:
        if not any(handler.withdraws or handler.ties for handler in self.service.handlers.values()):
            return None
        return Withdrawals(self.applier, self.leases, self.settings.clock_poll_ms / 1000)

    def _read(self, admin: AIOKafkaAdminClient) -> None:
        settings = self.settings
        broker = KafkaBroker(
            settings.kafka_bootstrap.split(","),
            security=faststream_security(settings),
            metadata_max_age_ms=settings.kafka_metadata_max_age_ms,
            client_id=f"rapport-{self.service.name}",
            consumer_only=True,
            logger=None,
        )
        self.intake = Intake(
            self.service,
            self.applier,
            broker,
            LogTime(settings.clock),
            group=settings.group,
            instance=settings.kafka_group_instance_id,
            batch=settings.batch_size,
            session_ms=settings.kafka_session_timeout_ms,
            max_event_bytes=settings.max_event_bytes,
            woken=self.wake,
            heard=self.supplies.heard,
        )
        self.clock = Clock(
            self.applier,
            self.leases,
            lambda: self._partitions(admin),
            batch=settings.clock_batch,
            poll_ms=settings.clock_poll_ms,
            woken=self.wake,
            supplies=self.supplies if settings.clock == "log" else None,
        )
        self.health.add("kafka", self._kafka_answers)

    def _look(self) -> None:
        assert self.intake and self.clock  # noqa: S101 - set by _read
        intake, name = self.intake, f"rapport-{self.service.name}-ends"

        def asker() -> AIOKafkaConsumer:
            options = kafka_options(self.settings)
            return AIOKafkaConsumer(**options, client_id=name, auto_offset_reset="none")

        self.ends = Ends(intake.time, intake.next, self.applier.move, lambda: intake.busy, asker, moved=self.clock.wake)

    async def _partitions(self, admin: AIOKafkaAdminClient) -> set[Place]:
        # Whatever it reads may hold what denies an alarm. In a simulation only feeds have watermarks: a topic without
        # them would hold the clock for ever.
        wanted = self.service.feeds if self.settings.clock == "events" else self.service.topics()
        topics = await admin.describe_topics(list(wanted))
        if any(topic["error_code"] or not topic["partitions"] for topic in topics):
            return set()  # what the broker cannot describe now may hold anything: the clock waits
        return {(topic["topic"], part["partition"]) for topic in topics for part in topic["partitions"]}

    async def _beat(self) -> None:
        """Say that this process lives, and end what dead ones left open."""
        rounds = 0
        while True:
            try:
                await self.sessions.beat()
                await self.supplies.write()
                if rounds % 5 == 0:
                    await self.sessions.bury()
                if rounds % 3600 == 0:
                    await self._forget()
            except PyMongoError as error:
                if not heals(error):
                    raise
            rounds += 1
            await asyncio.sleep(1.0)

    async def _forget(self) -> None:
        # In a simulation its own months count: by the wall clock all of them would be over at once.
        now = datetime.now(UTC) if self.settings.clock == "log" else self.clock.now if self.clock is not None else None
        if now is not None:
            await self.ledger.forget(now, self.settings.inbox_days)

    async def _mongo_answers(self) -> None:
        await self.client.admin.command("ping")

    async def _kafka_answers(self) -> None:
        if self.intake is None or self.intake.consumer is None:
            raise NotReadyError("the intake has not started")
        if some := list(self.intake.consumer.assignment())[:1]:
            await self.intake.consumer.end_offsets(some)
        else:
            await self.intake.consumer.topics()

    async def close(self) -> None:
        """Let go of everything; a process that only looked in calls this itself."""
        if self.http is not None:
            await self.http.stop()
        try:
            await self.trail.close()
            await self.sessions.close()
        except PyMongoError as error:
            log.info("stop.no_database", error=type(error).__name__)
        self.client.close()

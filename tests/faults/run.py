"""One run of the service under test: its stack, its load, its processes, and what can be done to them."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from deploy.local import services
from deploy.local import stack as local
from services.chassis.settings import Settings
from services.chassis.tokens import LocalIssuer
from tests.chassis.receiver import receiving
from tests.faults import found, terms
from tests.faults.bus import TRADE, Bus, fresh_topics
from tests.faults.crew import Crew
from tests.faults.found import Store
from tests.faults.hooks import SECRET, Hooks
from tests.faults.load import Load, wire_of
from tests.faults.people import People
from tests.faults.probe import passes
from tests.faults.size import evening
from tests.faults.wait import until

QUIET_S = 240.0
MAIL_BATCH = 50  # messages of a channel in flight at most (services/SETTINGS.md, mail_batch)
AWAY_S = 3.0  # how long a broker or a database stays away
FIRST = "alerts-1"
SECOND = "alerts-2"


@dataclass
class Run:
    """What a course of events is told with. `say` reports progress."""

    stack: local.Stack
    load: Load
    bus: Bus
    store: Store
    crew: Crew
    people: People
    hooks: Hooks
    folder: Path
    group: str
    say: Callable[[str], None]
    began: float = field(default_factory=time.monotonic)
    draw: Random = field(default_factory=Random)
    passed: dict[str, int] = field(default_factory=dict)  # what was done to the service, and how often

    @property
    def in_flight(self) -> int:
        """How many messages of a channel can have been under way when a process or the database went."""
        return int(self.crew.env.get("RAPPORT_MAIL_BATCH", MAIL_BATCH)) * self.crew.ends

    def note(self, what: str) -> None:
        """Something was done to the service."""
        self.passed[what] = self.passed.get(what, 0) + 1
        self.say(f"{time.monotonic() - self.began:5.0f} s  {what}")

    async def deliver(self, day: int, share: slice = slice(None), *, last: bool = True) -> None:
        """Deliver a simulated day, or a share of it; with its last share its source says that it was all."""
        self.crew.during = f"day {day}"
        await self.bus.send(self.load.days[day][share])
        if last:
            await self.bus.complete(evening(day))

    async def quiet(self, deadline_s: float = QUIET_S) -> None:
        """Wait until everything is read, said, sent and nothing is due."""
        await found.quiet(self.store, self.bus, deadline_s, watch=self.crew.well)

    async def deaths(self, wanted: int, deadline_s: float = 120.0) -> None:
        """Wait until so many kills have landed in all, or there is nothing left for the service to do."""
        ends = await self.bus.ends(found.TOPICS)
        deadline = time.monotonic() + deadline_s
        while len(self.crew.deaths) < wanted and time.monotonic() < deadline:
            self.crew.well()
            if not await self.store.rest(ends):
                return
            await asyncio.sleep(0.1)

    async def without_broker(self, *, kill: bool) -> None:
        """Stop the broker for a while."""
        await self.bus.close()
        await asyncio.to_thread(local.stop_kafka, self.stack.home, kill=kill)
        await asyncio.sleep(AWAY_S)
        await asyncio.to_thread(local.start_kafka, self.stack.home)
        self.bus = await Bus.open(self.stack.kafka)
        self.note("broker killed and started" if kill else "broker stopped and started")

    async def without_database(self, *, kill: bool) -> None:
        """Stop the database for a while. What a mailer has sent meanwhile it cannot write down."""
        self.crew.ends += 1
        await asyncio.to_thread(local.stop_mongo, self.stack.home, kill=kill)
        await asyncio.sleep(AWAY_S)
        await asyncio.to_thread(local.start_mongo, self.stack.home)
        self.note("database killed and started" if kill else "database stopped and started")

    async def grow(self, partitions: int) -> None:
        """Add partitions to the trade topic."""
        await self.bus.grow(TRADE, partitions)
        self.note(f"partitions of {TRADE} grown to {partitions}")

    async def forget_group(self) -> None:
        """Delete the consumer group's offsets; its members must be gone."""
        await until(lambda: self.bus.forget_group(self.group), 60, f"the members of {self.group} to be gone")
        self.note("group offsets deleted")

    async def erase(self) -> None:
        """Erase the customers who go, when all about them is read."""
        await self.quiet()
        await self.bus.send(map(wire_of, self.load.partings))
        await self.quiet()
        self.note(f"{len(self.load.gone)} customers erased")

    async def forget_inbox(self, day: int) -> None:
        """Drop the inboxes as when their months are over, and deliver once more what they knew, and older facts."""
        await self.quiet()
        forgotten = await self.store.forget_months()
        old = [(name, event) for name, event in self.load.accepted.items() if event.time < evening(day - 1)]
        passing = {name: event for name, event in old if passes(event) and event.subject not in self.load.gone}
        lasting = self.draw.sample([event for _, event in old if not passes(event)], k=min(500, len(old) // 4))
        self.load.again |= passing
        await self.bus.send(map(wire_of, [*passing.values(), *lasting]))
        self.note(f"{forgotten:,} ids forgotten with their months, {len(passing) + len(lasting):,} old events again")


def settings_of(prefix: str, group: str, smtp: int, load: Load) -> dict[str, str]:
    """What the processes of a run are told beside the stack's addresses.

    Small batches, so that there is much to interrupt; short waits, so that a run of minutes sees what hours would.
    """
    return {
        **terms.ENV,
        "RAPPORT_ALERTS_REFIT_DAYS": str(load.size.refit),
        "RAPPORT_WEBHOOK_SECRETS": SECRET,
        "RAPPORT_WEBHOOK_NETWORKS": "127.0.0.0/8",
        "RAPPORT_WEBHOOK_PORTS": str(load.port),
        "RAPPORT_WEBHOOK_HTTP": "true",
        "RAPPORT_MONGO_DATABASE_PREFIX": prefix,
        "RAPPORT_KAFKA_GROUP": group,
        "RAPPORT_ALERTS_SMTP_PORT": str(smtp),
        "RAPPORT_CLOCK": "events",
        "RAPPORT_BATCH_SIZE": "400",
        "RAPPORT_CLOCK_POLL_MS": "200",
        "RAPPORT_KAFKA_SESSION_TIMEOUT_MS": "3000",
        "RAPPORT_KAFKA_METADATA_MAX_AGE_MS": "2000",
        "RAPPORT_LOG_LEVEL": "info",
    }


@asynccontextmanager
async def opened(
    stack: local.Stack, load: Load, name: str, *, say: Callable[[str], None], env: dict[str, str] | None = None
) -> AsyncIterator[Run]:
    """A run on a stack, with empty topics, an empty database, a mailbox and a receiver of webhooks of its own;
    everything it starts it ends.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # brokers that are away are what this is about
    folder = stack.home / "runs" / name
    folder.mkdir(parents=True)
    LocalIssuer(Settings(home=stack.home)).ensure()
    await fresh_topics(stack.kafka)
    shutil.rmtree(stack.home / "mailbox", ignore_errors=True)
    mailbox, smtp = services.start_mailbox(stack)
    store, bus = Store.of(stack.mongo, name), await Bus.open(stack.kafka)
    group = f"faults.{name}"
    crew = Crew(stack, {**settings_of(name, group, smtp, load), **(env or {})}, folder)
    people, hooks = People(crew, load.size.seed), Hooks(port=load.port)
    run = Run(stack, load, bus, store, crew, people, hooks, folder, group, say, draw=Random(f"{load.size.seed}/run"))
    try:
        await store.drop()
        async with receiving(hooks):
            yield run
    finally:
        await people.end()
        await crew.disband()
        store.close()
        await run.bus.close()
        services.stop([mailbox], stack)

"""The cases of `make bench`, asked in turn, round by round."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from tests.bench import deadlines, gateway, imports, latency, million, ordinary, throughput
from tests.bench import limit as prepared
from tests.bench.ground import Ground, Stream, apart
from tests.bench.load import Load
from tests.bench.traded import Traded

LIMIT, SERVICE, FASTSTREAM, MILLION, LATENCY, CLOCK = "limit", "service", "faststream", "million", "latency", "clock"
GATEWAY, IMPORTS = "gateway", "imports"
CASES = (LIMIT, SERVICE, FASTSTREAM, MILLION, LATENCY, CLOCK, GATEWAY, IMPORTS)
RULES = "rules"  # asked for by name: the others stay comparable with what was measured before there were three rules
RULES_LIMIT = f"{RULES} limit"


@dataclass(frozen=True)
class Size:
    """How large a run is. `most` is what a process could take at the utmost, in events a second: so much lies ready."""

    rounds: int = 5
    seconds: float = 30.0
    customers: int = 20_000
    many: int = 1_000_000
    warm: int = 40_000
    most: int = 13_000
    rates: tuple[float, ...] = (20.0, 200.0)
    waiting: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    requests: tuple[int, ...] = (500, 1)  # events of one request to the gateway
    rows: int = 200_000  # of a file that is imported


QUICK = Size(
    rounds=1, seconds=2.0, customers=2_000, many=20_000, warm=4_000, rates=(20.0,), waiting=(100, 1_000), rows=5_000
)


@dataclass
class Run:
    """The figures of a run, by name, one a round."""

    ground: Ground
    size: Size
    day: date = field(default_factory=lambda: datetime.now(UTC).date())
    figures: dict[str, list[float]] = field(default_factory=dict)
    looked: list[deadlines.Looked] = field(default_factory=list)
    many: str = ""  # the database of many customers, once it is made

    def keep(self, name: str, value: float) -> None:
        """One round's figure."""
        self.figures.setdefault(name, []).append(value)

    def of(self, name: str) -> tuple[float, ...]:
        """A figure over the rounds."""
        return tuple(self.figures.get(name, ()))

    def ratio(self, above: str, below: str) -> tuple[float, ...]:
        """Two figures of the same round, one by the other, over the rounds."""
        return tuple(a / b for a, b in zip(self.of(above), self.of(below), strict=False))

    async def few(self) -> Stream:
        """The stream of the usual number of customers, with enough for a window."""
        size = self.size
        count = size.warm + int(size.seconds * size.most)
        return await self.ground.stream(Load("few", size.customers, self.day), count)

    async def limit(self) -> None:
        """Prepared batches."""
        load, size = Load("few", self.size.customers, self.day), self.size
        seen = await apart(prepared.measure, self.ground.stack.mongo, self.ground.name(), load, size.warm, size.seconds)
        self._throughput(LIMIT, seen)

    async def service(self) -> None:
        """A process of the service, from an empty database."""
        stream, prefix = await self.few(), self.ground.name()
        await self.ground.place(prefix, stream.begins)
        try:
            seen = await throughput.measure(self.ground, prefix, stream, self.size.warm, self.size.seconds)
        finally:
            await self.ground.forget(prefix)
        self._throughput(SERVICE, seen.applied)
        self._memory(SERVICE, seen.memory)

    async def rules(self) -> None:
        """Limit and service under a load that has all three rules at work."""
        size, load = self.size, Traded("traded", self.size.customers, self.day)
        warm = load.prelude + size.warm
        mongo, name = self.ground.stack.mongo, self.ground.name()
        self._throughput(RULES_LIMIT, await apart(prepared.measure, mongo, name, load, warm, size.seconds))
        stream, prefix = await self.ground.stream(load, warm + int(size.seconds * size.most)), self.ground.name()
        await self.ground.place(prefix, stream.begins)
        try:
            seen = await throughput.measure(self.ground, prefix, stream, warm, size.seconds)
        finally:
            await self.ground.forget(prefix)
        self._throughput(RULES, seen.applied)
        self._memory(RULES, seen.memory)

    async def faststream(self) -> None:
        """Ordinary handlers, without and with an inbox."""
        await self.few()
        stack, seconds = self.ground.stack, self.size.seconds
        for inbox, name in ((False, FASTSTREAM), (True, f"{FASTSTREAM} inbox")):
            # A warm-up as long as theirs would take minutes, and they keep nothing that would have to get warm.
            rate = await apart(
                ordinary.measure, stack.kafka, stack.mongo, self.ground.name(), 100, seconds, inbox=inbox
            )
            self.keep(name, rate)

    async def million(self) -> None:
        """A process of the service on a database of many customers, which stays from round to round."""
        size, load = self.size, Load("many", self.size.many, self.day)
        await self.few()  # first in the topic, where the ordinary handlers begin
        stream = await self.ground.stream(load, 1)
        if not self.many:
            self.many = self.ground.name()
            await million.fill(self.ground, self.many, load)
            await self.ground.place(self.many, stream.begins)
        read = await self.ground.read(self.many, stream)
        await self.ground.stream(load, read + size.warm + int(size.seconds * size.most))
        seen = await throughput.measure(self.ground, self.many, stream, size.warm, size.seconds)
        self._throughput(MILLION, seen.applied)
        self._memory(MILLION, seen.memory)

    async def latency(self) -> None:
        """Both ways at each rate."""
        for rate in self.size.rates:
            seen = await latency.measure(self.ground, self.day, rate, self.size.seconds)
            self.keep("commit", seen.commit)
            for way, times in (("resolved", seen.resolved), ("raised", seen.raised), ("mailed", seen.mailed)):
                self.keep(f"{way} p50 {rate:g}", times.p50)
                self.keep(f"{way} p99 {rate:g}", times.p99)
                self.keep(f"{way} x {rate:g}", times.p99 / seen.commit)
            self.keep(f"mail above {rate:g}", seen.mailed.p99 - seen.raised.p99)

    async def gateway(self) -> None:
        """The gateway and a bare producer, window by window in turn, for each size of a request."""
        load, seconds = Load("gate", self.size.customers, self.day), self.size.seconds / 6
        for events in self.size.requests:
            async with gateway.asked(self.ground, load, events) as ask:
                for _ in range(3):
                    bare, seen = await gateway.producer(self.ground, load, events, seconds), await ask(seconds)
                    self.keep(f"{GATEWAY} {events}", seen.micros)
                    self.keep(f"producer {events}", bare.micros)
                    self.keep(f"{GATEWAY} rate {events}", seen.rate)

    async def imports(self) -> None:
        """A file of invoices: into the database as raw documents, to the broker's word, and through to the alerts."""
        name, size = self.ground.name(), self.size
        books = imports.Books(name, size.rows, size.customers, self.day)
        rate = await apart(imports.raw, self.ground.stack.mongo, f"{name}_raw", books)
        self.keep(f"{IMPORTS} raw", rate)
        with tempfile.TemporaryDirectory() as folder:
            file = await asyncio.to_thread(books.write, Path(folder) / "invoices.csv")
            alone = await imports.measure(self.ground, books, file, through=False)
            beside = await imports.measure(self.ground, books, file, through=True)
        self.keep(f"{IMPORTS} taken", alone.taken)
        self.keep(f"{IMPORTS} taken beside", beside.taken)
        self.keep(f"{IMPORTS} applied", beside.applied)
        self._memory(IMPORTS, alone.memory)
        said = f"raw {rate:,.0f}, to the broker {alone.taken:,.0f}, through {beside.applied:,.0f} rows/s"
        self.ground.say(f"{IMPORTS}: {said}")

    async def clock(self) -> None:
        """The clock's query, once: what it examines does not vary."""
        if not self.looked:
            self.looked = await deadlines.measure(self.ground, self.size.waiting)

    def _throughput(self, name: str, seen: prepared.Applied) -> None:
        self.keep(name, seen.rate)
        self.keep(f"{name} outgoing", seen.outgoing)
        self.keep(f"{name} ticks", seen.ticks)
        self.ground.say(f"{name}: {seen.rate:,.0f} events/s")

    def _memory(self, name: str, samples: Sequence[float]) -> None:
        third = max(len(samples) // 3, 1)
        self.keep(f"{name} memory", max(samples))
        self.keep(f"{name} growth", max(samples[-third:]) - max(samples[:third]))


async def run(ground: Ground, size: Size, chosen: Sequence[str]) -> Run:
    """The chosen cases in turn, round by round."""
    held = Run(ground, size)
    known = [name for name in (*CASES, RULES) if name in chosen]
    asked: dict[str, Callable[[], Awaitable[None]]] = {name: getattr(held, name) for name in known}
    try:
        for turn in range(size.rounds):
            for name, ask in asked.items():
                ground.say(f"round {turn + 1} of {size.rounds}: {name}")
                await ask()
    finally:
        if held.many:
            await ground.forget(held.many)
    return held

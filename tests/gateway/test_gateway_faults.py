"""Gateway and broker die in turn, and the broker stands still; a stack of this file's own, for it breaks it."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import httpx
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.registry import TOPICS
from deploy.local import ports, services
from deploy.local import stack as local
from deploy.local.running import prepare
from deploy.local.state import load
from services.chassis.auth import Role
from services.chassis.settings import Settings
from services.chassis.tokens import LocalIssuer
from services.gateway.reading import BATCH
from tests.gateway.gatekit import invoice, unique
from tests.waiting import until

pytestmark = pytest.mark.stack
TOPIC = "rapport.trade"
SENDERS = 4
EVENTS = 20  # of a request


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[local.Stack]:
    home = tmp_path_factory.mktemp("gateway-faults")
    up = local.up(home, given=local.Given())
    yield up
    local.wipe(home)


@dataclass
class Process:
    """The gateway as a process, always at the same address."""

    stack: local.Stack
    env: dict[str, str]
    running: services.Running | None = None

    async def start(self) -> None:
        """Start it and wait until it can work."""
        started = await asyncio.to_thread(services.start_service, self.stack, "gateway", self.env)
        # At the port it has had from the first start on, and not at the one that was chosen for this.
        self.running = replace(started, url=f"http://127.0.0.1:{self.env['RAPPORT_GATEWAY_HTTP_PORT']}")
        await asyncio.to_thread(services.wait_ready, [self.running])

    async def kill(self) -> None:
        """As the machine's death would."""
        assert self.running is not None
        os.kill(self.running.process.pid, signal.SIGKILL)
        await asyncio.to_thread(services.stop, [self.running], self.stack)

    @property
    def memory(self) -> float:
        """Its resident memory in MB."""
        assert self.running is not None
        return float(psutil.Process(self.running.process.pid).memory_info().rss) / 1e6


@asynccontextmanager
async def gateway(stack: local.Stack, **settings: str) -> AsyncIterator[Process]:
    """A process of the gateway on that stack."""
    await asyncio.to_thread(local.start_kafka, stack.home)
    await asyncio.to_thread(prepare, stack)
    env = {"RAPPORT_GATEWAY_HTTP_PORT": str(ports.choose()), "RAPPORT_LOG_LEVEL": "error"}
    process = Process(stack, env | {f"RAPPORT_{name}": value for name, value in settings.items()})
    await process.start()
    try:
        yield process
    finally:
        assert process.running is not None
        await asyncio.to_thread(services.stop, [process.running], stack)


@dataclass
class Senders:
    """Systems that send without a pause, each request until it is accepted; what was accepted is noted down."""

    process: Process
    customer: str = field(default_factory=unique)
    accepted: set[str] = field(default_factory=set)
    statuses: dict[int, int] = field(default_factory=dict)
    pauses: list[int] = field(default_factory=list)
    stopping: bool = False
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    async def send(self, size: int = EVENTS, memo: str = "") -> None:
        """One of them, until told to stop."""
        assert self.process.running is not None
        token = LocalIssuer(Settings(home=self.process.stack.home)).issue("erp", [Role.SYSTEM])
        headers = {"Authorization": f"Bearer {token}", "Content-Type": BATCH}
        async with httpx.AsyncClient(base_url=self.process.running.url, headers=headers, timeout=60) as client:
            while not self.stopping:
                events: list[Any] = [invoice(self.customer, next(self._numbers)) for _ in range(size)]
                for event in events:
                    event["data"]["memo"] = memo
                await until(partial(self._over, client, events), "the request to be taken", deadline_s=120)

    async def _over(self, client: httpx.AsyncClient, events: list[Any]) -> bool:
        return self.stopping or await self._once(client, events)

    async def _once(self, client: httpx.AsyncClient, events: list[Any]) -> bool:
        with suppress(httpx.TransportError):
            answer = await client.post("/events", json=events)
            self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
            if answer.status_code == 429:
                self.pauses.append(int(answer.headers["retry-after"]))
                assert "verdicts" not in answer.json(), "nothing of it was taken"
            self.accepted |= {one["id"] for one in answer.json().get("verdicts", ()) if one["verdict"] == "accepted"}
            return answer.status_code == 200
        return False

    @asynccontextmanager
    async def at_work(self, number: int = SENDERS, **options: int | str) -> AsyncIterator[None]:
        """So many of them side by side."""
        tasks = [asyncio.create_task(self.send(**options)) for _ in range(number)]  # type: ignore[arg-type]
        try:
            yield
        finally:
            self.stopping = True
            await asyncio.gather(*tasks)

    async def more(self, least: int = 200) -> None:
        """Wait until so many more are accepted."""
        wanted = len(self.accepted) + least
        await until(lambda: len(self.accepted) >= wanted, f"{least} more to be accepted", deadline_s=60)


async def there(kafka: str, customer: str) -> set[str]:
    """The ids of a customer's events that are in the topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(TOPIC, number) for number in range(TOPICS[TOPIC].partitions)]
        consumer.assign(places)
        ends, found = await consumer.end_offsets(places), set[str]()
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found |= {dict(one.headers)["ce_id"].decode() for one in records if one.key == customer.encode()}
        return found
    finally:
        await consumer.stop()


async def killed_in_turn(own: local.Stack, times: int) -> None:
    async with gateway(own, GATEWAY_SLOW_MS="30000") as process:
        senders = Senders(process)
        async with senders.at_work():
            for turn in range(times):
                await senders.more()
                if turn % 2 == 0:
                    await process.kill()
                    await process.start()
                else:
                    await asyncio.to_thread(local.stop_kafka, own.home, kill=True)
                    await asyncio.to_thread(local.start_kafka, own.home)
            await senders.more()
        lost = senders.accepted - await there(own.kafka, senders.customer)
        assert not lost, f"{len(lost)} of {len(senders.accepted)} acknowledged events are gone"


async def test_nothing_acknowledged_is_lost_when_gateway_and_broker_are_killed_in_turn(own: local.Stack) -> None:
    await killed_in_turn(own, 3)


@pytest.mark.long
async def test_nothing_acknowledged_is_lost_over_twenty_kills(own: local.Stack) -> None:
    await killed_in_turn(own, 20)


async def test_while_the_broker_stands_still_senders_are_told_to_come_later_and_memory_stays_flat(
    own: local.Stack,
) -> None:
    settings = {"GATEWAY_SLOW_MS": "500", "GATEWAY_HELD_BYTES": "4000000", "GATEWAY_ANSWER_SECONDS": "5"}
    async with gateway(own, **settings) as process:
        senders = Senders(process)
        broker = load(local.place_of(own.home)).parts["kafka"].pid
        async with senders.at_work(30, size=100, memo="x" * 2000):
            await senders.more()
            before, samples = process.memory, list[float]()
            os.kill(broker, signal.SIGSTOP)
            try:

                def turned_away() -> bool:
                    samples.append(process.memory)
                    return senders.statuses.get(429, 0) >= 300 and 503 in senders.statuses

                await until(turned_away, "300 requests to be turned away", deadline_s=60)
            finally:
                os.kill(broker, signal.SIGCONT)
            await senders.more()
    assert max(samples) - before < 80, f"from {before:.0f} MB to {max(samples):.0f}"
    assert all(1 <= pause <= 30 for pause in senders.pauses)
    assert set(senders.statuses) == {200, 429, 503}
    assert senders.accepted <= await there(own.kafka, senders.customer)

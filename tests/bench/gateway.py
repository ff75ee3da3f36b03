"""What an event costs at the gateway, in processor time of its process, beside what it costs a producer that says the
same records in the same batches to the same broker, and does nothing else.

The producer has the gateway's own settings, which are its best: with aiokafka's own (batches of 16 KB) it costs more.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import psutil
import uvloop
from aiokafka import AIOKafkaProducer

from contracts.envelope import Event, Record, encode_json
from deploy.local import services
from services.chassis.auth import Role
from services.chassis.process import calm_collector
from services.chassis.settings import Settings
from services.chassis.tokens import LocalIssuer
from tests.bench.ground import TRADE, Ground, apart
from tests.bench.load import Load, record, sized

BATCH_BYTES = 256_000  # RAPPORT_GATEWAY_RECORD_BATCH_BYTES
DIFFERENT = (
    10_000  # events that are made before the measurement, of batches 1,000 at most; they are said again and again
)
WARM_S = 1.0


Ask = Callable[[float], Awaitable["Cost"]]


@dataclass(frozen=True)
class Cost:
    """Of one window: microseconds of processor time an event, and events a second, one request after another."""

    micros: float
    rate: float


@asynccontextmanager
async def asked(ground: Ground, load: Load, size: int) -> AsyncIterator[Ask]:
    """A process of the gateway, to be asked for so many seconds with batches of `size` by one sender."""
    bodies = [b"[" + b",".join(map(written, some)) + b"]" for some in batches(load, size)]
    token = LocalIssuer(Settings(home=ground.stack.home)).issue("bench", [Role.SYSTEM])
    env = {"RAPPORT_MONGO_DATABASE_PREFIX": ground.name(), "RAPPORT_LOG_LEVEL": "warning"}
    running = await asyncio.to_thread(services.start_service, ground.stack, "gateway", env)
    try:
        await asyncio.to_thread(services.wait_ready, [running])
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/cloudevents-batch+json"}
        async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=60) as client:
            process = psutil.Process(running.process.pid)

            async def ask(seconds: float) -> Cost:
                await _asked(client, process, bodies, size, WARM_S)
                return await _asked(client, process, bodies, size, seconds)

            yield ask
    finally:
        await asyncio.to_thread(services.stop, [running], ground.stack)
        await ground.client.drop_database(f"{env['RAPPORT_MONGO_DATABASE_PREFIX']}_gateway")


async def _asked(
    client: httpx.AsyncClient, process: psutil.Process, bodies: Sequence[bytes], size: int, seconds: float
) -> Cost:
    spent, began, events = _spent(process), time.perf_counter(), 0
    for body in itertools.cycle(bodies):
        answer = await client.post("/events", content=body)
        if answer.status_code != 200:
            raise RuntimeError(f"the gateway answered {answer.status_code}: {answer.text[:500]}")
        events += size
        if (past := time.perf_counter() - began) >= seconds:
            break
    return Cost((_spent(process) - spent) / events * 1e6, events / past)


def _spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def producer(ground: Ground, load: Load, size: int, seconds: float) -> Cost:
    """A producer in a process of its own."""
    return await apart(produced, ground.stack.kafka, load, size, seconds)


def produced(kafka: str, load: Load, size: int, seconds: float) -> Cost:
    """What a producer here costs; for a process of its own."""
    records = [[record(event) for event in some] for some in batches(load, size)]
    calm_collector()  # as the services have it
    return uvloop.run(_produced(kafka, records, size, seconds))


async def _produced(kafka: str, batches: Sequence[Sequence[Record]], size: int, seconds: float) -> Cost:
    made = AIOKafkaProducer(
        bootstrap_servers=kafka, enable_idempotence=True, acks="all", linger_ms=0, max_batch_size=BATCH_BYTES
    )
    await made.start()
    try:
        await _said(made, batches, size, WARM_S)
        return await _said(made, batches, size, seconds)
    finally:
        await made.stop()


async def _said(producer: AIOKafkaProducer, batches: Sequence[Sequence[Record]], size: int, seconds: float) -> Cost:
    spent, began, events = time.process_time(), time.perf_counter(), 0
    for batch in itertools.cycle(batches):
        words = [await producer.send(TRADE, key=one.key, value=one.value, headers=one.headers) for one in batch]
        await asyncio.gather(*words)
        events += size
        if (past := time.perf_counter() - began) >= seconds:
            break
    return Cost((time.process_time() - spent) / events * 1e6, events / past)


def batches(load: Load, size: int) -> list[list[Event]]:
    """The events in batches of that size."""
    events = list(load.events(0, min(1000, max(1, DIFFERENT // size)) * size))
    return [events[at : at + size] for at in range(0, len(events), size)]


def written(event: Event) -> bytes:
    """A structured event as its sender writes it, with data of the size that records have."""
    head, data, tail = encode_json(event).partition(b'"data":{')
    return head + data[:-1] + sized(b"{" + tail[:-1]) + b"}"

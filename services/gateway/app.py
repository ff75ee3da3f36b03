"""The gateway, wired: its sender, its sources and its API around the chassis."""

from __future__ import annotations

from aiokafka import AIOKafkaProducer

from services.chassis.runtime import Runtime
from services.chassis.security import kafka_options
from services.gateway.admission import Admission
from services.gateway.api import build
from services.gateway.gate import Gate
from services.gateway.handlers import gateway_service
from services.gateway.imports.run import Importer
from services.gateway.letters.carry import Carrier
from services.gateway.letters.read import LetterReader
from services.gateway.metrics import GatewayMetrics
from services.gateway.model.scope import INTAKE
from services.gateway.registry import Registry
from services.gateway.sender import Sender
from services.gateway.settings import GatewaySettings


def producer(settings: GatewaySettings) -> AIOKafkaProducer:
    """A producer, to be started in the loop that uses it."""
    return AIOKafkaProducer(
        **kafka_options(settings),
        client_id="rapport-gateway",
        enable_idempotence=True,
        acks="all",
        linger_ms=0,
        max_batch_size=settings.gateway_record_batch_bytes,
        metadata_max_age_ms=settings.kafka_metadata_max_age_ms,
    )


def gate_of(runtime: Runtime, settings: GatewaySettings) -> Gate:
    """The way of events on an open runtime. Its `sender` and `registry` are workers to be run."""
    metrics = GatewayMetrics(runtime.metrics.registry)

    async def connect() -> AIOKafkaProducer:
        made = producer(settings)
        try:
            await made.start()
        except BaseException:
            await made.stop()
            raise
        return made

    sender = Sender(connect, metrics, list(INTAKE))
    runtime.health.add("sender", sender.answers)
    return Gate(
        sender,
        Admission(sender, metrics, most=settings.gateway_held_bytes, slow_ms=settings.gateway_slow_ms),
        Registry(runtime.db, metrics, settings.gateway_sources_seconds, settings.gateway_silence_least_seconds),
        metrics,
        most=settings.gateway_batch_events,
        patience=settings.gateway_answer_seconds,
    )


def importer_of(runtime: Runtime, settings: GatewaySettings, gate: Gate) -> Importer:
    """What carries imports out; a worker, to be stopped before the sender."""
    return Importer(
        runtime.db,
        runtime.leases,
        gate.sender,
        gate.registry,
        gate.metrics,
        every=settings.gateway_sources_seconds,
        days=settings.gateway_import_days,
    )


def clinic_of(runtime: Runtime, settings: GatewaySettings, gate: Gate) -> tuple[LetterReader, Carrier]:
    """What reads dead letters, and what sends them again; workers, to be stopped before the sender."""
    carrier = Carrier(
        runtime.db,
        runtime.leases,
        gate.sender,
        gate.metrics,
        every=settings.gateway_sources_seconds,
        days=settings.gateway_letter_days,
    )
    reader = LetterReader(runtime.db, runtime.leases, kafka_options(settings), gate.metrics)
    return reader, carrier


async def serve(settings: GatewaySettings) -> None:
    """Serve until told to stop."""
    runtime = await Runtime.open(gateway_service(), settings)
    gate = gate_of(runtime, settings)
    importer = importer_of(runtime, settings, gate)
    reader, carrier = clinic_of(runtime, settings, gate)
    app = build(runtime, gate, importer, carrier, settings)
    await runtime.run(app, [reader, carrier, importer, gate.sender, gate.registry])

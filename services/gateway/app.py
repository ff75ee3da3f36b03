"""The gateway, wired: its sender, its sources and its API around the chassis."""

from __future__ import annotations

from aiokafka import AIOKafkaProducer

from services.chassis.producer import producer
from services.chassis.runtime import Runtime
from services.chassis.security import kafka_options
from services.gateway.admission import Admission
from services.gateway.api import build
from services.gateway.gate import Gate
from services.gateway.handlers import gateway_service
from services.gateway.imports.folder import Folder, Rules
from services.gateway.imports.run import Importer
from services.gateway.letters.carry import Carrier
from services.gateway.letters.read import LetterReader
from services.gateway.metrics import GatewayMetrics
from services.gateway.model.scope import INTAKE
from services.gateway.registry import Registry
from services.gateway.sender import Sender
from services.gateway.settings import GatewaySettings


def gate_of(runtime: Runtime, settings: GatewaySettings) -> Gate:
    """The way of events on an open runtime. Its `sender` and `registry` are workers to be run."""
    metrics = GatewayMetrics(runtime.metrics.registry)

    async def connect() -> AIOKafkaProducer:
        return await producer(
            settings,
            client_id="rapport-gateway",
            max_batch_size=settings.gateway_record_batch_bytes,
            metadata_max_age_ms=settings.kafka_metadata_max_age_ms,
        )

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


def folders_of(runtime: Runtime, settings: GatewaySettings, gate: Gate, importer: Importer) -> list[Folder]:
    """What watches the folder, where there is one; a worker, to be stopped before the importer."""
    if settings.gateway_folder is None:
        return []
    rules = Rules(
        every=settings.gateway_folder_seconds,
        settle=settings.gateway_folder_settle_seconds,
        most=settings.gateway_import_bytes,
        waiting=settings.gateway_imports_waiting,
    )
    top = settings.gateway_folder
    return [Folder(top, runtime.db, runtime.leases, gate.registry, importer, gate.metrics, rules)]


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
    folders = folders_of(runtime, settings, gate, importer)
    reader, carrier = clinic_of(runtime, settings, gate)
    app = build(runtime, gate, importer, carrier, settings)
    await runtime.run(app, [*folders, reader, carrier, importer, gate.sender, gate.registry])

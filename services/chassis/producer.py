"""The way to write to the broker: idempotent, acknowledged by all replicas, sent at once."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaProducer

from .security import kafka_options
from .settings import Settings


async def producer(settings: Settings, **more: Any) -> AIOKafkaProducer:
    """A started producer; `more` are further options of aiokafka's.

    Raises:
        KafkaError: the broker is away. Nothing stays open.
        CertificateError: a certificate or key that the settings name cannot be used.
    """
    made = AIOKafkaProducer(**kafka_options(settings), enable_idempotence=True, acks="all", linger_ms=0, **more)
    try:
        await made.start()
    except BaseException:
        await made.stop()
        raise
    return made

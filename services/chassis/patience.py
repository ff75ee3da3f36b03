"""Waiting for the broker: whoever starts before it, or while it is away, goes on trying."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiokafka.errors import KafkaError

LONGEST = 2.0  # seconds between two tries
log = structlog.get_logger(__name__)


async def patiently(start: Callable[[], Awaitable[None]]) -> None:
    """Start something that needs the broker, however long that is away."""
    delay = 0.2
    while True:
        try:
            await start()
        except (KafkaError, OSError) as error:
            log.warning("broker.away", error=type(error).__name__, next="check RAPPORT_KAFKA_BOOTSTRAP; trying again")
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST)
        else:
            return

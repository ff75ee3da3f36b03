"""Events in: none. What comes in by HTTP goes out to Kafka, and nothing of it stays here (README.md, "Owns")."""

from __future__ import annotations

from contracts.envelope import Event
from services.chassis.aggregate import Desk
from services.chassis.mongo import Database, Doc
from services.chassis.service import Service
from services.gateway.store import COLLECTIONS


def gateway_service() -> Service:
    """The gateway: it takes nothing from the bus and folds nothing."""
    service = Service("gateway", extra=COLLECTIONS)
    service.eraser = forget
    service.exporter = export
    return service


def forget(desk: Desk, event: Event) -> None:
    """Nothing is kept by customer: an event is passed on or refused, and its words are in neither database nor log."""


async def export(db: Database, subject: str) -> dict[str, list[Doc]]:
    """Nothing is held about any customer."""
    return {}

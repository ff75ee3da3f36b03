"""Events in: none. What comes in by HTTP goes out to Kafka, and little of it stays here (README.md, "Owns")."""

from __future__ import annotations

from contracts.envelope import Event
from services.chassis.aggregate import Desk
from services.chassis.mongo import Database, Doc
from services.chassis.service import Service
from services.gateway.imports.store import REFUSED, refused_about
from services.gateway.store import COLLECTIONS


def gateway_service() -> Service:
    """The gateway: it takes nothing from the bus and folds nothing."""
    service = Service("gateway", extra=COLLECTIONS)
    service.eraser = forget
    service.exporter = export
    return service


def forget(desk: Desk, event: Event | None) -> None:
    """Nothing is kept by customer: an event is passed on or refused, and its words are in neither database nor log.
    Refused rows of imports, and the bytes of a file until it is done, go by themselves (README.md, "Owns").
    """


async def export(db: Database, subject: str) -> dict[str, list[Doc]]:
    """Rows of imports that were refused and still wait to be corrected, with the customer's id in a cell."""
    return {REFUSED.name: await refused_about(db, subject)}

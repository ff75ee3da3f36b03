"""Events in: who is erased. What comes in by HTTP goes out to Kafka; little of it stays here (README.md, "Owns")."""

from __future__ import annotations

from contracts.envelope import Event
from contracts.events.lifecycle import ProfileErased
from services.chassis.aggregate import Desk
from services.chassis.mongo import Database, Doc
from services.chassis.service import Service
from services.gateway.imports.store import REFUSED, refused_about
from services.gateway.letters.store import BARED, CASES, PARTIES, about
from services.gateway.store import COLLECTIONS


def gateway_service() -> Service:
    """The gateway: of all that the bus says it takes erasures alone."""
    service = Service("gateway", feeds=("rapport.lifecycle",), extra=COLLECTIONS, bared={CASES.name: BARED})
    service.on(ProfileErased, PARTIES)(forget)
    service.eraser = forget
    service.exporter = export
    return service


def forget(desk: Desk, event: Event | None) -> None:
    """Of dead letters ids and reason stay. An event is passed on or refused, and its words are in neither database nor
    log; refused rows of imports, and the bytes of a file until it is done, go by themselves (README.md, "Owns").
    """
    desk.erase_subject()


async def export(db: Database, subject: str) -> dict[str, list[Doc]]:
    """Rows of imports that were refused and still wait to be corrected, with the customer's id in a cell; and dead
    letters about him.
    """
    return {REFUSED.name: await refused_about(db, subject), CASES.name: await about(db, subject)}

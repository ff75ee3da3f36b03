"""The lab's service where accounts can be one customer, and its worker."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any, cast

import msgspec

from contracts.envelope import Event
from contracts.events.customers import CustomerErased, CustomerMerged, CustomerUnmerged, OutputDeclared
from services.chassis.aggregate import Desk, Part
from services.chassis.apply import Applier
from services.chassis.lease import Leases
from services.chassis.mongo import Doc
from services.chassis.service import Before, Service
from services.chassis.ties import Tie
from services.chassis.withdraw import LEASE, Withdrawals
from tests.chassis.lab import CARDS, NOW, Card, Lab, Slip, erased, lab_service, said, told


class Letter(msgspec.Struct, frozen=True):
    """Something that was sent about an account's doings."""

    text: str
    account: str = ""


LETTERS = Part("letters", Letter, CARDS, derived=False)
Seen = list[tuple[str, str, list[str]]]


def tying_service(seen: Seen | None = None) -> Service:
    """`seen`: what the service is told after accounts were regrouped: subject, why, and what was there before."""
    service = lab_service()
    service.stores(LETTERS)
    service.on(CustomerMerged, CARDS, ties=partial(_tie, True))(_noted)
    service.on(CustomerUnmerged, CARDS, ties=partial(_tie, False))(_noted)
    service.on(OutputDeclared, CARDS, of_root=True)(_own)
    service.handlers[CustomerErased.TYPE] = whole(service.handlers[CustomerErased.TYPE])
    service.eraser = erased

    def compare(desk: Desk, before: Before) -> None:
        if seen is not None and before.because:
            seen.append(
                (desk.subject, before.because, sorted(f"{kind}/{key}" for kind, key in before.documents if key))
            )

    service.after_refold(CARDS)(compare)
    return service


def whole(handler: Any) -> Any:
    """The handler, about the whole customer."""
    return type(handler)(handler.fold, handler.head, handler.keep, to_root=True)


def _tie(holds: bool, event: Event) -> Tie:
    return Tie(cast("CustomerMerged", event.data).merged_id, holds, int(event.time.timestamp() * 1000))


def _noted(desk: Desk, event: Event) -> None:
    """The row says it."""


def _own(desk: Desk, event: Event) -> None:
    """What is said of an account itself."""
    card = desk.get(CARDS) or Card()
    desk.put(CARDS, msgspec.structs.replace(card, trail=(*card.trail, f"own:{event.subject}")))


def wrote(desk: Desk, text: str, account: str = "") -> None:
    """A letter goes out."""
    desk.put(LETTERS, Letter(text, account), text)


def merged(into: str, account: str, rank: int = 0, event_id: str = "") -> Event:
    return said(CustomerMerged(merged_id=account), into, event_id, at=NOW + timedelta(seconds=rank))


def unmerged(into: str, account: str, rank: int = 1, event_id: str = "") -> Event:
    return said(CustomerUnmerged(merged_id=account), into, event_id, at=NOW + timedelta(seconds=rank))


def added(account: str, n: int, event_id: str = "") -> Event:
    return told("add", n, account, event_id)


def worker(lab: Lab, applier: Applier) -> Withdrawals:
    """What brings ties to effect."""
    return Withdrawals(applier, Leases(lab.db, applier.sessions.holder, 60_000), 0.05)


async def settle(lab: Lab, applier: Applier) -> None:
    """Let all ties take effect that have come."""
    one = worker(lab, applier)
    while await one.round():
        pass
    await one.leases.release(LEASE)


async def everything(lab: Lab, *accounts: str) -> dict[str, list[Doc]]:
    """All that is stored of these accounts but the chassis' own counting."""
    own = {"v": 0, "spoke": 0, "fv": 0, "heard": 0, "ticked": 0, "kin": 0}
    found: dict[str, list[Doc]] = {}
    for kind in ("cards", "slips", "notes", "letters"):
        where: Doc = {"_id": {"$in": list(accounts)}} if kind == "cards" else {"s": {"$in": list(accounts)}}
        found[kind] = [doc async for doc in lab.db[kind].find(where, projection=own).sort("_id", 1)]
    found["ledger"] = [
        {"_id": row["_id"], "s": row["s"], "a": row.get("a")}
        async for row in lab.db["ledger"].find({"s": {"$in": list(accounts)}, "m": None}).sort("_id", 1)
    ]
    return found


__all__ = ["LETTERS", "Slip", "added", "everything", "merged", "settle", "tying_service", "unmerged", "worker", "wrote"]

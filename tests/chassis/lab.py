"""A service made to be watched: each event tells its fold what to do. And what tests need around it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar, cast

import msgspec
from pydantic import SecretStr

from contracts.envelope import Event, encode, encode_data
from contracts.events.customers import CustomerErased, CustomerLinked, RequirementStated
from contracts.events.lifecycle import OwnerChanged
from contracts.payload import Payload
from contracts.refusal import Refused
from contracts.registry import topic_of
from services.chassis.aggregate import Desk, Head, Part
from services.chassis.apply import Applier
from services.chassis.cache import StateCache
from services.chassis.ledger import Ledger
from services.chassis.metrics import Metrics
from services.chassis.mongo import Client, Database, Doc, connect, database, ensure
from services.chassis.runtime import OWN
from services.chassis.service import Service
from services.chassis.sessions import Sessions
from services.chassis.settings import Settings
from services.chassis.work import Origin, Work, event_work

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


class Card(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a customer: a sum, what was folded in which order, and how often waiting ended."""

    n: int = 0
    trail: tuple[str, ...] = ()
    ticks: int = 0
    copy: str = ""


class Slip(msgspec.Struct, frozen=True):
    """One of the things a customer has many of."""

    n: int = 0
    ticks: int = 0


CARDS = Head("cards", Card, clocked=True, copied=("copy",))
SLIPS = Part("slips", Slip, CARDS, clocked=True)
NOTES = Part("notes", Slip, CARDS, derived=False)


def follow(desk: Desk, event: Event) -> None:
    """Do what the event says: `system` is the verb, `local_id` its object."""
    order = cast("CustomerLinked", event.data)
    card = desk.get(CARDS) or Card()
    VERBS[order.system](desk, msgspec.structs.replace(card, trail=(*card.trail, event.id)), order.local_id)


def _add(desk: Desk, card: Card, what: str) -> None:
    desk.put(CARDS, msgspec.structs.replace(card, n=card.n + int(what)))


def _say(desk: Desk, card: Card, what: str) -> None:
    desk.put(CARDS, card)
    desk.emit(OwnerChanged(owner_id=what, valid_from=date(2026, 3, 1)))


def _wait(desk: Desk, card: Card, what: str) -> None:
    desk.put(CARDS, card, due=desk.now + timedelta(milliseconds=float(what)))


def _slip(desk: Desk, card: Card, what: str) -> None:
    held = desk.get(SLIPS, what) or Slip()
    desk.put(SLIPS, msgspec.structs.replace(held, n=held.n + 1), what)


def _all(desk: Desk, card: Card, what: str) -> None:
    desk.put(CARDS, msgspec.structs.replace(card, n=sum(slip.n for slip in desk.all(SLIPS).values())))


def _first(desk: Desk, card: Card, what: str) -> None:
    if len(card.trail) > 1:
        raise Refused("not_first", "Something was there before.")
    desk.put(CARDS, card)


def _no(desk: Desk, card: Card, what: str) -> None:
    raise Refused("not_wanted", "Nobody wants this.", "$.system")


def _boom(desk: Desk, card: Card, what: str) -> None:
    _say(desk, Card(n=-1), "lost")
    raise RuntimeError("boom")


def _huge(desk: Desk, card: Card, what: str) -> None:
    desk.put(CARDS, msgspec.structs.replace(card, n=2**70))


VERBS: dict[str, Callable[[Desk, Card, str], None]] = {
    "add": _add,
    "say": _say,
    "wait": _wait,
    "slip": _slip,
    "drop": lambda desk, card, what: desk.drop(SLIPS, what),
    "note": lambda desk, card, what: desk.put(NOTES, Slip(1), what),
    "all": _all,
    "first": _first,
    "no": _no,
    "boom": _boom,
    "huge": _huge,
    "nothing": lambda desk, card, what: None,
}


def copied(desk: Desk, event: Event) -> None:
    """A snapshot: the latest text counts."""
    card = desk.get(CARDS) or Card()
    told = cast("RequirementStated", event.data)
    desk.put(CARDS, msgspec.structs.replace(card, copy=told.need, n=card.n + 1))


def erased(desk: Desk, event: Event | None) -> None:
    """The customer is forgotten."""
    desk.erase_subject()


def card_due(desk: Desk, key: str, card: Card) -> None:
    """Waiting has ended."""
    desk.put(CARDS, msgspec.structs.replace(card, ticks=card.ticks + 1))
    desk.emit(OwnerChanged(owner_id="clock", valid_from=date(2026, 3, 1)))


def lab_service(**options: Any) -> Service:
    """The service under the name whose dead letters have a topic."""
    service = Service("profiles", feeds=("rapport.customers",), **options)
    service.stores(CARDS, SLIPS, NOTES)
    service.on(CustomerLinked, CARDS)(follow)
    service.on(RequirementStated, CARDS, keep=False)(copied)
    service.on(CustomerErased, CARDS)(erased)
    service.command(OwnerChanged, CARDS)(
        lambda desk, event: desk.put(CARDS, Card(trail=(*(desk.get(CARDS) or Card()).trail, event.id)))
    )
    service.due(CARDS)(card_due)
    return service


class LabSettings(Settings):
    """Settings of the lab's processes."""

    SERVICE: ClassVar[str] = "profiles"


def unique(prefix: str = "C") -> str:
    """A name nobody else has."""
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def said(payload: Payload, subject: str, event_id: str = "", *, source: str = "crm", at: datetime = NOW) -> Event:
    """An event as a company system says it."""
    return Event(id=event_id or unique("e"), source=source, type=payload.TYPE, subject=subject, time=at, data=payload)


def told(verb: str, what: object, subject: str, event_id: str = "", *, at: datetime = NOW) -> Event:
    """An event that tells the lab's fold what to do."""
    return said(CustomerLinked(system=verb, local_id=str(what)), subject, event_id, at=at)


def work_for(service: Service, event: Event, now: datetime = NOW, offset: int = 0) -> Work:
    """The event as read from its topic."""
    record = encode(event)
    origin = Origin(topic_of(event.type), 0, offset, record.key, record.value, tuple(record.headers))
    return event_work(event, service.handlers[event.type], now, origin, encode_data(event.data))


@dataclass
class Lab:
    """A database of the lab's own, and appliers on it."""

    client: Client
    db: Database
    service: Service = field(default_factory=lab_service)
    opened: list[Sessions] = field(default_factory=list)

    async def applier(self, *, cache: int = 1000, small: int = 256, lanes: int = 2) -> Applier:
        """An applier as a process of its own would have it."""
        sessions = Sessions(self.client, self.db, count=lanes + 2)
        await sessions.open()
        self.opened.append(sessions)
        metrics = Metrics()
        return Applier(
            self.service, self.db, sessions, Ledger(self.db), metrics, StateCache(cache, 1000), lanes=lanes, small=small
        )

    def works(self, events: Iterable[Event], now: datetime = NOW) -> list[Work]:
        """Events as a batch."""
        return [work_for(self.service, event, now, n) for n, event in enumerate(events)]

    async def card(self, subject: str) -> Card | None:
        """The stored card."""
        doc = await self.db["cards"].find_one({"_id": subject})
        return msgspec.convert(doc["state"], Card) if doc and "state" in doc else None

    async def slips(self, subject: str) -> dict[str, int]:
        """The stored slips: how often each was said."""
        return {doc["k"]: doc["state"]["n"] async for doc in self.db["slips"].find({"s": subject})}

    async def dead(self, subject: str) -> list[Doc]:
        """Dead letters about a subject."""
        return [doc async for doc in self.db["dead"].find({"subject": subject}).sort("_id", 1)]

    async def outbox(self, subject: str) -> list[Doc]:
        """What waits to be sent under a key, in order."""
        return [doc async for doc in self.db["outbox"].find({"key": subject.encode()}).sort("at", 1)]

    async def facts(self, subject: str) -> list[str]:
        """Ids of a subject's ledger rows, in order."""
        return [row["_id"] for row in await Ledger(self.db).rows(subject)]


@asynccontextmanager
async def opened(uri: str, service: Service | None = None) -> AsyncIterator[Lab]:
    """A lab on a new database, which goes with it."""
    client = connect(uri, serverSelectionTimeoutMS=5000)
    db = database(client, unique("lab"))
    lab = Lab(client, db, service or lab_service())
    try:
        kinds = [kind.collection() for kind in lab.service.kinds.values()]
        await ensure(db, [*OWN, *kinds])
        yield lab
    finally:
        for sessions in lab.opened:
            await sessions.close()
        await client.drop_database(db.name)
        client.close()


def lab_settings(kafka: str, mongo: str, run: str, **more: Any) -> LabSettings:
    """Settings of a process of the lab: impatient, so that tests are quick."""
    quick: dict[str, Any] = {
        "kafka_bootstrap": kafka,
        "mongo_uri": SecretStr(mongo),
        "mongo_database_prefix": run,
        "kafka_group": run,
        "kafka_session_timeout_ms": 6000,
        "kafka_metadata_max_age_ms": 1000,
        "clock_poll_ms": 50,
        "outbox_poll_ms": 50,
        "lease_ms": 1500,
        "http_port": 0,
    }
    return LabSettings(**(quick | more))

"""What the HTTP API reads from the database, and who may see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal, TypeVar

from services.alerts.model.account import Account
from services.alerts.model.alert import Alert
from services.alerts.model.balance import apart
from services.alerts.model.notification import Notification
from services.alerts.model.open_item import OpenItem
from services.alerts.model.order import Order
from services.alerts.model.rules import receivable_over_limit
from services.alerts.model.settlement import Settlement
from services.alerts.model.signals import of_churn, signals
from services.alerts.model.staff import Colleague, gone
from services.alerts.reads_signals import trade_of
from services.alerts.store import (
    ACCOUNTS,
    ALERTS,
    FALLEN,
    ITEMS,
    NOTES,
    NOTIFICATIONS,
    ORDERS,
    RHYTHMS,
    SETTLEMENTS,
    STAFF,
    Item,
    Note,
    Owned,
    RhythmCard,
    invoice_key,
)
from services.alerts.why import Behind, Found, invoice_of, last_accepted, refs
from services.chassis.auth import Caller, Role
from services.chassis.mongo import Database, Doc, find, from_doc
from services.chassis.pages import Position, Window
from services.chassis.problems import Problem, missing

T = TypeVar("T")
Listed = Literal["standing", "resolved", "all"]
STANDING: Final = ("raised", "notified", "acknowledged", "snoozed")
STATES: Final[Mapping[Listed, tuple[str, ...]]] = {
    "standing": STANDING,
    "resolved": ("resolved",),
    "all": (*STANDING, "resolved"),
}
LEDGER: Final = "ledger"
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Scope:
    """What a caller may see: everything, or the alerts he answers for and those of his customers."""

    everything: bool
    staff_id: str
    customers: frozenset[str] = frozenset()

    def shows(self, customer: str, owner_id: str = "") -> bool:
        """Whether he may see something of this customer, for which that colleague answers."""
        return self.everything or customer in self.customers or (bool(owner_id) and owner_id == self.staff_id)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which alerts are wanted; None: any."""

    state: Listed = "standing"
    rule: str | None = None
    owner: str | None = None
    customer: str | None = None
    severity: str | None = None


def answering(account: Account, day: date) -> frozenset[str]:
    """Who answers for the customer on a day, owner and deputy; before the first fact about them the first counts."""
    held = account.owners[0] if account.owners else None
    for owned in account.owners:
        if owned.valid_from > day:
            break
        held = owned
    return frozenset(one for one in (held.owner_id, held.deputy_id) if one) if held is not None else frozenset()


async def scope_of(db: Database, caller: Caller, seeing_all: frozenset[Role], day: date) -> Scope:
    """What the caller may see: all with one of the roles `seeing_all`, else his own."""
    who = await staff_id(db, caller.subject)
    if caller.has(*seeing_all):
        return Scope(True, who)
    where = {"$or": [{f"state.owners.{part}": who} for part in ("owner_id", "deputy_id")]}
    rows = await find(db, ACCOUNTS.name, where, fields={"state": 1})
    own = (row["_id"] for row in rows if who in answering(from_doc(row["state"], Account), day))
    return Scope(False, who, frozenset(own))


async def staff_id(db: Database, token_subject: str) -> str:
    """The staff id of a token's bearer: the colleague whose card names the token's subject, else the subject itself;
    nobody's, where that is the id of a colleague whose tokens name him otherwise.
    """
    rows = await find(db, STAFF.name, {"state.token_subject": token_subject}, sort=[("_id", 1)], limit=1)
    if rows:
        return str(rows[0]["_id"])
    namesake = await find(db, STAFF.name, {"_id": token_subject}, limit=1)
    called = namesake[0].get("state", {}).get("token_subject") if namesake else None
    return f"token/{token_subject}" if called else token_subject


async def alerts_page(
    db: Database, filters: Filters, scope: Scope, window: Window
) -> tuple[list[Found], Position | None]:
    """A page of alerts, the newest first, and the position of its last entry where more follow."""
    rows = await find(
        db,
        ALERTS.name,
        _where(filters, scope, window.after),
        sort=[("state.alert.raised_at", -1), ("k", 1)],
        limit=window.size + 1,
    )
    found = await with_names(db, [from_doc(row["state"], Owned) for row in rows[: window.size]])
    last = found[-1].owned.alert if len(rows) > window.size else None
    return found, (last.raised_at, last.alert_id) if last is not None else None


async def with_names(db: Database, cards: list[Owned]) -> list[Found]:
    """The alerts with their customers' names, whether somebody was told, and whether the books say otherwise."""
    subjects = {card.alert.subject for card in cards}
    rows = await find(
        db, ACCOUNTS.name, {"_id": {"$in": sorted(subjects)}}, fields={"state.name": 1, "state.stated.out": 1}
    )
    names = {row["_id"]: row.get("state", {}).get("name", "") for row in rows}
    differ = {row["_id"] for row in rows if any(one.get("out") for one in row.get("state", {}).get("stated", ()))}
    raised = [card.alert.alert_id for card in cards if card.alert.state == "raised"]
    told = await _told(db, raised) if raised else frozenset()
    return [
        Found(card, names.get(card.alert.subject, ""), card.alert.alert_id in told, apart=card.alert.subject in differ)
        for card in cards
    ]


async def alert_whole(db: Database, alert_id: str, customer: str) -> tuple[Found, Behind]:
    """An alert with all that it rests on, of one moment. Raises Problem 404 where it has gone meanwhile."""

    async def read() -> tuple[Owned, OpenItem | None, list[OpenItem], dict[str, Notification]]:
        owned = await alert_card(db, alert_id)
        if owned is None:
            raise missing("alert", alert_id)
        items = await items_of(db, customer) if owned.alert.rule == receivable_over_limit.RULE else []
        return owned, await _item(db, owned.alert), items, await notifications_of(db, [alert_id])

    account, (owned, item, items, notifications) = await steady(db, customer, read)
    account = account or Account()
    done = (await trade_of(db, [owned.alert])).get(customer) if of_churn(owned.alert) else None
    pointing = signals(owned.alert, done) if done is not None else []
    texts = await _texts(db, owned.alert)
    rows = await find(db, LEDGER, {"_id": {"$in": refs(owned.alert, item)}, "s": customer})
    behind = Behind(account, item, {row["_id"]: row for row in rows}, texts, notifications, items, pointing)
    told = alert_id in last_accepted(notifications.values())
    return Found(owned, account.name, told, apart(account.stated)), behind


async def books_of(db: Database, customer: str) -> tuple[list[OpenItem], list[Settlement]]:
    """All invoices and settlements of a customer."""
    settlements = await find(db, SETTLEMENTS.name, {"s": customer}, sort=[("k", 1)])
    return await items_of(db, customer), [from_doc(row["state"], Settlement) for row in settlements]


async def items_of(db: Database, customer: str) -> list[OpenItem]:
    """All invoices of a customer."""
    rows = await find(db, ITEMS.name, {"s": customer}, sort=[("k", 1)])
    return [from_doc(row["state"], Item).item for row in rows]


async def credit_of(db: Database, customer: str) -> tuple[list[OpenItem], list[Settlement], list[Order]]:
    """All that counts against a customer's credit limits."""
    items, settlements = await books_of(db, customer)
    rows = await find(db, ORDERS.name, {"s": customer}, sort=[("k", 1)])
    return items, settlements, [from_doc(row["state"], Order) for row in rows]


async def rhythm_of(db: Database, customer: str) -> RhythmCard:
    """The customer's rhythm; an empty one before his first purchase."""
    rows = await find(db, RHYTHMS.name, {"_id": RHYTHMS.doc_id(customer, "")}, limit=1)
    return from_doc(rows[0]["state"], RhythmCard) if rows else RhythmCard()


async def event_row(db: Database, source: str, event_id: str) -> Doc | None:
    """The ledger's row of an event; None where it was never applied."""
    rows = await find(db, LEDGER, {"_id": f"{source}:{event_id}"}, limit=1)
    return rows[0] if rows else None


async def note_of(db: Database, customer: str, event_id: str) -> str:
    """The text that came with an event; empty where none did."""
    rows = await find(db, NOTES.name, {"_id": NOTES.doc_id(customer, event_id)}, limit=1)
    return from_doc(rows[0]["state"], Note).text if rows else ""


async def alert_card(db: Database, alert_id: str) -> Owned | None:
    """The alert, whoever asks; None where there is none."""
    rows = await find(db, ALERTS.name, {"k": alert_id}, limit=1)
    rows = rows or await find(db, FALLEN.name, {"k": alert_id}, limit=1)
    return from_doc(rows[0]["state"], Owned) if rows else None


async def notifications_of(db: Database, alert_ids: Iterable[str]) -> dict[str, Notification]:
    """The messages about these alerts by their id, the oldest first."""
    rows = await find(db, NOTIFICATIONS.name, {"state.alert_id": {"$in": list(alert_ids)}})
    found = {row["k"]: from_doc(row["state"], Notification) for row in rows}
    return dict(sorted(found.items(), key=lambda one: (one[1].created_at, one[0])))


async def colleague(db: Database, staff_id: str, day: date) -> Colleague | None:
    """A colleague; None where nobody of that id is known, or he is gone on that day."""
    rows = await find(db, STAFF.name, {"_id": staff_id}, limit=1)
    held = from_doc(rows[0]["state"], Colleague) if rows and "state" in rows[0] else None
    return None if held is None or gone(held, day) else held


async def steady(db: Database, customer: str, read: Callable[[], Awaitable[T]]) -> tuple[Account | None, T]:
    """The account and what `read` finds, all of one moment: nothing of the customer was written in between.

    The account is None where the customer is not known, or was erased. Raises Problem 503 where he is written so
    often that no such moment is met.
    """
    for _ in range(_TRIES):
        before = await _head(db, customer)
        found = await read()
        after = await _head(db, customer)
        if before.get("v") == after.get("v"):
            known = bool(before) and not before.get("erased", False)
            return (from_doc(before.get("state", {}), Account) if known else None), found
    raise Problem(
        503,
        "busy",
        "This customer's documents are being written just now; try again shortly.",
        headers={"Retry-After": "1"},
    )


async def _head(db: Database, customer: str) -> Doc:
    rows = await find(db, ACCOUNTS.name, {"_id": customer}, limit=1)
    return rows[0] if rows else {}


async def _item(db: Database, alert: Alert) -> OpenItem | None:
    company, invoice_id = invoice_of(alert)
    if not invoice_id:
        return None
    key = invoice_key(company, invoice_id)
    rows = await find(db, ITEMS.name, {"_id": ITEMS.doc_id(alert.subject, key)}, limit=1)
    return from_doc(rows[0]["state"], Item).item if rows else None


async def _texts(db: Database, alert: Alert) -> dict[str, str]:
    """What people wrote, by the event under whose id it lies."""
    said = [ref for entry in alert.timeline if entry.by for ref in entry.facts]
    ids = {NOTES.doc_id(alert.subject, ref.partition(":")[2]): ref for ref in said}
    rows = await find(db, NOTES.name, {"_id": {"$in": list(ids)}})
    return {ids[row["_id"]]: from_doc(row["state"], Note).text for row in rows}


async def _told(db: Database, alert_ids: list[str]) -> frozenset[str]:
    return last_accepted((await notifications_of(db, alert_ids)).values())


def _where(filters: Filters, scope: Scope, after: Position | None) -> Doc:
    wanted: list[Doc] = [{"state.alert.state": {"$in": list(STATES[filters.state])}}]
    named: dict[str, Any] = {
        "state.owner_id": filters.owner,
        "s": filters.customer,
        "state.alert.rule": filters.rule,
        "state.alert.severity": filters.severity,
    }
    wanted += [{name: value} for name, value in named.items() if value is not None]
    if not scope.everything:
        wanted.append({"$or": [{"state.owner_id": scope.staff_id}, {"s": {"$in": sorted(scope.customers)}}]})
    if after is not None:
        wanted += _behind(after)
    return {"$and": wanted}


def _behind(after: Position) -> list[Doc]:
    match after:
        case (datetime() as at, str() as name):
            # The first bound alone would do for the result; the index needs the second to begin in the right place.
            later = {"$or": [{"state.alert.raised_at": {"$lt": at}}, {"k": {"$gt": name}}]}
            return [later, {"state.alert.raised_at": {"$lte": at}}]
        case _:
            raise Problem(400, "bad_cursor", "The cursor cannot be read; begin again without one.")

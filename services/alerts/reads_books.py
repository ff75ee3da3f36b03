"""What the database holds of statements of the books."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from services.alerts.model.account import Account
from services.alerts.model.balance import Stated
from services.alerts.model.hints import Hint, hints
from services.alerts.model.open_item import OpenItem
from services.alerts.model.settlement import Settlement
from services.alerts.reads import Scope
from services.alerts.reconciliation import Sums, Wanted, currency_sum, is_wanted
from services.alerts.store import ACCOUNTS, ITEMS, SETTLEMENTS, Item
from services.chassis.mongo import Database, Doc, find, from_doc
from services.chassis.pages import Position
from services.chassis.problems import Problem

STATED: Final = "state.stated"
_SOME: Final = 200  # customers read at once for a table


class Found(NamedTuple):
    """A statement, and whose it is."""

    customer: str
    name: str
    stated: Stated


async def statements(
    db: Database, wanted: Wanted, scope: Scope, after: Position | None, size: int
) -> tuple[list[Found], Position | None]:
    """Statements by customer and legal entity, and the position of the last where more follow."""
    begin = _begin(after)
    where = _where(wanted, scope, begin[0] if begin else None)
    # Each of these customers has one that is wanted, but the first may have been shown.
    rows = await find(db, ACCOUNTS.name, where, sort=[("_id", 1)], limit=size + 2, fields={"state.name": 1, STATED: 1})
    found = []
    for row in rows:
        account = from_doc(row["state"], Account)
        for one in account.stated:
            if is_wanted(one, wanted) and (begin is None or (row["_id"], one.company) > begin):
                found.append(Found(row["_id"], account.name, one))
    shown = found[:size]
    return shown, (shown[-1].customer, shown[-1].stated.company) if len(found) > size else None


async def every_statement(db: Database, wanted: Wanted, scope: Scope) -> AsyncIterator[list[Found]]:
    """All of them, some at a time."""
    after: Position | None = None
    while True:
        found, after = await statements(db, wanted, scope, after, _SOME)
        yield found
        if after is None:
            return


async def explained(db: Database, found: list[Found]) -> dict[tuple[str, str], list[Hint]]:
    """What could explain the differences of statements, by customer and legal entity."""
    among = {"s": {"$in": sorted({one.customer for one in found if one.stated.out})}}
    items: dict[str, list[OpenItem]] = {}
    for row in await find(db, ITEMS.name, among, sort=[("s", 1)], fields={"s": 1, "state": 1}):
        items.setdefault(row["s"], []).append(from_doc(row["state"], Item).item)
    settlements: dict[str, list[Settlement]] = {}
    for row in await find(db, SETTLEMENTS.name, among, fields={"s": 1, "state": 1}):
        settlements.setdefault(row["s"], []).append(from_doc(row["state"], Settlement))
    return {
        (one.customer, one.stated.company): hints(
            one.stated, items.get(one.customer, []), settlements.get(one.customer, [])
        )
        for one in found
        if one.stated.out
    }


async def sums(db: Database, wanted: Wanted, scope: Scope) -> Sums:
    """The sums of all that is wanted, worked out where they lie."""
    each: list[Doc] = [{"$match": _where(wanted, scope, None)}, {"$unwind": f"${STATED}"}]
    each.append({"$match": {f"{STATED}.{name}": value for name, value in _fits(wanted).items()}})
    heads: list[Doc] = [
        {
            "$group": {
                "_id": None,
                "n": {"$sum": 1},
                "out": {"$sum": {"$cond": [_differs(wanted), 1, 0]}},
                "oldest": {"$min": f"${STATED}.as_of"},
                "latest": {"$max": f"${STATED}.as_of"},
            }
        }
    ]
    ours, stated = ({"$ifNull": [f"${STATED}.sides.{name}", Decimal(0)]} for name in ("ours", "stated"))
    money: list[Doc] = [{"$unwind": f"${STATED}.sides"}]
    if wanted.currency is not None:
        money.append({"$match": {f"{STATED}.sides.currency": wanted.currency}})
    money.append(
        {
            "$group": {
                "_id": f"${STATED}.sides.currency",
                "ours": {"$sum": ours},
                "stated": {"$sum": stated},
                "apart": {"$sum": {"$abs": {"$subtract": [ours, stated]}}},
            }
        }
    )
    cursor = db[ACCOUNTS.name].aggregate([*each, {"$facet": {"heads": heads, "money": money}}])
    (found,) = await cursor.to_list(None)
    return _sums(found)


async def out_of_balance(db: Database) -> tuple[int, int]:
    """How many customers the books have stated, and with how many of them they do not agree."""
    stated = await db[ACCOUNTS.name].count_documents({f"{STATED}.as_of": {"$exists": True}})
    return stated, await db[ACCOUNTS.name].count_documents({f"{STATED}.out": True})


async def last_stated(db: Database) -> datetime | None:
    """When the books stated a balance last, by their own clock; None before the first."""
    latest = {f"{STATED}.key.time": {"$exists": True}}
    rows = await find(
        db, ACCOUNTS.name, latest, sort=[(f"{STATED}.key.time", -1)], limit=1, fields={f"{STATED}.key.time": 1}
    )
    return max(one["key"]["time"] for one in rows[0]["state"]["stated"]) if rows else None


def _sums(found: Doc) -> Sums:
    head: Doc = found["heads"][0] if found["heads"] else {"n": 0, "out": 0}
    by_currency = sorted(found["money"], key=lambda row: str(row["_id"]))
    return Sums(
        statements=head["n"],
        out_of_balance=head["out"],
        oldest_as_of=date.fromisoformat(head["oldest"]) if head.get("oldest") else None,
        latest_as_of=date.fromisoformat(head["latest"]) if head.get("latest") else None,
        currencies=[
            currency_sum(row["_id"], *(Decimal(row[name]) for name in ("ours", "stated", "apart")))
            for row in by_currency
        ],
    )


def _where(wanted: Wanted, scope: Scope, begin: str | None) -> Doc:
    """Customers with a statement that is wanted."""
    where: list[Doc] = [{f"{STATED}.out": True}] if wanted.shown == "out" else [{f"{STATED}.as_of": {"$exists": True}}]
    where.append({STATED: {"$elemMatch": _fits(wanted)}})
    if wanted.customer is not None:
        where.append({"_id": wanted.customer})
    if not scope.everything:
        where.append({"_id": {"$in": sorted(scope.customers)}})
    if begin is not None:
        where.append({"_id": {"$gte": begin}})
    return {"$and": where}


def _fits(wanted: Wanted) -> Doc:
    """What a single statement must be (see `is_wanted`)."""
    fits: Doc = {"as_of": {"$exists": True}}
    if wanted.source is not None:
        fits["key.source"] = wanted.source
    if wanted.currency is not None:
        apart = {"apart": True} if wanted.shown == "out" else {}
        fits["sides"] = {"$elemMatch": {"currency": wanted.currency, **apart}}
    elif wanted.shown == "out":
        fits["out"] = True
    return fits


def _differs(wanted: Wanted) -> Doc:
    """Whether a statement differs in what is wanted of it."""
    if wanted.currency is None:
        return {"$ifNull": [f"${STATED}.out", False]}
    own = {"$and": [{"$eq": ["$$this.currency", wanted.currency]}, {"$ifNull": ["$$this.apart", False]}]}
    among = {"$ifNull": [f"${STATED}.sides", []]}
    return {"$gt": [{"$size": {"$filter": {"input": among, "cond": own}}}, 0]}


def _begin(after: Position | None) -> tuple[str, str] | None:
    match after:
        case None:
            return None
        case (str() as customer, str() as company):
            return customer, company
        case _:
            raise Problem(400, "bad_cursor", "The cursor cannot be read; begin again without one.")

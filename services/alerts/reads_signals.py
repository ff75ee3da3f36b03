"""What the signals beside a customer's silence are read from."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from services.alerts.model.alert import Alert
from services.alerts.model.order import Order
from services.alerts.model.purchase import Purchase
from services.alerts.model.signals import READ_PURCHASES, Trade, lost_on
from services.alerts.store import ITEMS, ORDERS, PURCHASES, RHYTHMS, Item, RhythmCard
from services.chassis.mongo import Database, find, from_doc


async def trade_of(db: Database, alerts: Iterable[Alert]) -> dict[str, Trade]:
    """By customer what the signals of these alerts, each about a likely loss, are read from."""
    until = {alert.subject: lost_on(alert) for alert in alerts}
    among = {"s": {"$in": sorted(until)}}
    cards = await find(db, RHYTHMS.name, among)
    orders = await find(db, ORDERS.name, among | {"state.closed.reason": "cancelled"})
    items = await find(db, ITEMS.name, among)
    return {
        doc["s"]: Trade(
            from_doc(doc["state"], RhythmCard).course,
            [from_doc(one["state"], Order) for one in orders if one["s"] == doc["s"]],
            await _purchases(db, doc["s"], until[doc["s"]]),
            [from_doc(one["state"], Item).item for one in items if one["s"] == doc["s"]],
        )
        for doc in cards
    }


async def _purchases(db: Database, customer: str, until: date) -> list[Purchase]:
    """The latest purchases up to a day, and all of which something came back."""
    made = {"s": customer, "state.made.on": {"$lte": until.isoformat()}}
    latest = await find(db, PURCHASES.name, made, sort=[("state.made.on", -1), ("_id", 1)], limit=READ_PURCHASES)
    back = await find(db, PURCHASES.name, {"s": customer, "state.returns.0": {"$exists": True}})
    rows = {row["_id"]: row for row in (*latest, *back)}
    return [from_doc(rows[name]["state"], Purchase) for name in sorted(rows)]

"""Events of orders in: what is ordered and not invoiced yet. It counts against a credit limit where the setting says
so; it is kept in any case, to be shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from contracts.envelope import Event
from contracts.events import sales
from contracts.payload import Payload
from services.alerts.folds.admit import admitted
from services.alerts.model import order as orders
from services.alerts.model.credit import owed_by_order
from services.alerts.model.facts import FactKey
from services.alerts.model.order import Closed, Order, OrderFacts
from services.alerts.rules import Rules
from services.alerts.store import ORDERS, order_key
from services.alerts.watch.credit import count, fact_of, judge
from services.chassis.aggregate import Desk


def order_placed(rules: Rules, desk: Desk, event: Event) -> None:
    """An order is there."""
    data = cast("sales.OrderPlaced", event.data)
    facts = _facts(event, data)
    _order(desk, rules, event, data.company, data.order_id, lambda order: orders.with_placed(order, facts))


def order_changed(rules: Rules, desk: Desk, event: Event) -> None:
    """An order as it stands now."""
    data = cast("sales.OrderChanged", event.data)
    facts = _facts(event, data)
    _order(desk, rules, event, data.company, data.order_id, lambda order: orders.with_changed(order, facts))


def order_delivered(rules: Rules, desk: Desk, event: Event) -> None:
    """Something of the order has reached the customer; until it is invoiced it counts as before."""
    data = cast("sales.OrderDelivered", event.data)
    on = data.delivered_on
    _order(desk, rules, event, data.company, data.order_id, lambda order: orders.with_delivered(order, on))


def order_closed(rules: Rules, desk: Desk, event: Event) -> None:
    """Nothing more comes of the order: it is invoiced, or cancelled."""
    data = cast("sales.OrderClosed", event.data)
    closed = Closed(key=FactKey.of(event), on=data.closed_on or rules.day(event.time), reason=data.reason)
    _order(desk, rules, event, data.company, data.order_id, lambda order: orders.with_closed(order, closed))


ORDERED: Final[dict[type[Payload], Callable[[Rules, Desk, Event], None]]] = {
    sales.OrderPlaced: order_placed,
    sales.OrderChanged: order_changed,
    sales.OrderDelivered: order_delivered,
    sales.OrderClosed: order_closed,
}


def _facts(event: Event, data: sales.OrderPlaced) -> OrderFacts:
    return OrderFacts(
        key=FactKey.of(event), ordered_on=data.ordered_on, total=data.total.amount, currency=data.total.currency
    )


def _order(
    desk: Desk, rules: Rules, event: Event, company: str | None, order_id: str, change: Callable[[Order], Order]
) -> None:
    key = order_key(company, order_id)
    before = desk.get(ORDERS, key)
    held = before or Order(company=company or "", order_id=order_id)
    after = admitted(change, held, "$.order_id")
    if after is held:
        return
    desk.put(ORDERS, after, key)
    today = rules.day(desk.now)
    count(desk, rules, after.company, owed_by_order(before, today), owed_by_order(after, today), "ordered")
    judge(desk, rules, fact_of(event))

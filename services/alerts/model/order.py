"""An order of a customer, as far as it counts against his credit: from the day it is placed until it is closed.

Like an invoice it is a set of facts, and what it counts for is a function of them and a day. A delivery changes
nothing: what is shipped and not invoiced is owed as well.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final, Literal

import msgspec

from services.alerts.model.facts import Conflict, FactKey

_ZERO: Final = Decimal(0)


class OrderFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an order says, and the event that said it."""

    key: FactKey
    ordered_on: date
    total: Decimal
    currency: str

    @property
    def content(self) -> tuple[date, Decimal, str]:
        """What two placings must share to be the same one, sent twice."""
        return self.ordered_on, self.total, self.currency


class Closed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """From `on` nothing more comes of the order."""

    key: FactKey
    on: date
    reason: Literal["invoiced", "cancelled"]


class Order(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An order with all that is known of it. Made empty, it takes facts by the functions below."""

    company: str = ""
    order_id: str
    placed: OrderFacts | None = None
    changed: OrderFacts | None = None
    closed: Closed | None = None
    delivered_on: date | None = None  # the last delivery

    @property
    def facts(self) -> OrderFacts | None:
        """What holds of the order: the last change, or else the placing; None while neither is known."""
        return self.changed or self.placed


def with_placed(order: Order, facts: OrderFacts) -> Order:
    """The order as placed. The same content again changes nothing.

    Raises:
        Conflict: it was placed before with other content.
    """
    held = order.placed
    if held is not None and held.content != facts.content:
        raise Conflict(
            f"order {order.order_id} was placed before ({_said(held)}), now it came as {_said(facts)}; "
            "expected the same content again, or order.changed to replace it"
        )
    if held is not None and held.key <= facts.key:
        return order
    return msgspec.structs.replace(order, placed=facts)


def with_changed(order: Order, facts: OrderFacts) -> Order:
    """The order with a change; of several the one with the latest fact key holds. It may come before the placing."""
    if order.changed is not None and facts.key <= order.changed.key:
        return order
    return msgspec.structs.replace(order, changed=facts)


def with_closed(order: Order, closed: Closed) -> Order:
    """The order, closed for good; of several closings the earliest holds."""
    held = order.closed
    if held is not None and (held.on, held.key) <= (closed.on, closed.key):
        return order
    return msgspec.structs.replace(order, closed=closed)


def with_delivered(order: Order, on: date) -> Order:
    """The order with a delivery."""
    if order.delivered_on is not None and on <= order.delivered_on:
        return order
    return msgspec.structs.replace(order, delivered_on=on)


def ordered_on(order: Order, day: date) -> Decimal:
    """What the order counted for at the end of the day, in its currency."""
    facts = order.facts
    if facts is None or day < facts.ordered_on or (order.closed is not None and order.closed.on <= day):
        return _ZERO
    return facts.total


def _said(facts: OrderFacts) -> str:
    return f"{facts.total} {facts.currency}, ordered {facts.ordered_on}"

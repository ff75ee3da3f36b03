"""The signals (征兆) beside a customer's silence: what else in his purchases and orders points to his going. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from services.alerts.model.alert import Alert
from services.alerts.model.cadence.course import Course
from services.alerts.model.order import Order
from services.alerts.model.purchase import Purchase
from services.alerts.model.rules import churn_risk, purchase_slowdown

LOOK_BACK_DAYS: Final = 182
Code = Literal["stop", "slowdown", "longest_gap", "cancelled_orders", "returns"]


class Trade(NamedTuple):
    """What a customer has done, as far as signals are read from it."""

    course: Course
    orders: Sequence[Order] = ()
    purchases: Sequence[Purchase] = ()


class Signal(NamedTuple):
    """`n` is in days for `longest_gap`, the longest of the latest gaps before the silence; a number for cancelled
    orders and for returns in the half year before; 0 else.
    """

    code: Code
    n: int = 0


def of_churn(alert: Alert) -> bool:
    """Whether an alert says that the customer is likely lost: of its own, or as a step."""
    step = alert.rule == purchase_slowdown.RULE and alert.stage >= purchase_slowdown.LOST
    return (alert.rule == churn_risk.RULE or step) and "lost_since" in alert.figures


def signals(alert: Alert, done: Trade) -> list[Signal]:
    """The signals up to the day on which he became likely lost, the plainest first."""
    lost_on = date.fromisoformat(alert.figures["lost_since"])
    found: list[Signal] = []
    if alert.rule == purchase_slowdown.RULE:
        found.append(Signal("stop" if alert.figures["kind"] == "stop" else "slowdown"))
    days = [one.on for one in done.course.recent if one.on <= lost_on]
    if gaps := [(later - earlier).days for earlier, later in pairwise(days)]:
        found.append(Signal("longest_gap", max(gaps)))
    cancelled = [one.closed.on for one in done.orders if one.closed is not None and one.closed.reason == "cancelled"]
    returned = [back.on for one in done.purchases for back in one.returns]
    found += [Signal("cancelled_orders", n)] if (n := _before(cancelled, lost_on)) else []
    found += [Signal("returns", n)] if (n := _before(returned, lost_on)) else []
    return found


def _before(days: Iterable[date], until: date) -> int:
    return sum(0 <= (until - day).days <= LOOK_BACK_DAYS for day in days)

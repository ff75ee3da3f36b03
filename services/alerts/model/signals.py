"""The signals (征兆) beside a customer's silence: what else in his purchases, orders and books points to his going.

Each signal is a function of what is known of him and of the day on which he became likely lost, in `SIGNALS`, plainest
first. Those of which other services know (falling satisfaction, repeated complaints, missed contacts) come in here:
what they say is folded, becomes a field of `Trade`, and has a function here and its sentence in words_churn.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from contracts.money import Money
from services.alerts.model.alert import Alert
from services.alerts.model.cadence.course import Course
from services.alerts.model.exchange import to_minor
from services.alerts.model.open_item import OpenItem, days_past_due, disputed_on, open_on
from services.alerts.model.order import Order
from services.alerts.model.purchase import Purchase
from services.alerts.model.rules import churn_risk, purchase_slowdown

LOOK_BACK_DAYS: Final = 182  # before the last purchase; a silence may be longer than that
LATEST: Final = 3  # purchase days whose amounts are held against those before
EARLIER: Final = 9  # so many of these at most
READ_PURCHASES: Final = 60  # so many purchases hold these days, with several a day
FALLEN: Final = Decimal(2) / 3  # of what they came to before: less is a signal
Code = Literal[
    "stop", "slowdown", "longest_gap", "falling_amounts", "cancelled_orders", "returns", "disputes", "overdue"
]


class Trade(NamedTuple):
    """What a customer has done, as far as signals are read from it: his latest purchases and those of which something
    came back, the orders that were cancelled, his invoices.
    """

    course: Course
    orders: Sequence[Order] = ()
    purchases: Sequence[Purchase] = ()
    items: Sequence[OpenItem] = ()


class Signal(NamedTuple):
    """`day` is that of the last thing it is about.

    `n`: for `stop` and `slowdown` the days of silence when the alarm came (`day`), beside the `usual` gap; for
    `longest_gap` its days, `day` being its end; else how many there were. `amounts` by currency: of `falling_amounts`
    what the latest `n` purchase days came to on average, after `before`. Of `overdue` `day` is the oldest due date.
    """

    code: Code
    n: int = 0
    day: date | None = None
    amounts: tuple[Money, ...] = ()
    before: Money | None = None
    usual: str = ""


def of_churn(alert: Alert) -> bool:
    """Whether an alert says that the customer is likely lost: of its own, or as a step."""
    step = alert.rule == purchase_slowdown.RULE and alert.stage >= purchase_slowdown.LOST
    return (alert.rule == churn_risk.RULE or step) and "lost_since" in alert.figures


def lost_on(alert: Alert) -> date:
    """The day from whose end he is likely lost."""
    return date.fromisoformat(alert.figures["lost_since"])


def signals(alert: Alert, done: Trade) -> list[Signal]:
    """The signals up to the day on which he became likely lost, the plainest first; what counts by itself does so from
    half a year before his last purchase on.
    """
    day = lost_on(alert)
    return [one for read in SIGNALS if (one := read(alert, done, day)) is not None]


def _slowing(alert: Alert, done: Trade, day: date) -> Signal | None:
    if alert.rule != purchase_slowdown.RULE:
        return None
    code: Code = "stop" if alert.figures["kind"] == "stop" else "slowdown"
    silent = int(alert.figures["silent_days"])
    return Signal(code, silent, alert.opened_on, usual=alert.figures["usual_gap"])


def _longest_gap(alert: Alert, done: Trade, day: date) -> Signal | None:
    days = [one.on for one in done.course.recent if one.on <= day]
    gaps = [((later - earlier).days, later) for earlier, later in pairwise(days)]
    return Signal("longest_gap", *max(gaps)) if gaps else None


def _falling_amounts(alert: Alert, done: Trade, day: date) -> Signal | None:
    """The latest purchase days came to less than two thirds of those before, each in the currency of the last."""
    by_day: dict[date, dict[str, Decimal]] = {}
    for one in done.purchases:
        facts = one.facts
        if facts is not None and one.bought is not None and facts.on <= day:
            sums = by_day.setdefault(facts.on, {})
            sums[facts.currency] = sums.get(facts.currency, Decimal(0)) + facts.total
    days = sorted(by_day)
    if not days or len(by_day[days[-1]]) > 1:
        return None
    (currency,) = by_day[days[-1]]
    amounts = [by_day[on][currency] for on in days if by_day[on].keys() == {currency}]
    n = min(LATEST, len(amounts) // 2)
    if n == 0:
        return None
    latest, before = _mean(amounts[-n:]), _mean(amounts[-n - EARLIER : -n])
    if latest >= before * FALLEN:
        return None
    return Signal(
        "falling_amounts",
        n,
        days[-1],
        (Money(to_minor(latest, currency), currency),),
        Money(to_minor(before, currency), currency),
    )


def _mean(amounts: Sequence[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0)) / len(amounts)


class _Done(NamedTuple):
    on: date
    total: Decimal
    currency: str


def _cancelled_orders(alert: Alert, done: Trade, day: date) -> Signal | None:
    found = [
        _Done(one.closed.on, one.facts.total, one.facts.currency)
        for one in done.orders
        if one.closed is not None and one.closed.reason == "cancelled" and one.facts is not None
    ]
    return _counted("cancelled_orders", found, alert)


def _returns(alert: Alert, done: Trade, day: date) -> Signal | None:
    found = [_Done(back.on, back.total, back.currency) for one in done.purchases for back in one.returns]
    return _counted("returns", found, alert)


def _disputes(alert: Alert, done: Trade, day: date) -> Signal | None:
    found = []
    for one in done.items:
        on = [said.on for said in one.disputes if said.disputed and _near(said.on, alert)]
        if one.invoice is not None and on:
            found.append(_Done(max(on), one.invoice.total, one.invoice.currency))
    return _counted("disputes", found, alert)


def _overdue(alert: Alert, done: Trade, day: date) -> Signal | None:
    found = [
        _Done(one.invoice.due_on, owed, one.invoice.currency)
        for one in done.items
        if one.invoice is not None
        and (days_past_due(one, day) or 0) > 0
        and (owed := open_on(one, day))
        and not disputed_on(one, day)
    ]
    return Signal("overdue", len(found), min(one.on for one in found), _sums(found)) if found else None


SIGNALS: Final[Sequence[Callable[[Alert, Trade, date], Signal | None]]] = (
    _slowing,
    _longest_gap,
    _falling_amounts,
    _cancelled_orders,
    _returns,
    _disputes,
    _overdue,
)


def _counted(code: Code, found: Iterable[_Done], alert: Alert) -> Signal | None:
    near = [one for one in found if _near(one.on, alert)]
    return Signal(code, len(near), max(one.on for one in near), _sums(near)) if near else None


def _near(day: date, alert: Alert) -> bool:
    last = date.fromisoformat(alert.figures["last_purchase"])
    return (last - day).days <= LOOK_BACK_DAYS and day <= lost_on(alert)


def _sums(found: Iterable[_Done]) -> tuple[Money, ...]:
    sums: dict[str, Decimal] = {}
    for one in found:
        sums[one.currency] = sums.get(one.currency, Decimal(0)) + one.total
    return tuple(Money(sums[currency], currency) for currency in sorted(sums))

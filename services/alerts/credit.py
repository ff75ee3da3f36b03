"""What a customer owes against his credit limits on a day, as people see it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from services.alerts.model.account import Account
from services.alerts.model.ageing import AgeingRow, age
from services.alerts.model.credit import granted_on
from services.alerts.model.open_item import OpenItem
from services.alerts.model.order import Order, ordered_on
from services.alerts.model.quotes import Counted
from services.alerts.model.rules.receivable_over_limit import Weighed, weigh
from services.alerts.model.settlement import Settlement
from services.alerts.money_view import MoneyView
from services.alerts.rules import Rules
from services.alerts.views import LimitInForce
from services.alerts.views_rates import ConvertedView, converted_view
from services.alerts.why_over_limit import limit_view

LimitState = Literal["not_checked", "within", "near", "over"]
_STATES: tuple[LimitState, ...] = ("within", "near", "over")


class HeldAgainst(BaseModel):
    """What is held against a limit; `utilisation` is exposure / limit, absent under a limit of zero."""

    company: str | None = Field(default=None, description="Absent: the limit is held against what is owed to all.")
    state: LimitState
    in_force: LimitInForce | None = None
    exposure: MoneyView | None = None
    utilisation: str | None = None
    orders: MoneyView | None = Field(default=None, description="What is on order, as far as the exposure includes it.")
    converted: list[ConvertedView] = Field(default=[], description="In another currency, counted by dated rates.")
    not_counted: list[MoneyView] = Field(default=[], description="In another currency than the limit's, and no rate.")
    coming: list[LimitInForce] = Field(default=[], description="Limits granted from a day ahead on.")


class OwedView(BaseModel):
    """What is owed in a currency, over all companies; `net` is what is open less the unapplied credit."""

    currency: str
    open_total: MoneyView
    overdue: MoneyView
    unapplied_credit: MoneyView
    net: MoneyView


class OrderView(BaseModel):
    """An open order."""

    order: str
    company: str | None = None
    ordered_on: date
    total: MoneyView
    delivered_on: date | None = None


class CustomerCredit(BaseModel):
    """A customer's credit at the end of `as_of`. The first of `limits` is that for all companies."""

    customer: str
    customer_name: str | None = None
    as_of: date
    limits: list[HeldAgainst]
    owed: list[OwedView]
    open_orders: list[OrderView]
    orders_count: bool = Field(description="Whether open orders count against the limits.")


def customer_credit(
    customer: str,
    account: Account,
    items: Sequence[OpenItem],
    settlements: Sequence[Settlement],
    orders: Iterable[Order],
    rules: Rules,
    as_of: date,
) -> CustomerCredit:
    """A customer's credit. Exposure comes from the running sums the alerts are judged by, the rest from the books."""
    companies = sorted({"", *(limit.company for limit in account.limits)})
    return CustomerCredit(
        customer=customer,
        customer_name=account.name or None,
        as_of=as_of,
        limits=[_held(account, company, rules, as_of) for company in companies],
        owed=[_owed(row) for row in age(items, settlements, as_of).ageing],
        open_orders=sorted(_open(orders, as_of), key=lambda one: (one.ordered_on, one.order)),
        orders_count=rules.credit.orders,
    )


def _held(account: Account, company: str, rules: Rules, as_of: date) -> HeldAgainst:
    limit = granted_on(account.limits, company, as_of)
    weighed = weigh(account, limit, as_of, rules.credit)
    shown = _weighed(weighed) if weighed is not None else HeldAgainst(state="not_checked")
    coming = [limit_view(one) for one in account.limits if one.company == company and one.valid_from > as_of]
    in_force = limit_view(limit) if limit is not None else None
    return shown.model_copy(update={"company": company or None, "in_force": in_force, "coming": coming})


def _weighed(weighed: Weighed) -> HeldAgainst:
    return HeldAgainst(
        state=_STATES[weighed.stage],
        exposure=MoneyView.of(weighed.exposure, weighed.currency),
        utilisation=format(weighed.utilisation, "f") if weighed.utilisation is not None else None,
        orders=MoneyView.of(weighed.orders, weighed.currency) if weighed.orders else None,
        converted=converted_view(map(Counted.of, weighed.converted)),
        not_counted=[MoneyView.of(one.amount, one.currency) for one in weighed.not_counted],
    )


def _owed(row: AgeingRow) -> OwedView:
    return OwedView(
        currency=row.currency,
        open_total=MoneyView.of(row.open_total, row.currency),
        overdue=MoneyView.of(row.overdue, row.currency),
        unapplied_credit=MoneyView.of(row.unapplied_credit, row.currency),
        net=MoneyView.of(row.net, row.currency),
    )


def _open(orders: Iterable[Order], as_of: date) -> Iterable[OrderView]:
    for order in orders:
        facts = order.facts
        if facts is not None and ordered_on(order, as_of):
            yield OrderView(
                order=order.order_id,
                company=order.company or None,
                ordered_on=facts.ordered_on,
                total=MoneyView.of(facts.total, facts.currency),
                delivered_on=order.delivered_on,
            )

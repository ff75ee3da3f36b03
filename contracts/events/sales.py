"""Intake topic rapport.trade, the sales side: quotations, orders, purchases, returns, plans and expenses."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from contracts.events.trade import Line, TradeFact, check_lines
from contracts.money import Amount, Money
from contracts.payload import DoneOn, DueOn, Id, Part, above_zero, not_negative
from contracts.refusal import Refused

Purpose = Literal["acquire", "retain"]


class Period(Part, frozen=True, kw_only=True):
    """From `start` to `end`, both days included."""

    start: DueOn
    end: DueOn


class QuotationMade(TradeFact, frozen=True, kw_only=True):
    """An offer to the customer."""

    TYPE: ClassVar[str] = "rapport.quotation.made.v1"
    quotation_id: Id
    quoted_on: DoneOn
    total: Money
    valid_until: DueOn | None = None
    lines: list[Line] | None = None

    def check(self) -> None:
        not_negative(self.total, "$.total")
        check_lines(self.lines, self.total.currency)


class OrderPlaced(TradeFact, frozen=True, kw_only=True):
    """The customer orders."""

    TYPE: ClassVar[str] = "rapport.order.placed.v1"
    order_id: Id
    ordered_on: DoneOn
    total: Money
    promised_on: DueOn | None = None
    channel: Id | None = None
    lines: list[Line] | None = None

    def check(self) -> None:
        not_negative(self.total, "$.total")
        check_lines(self.lines, self.total.currency)


class OrderChanged(OrderPlaced, frozen=True, kw_only=True):
    """The order as it stands now; replaces what was said of it before."""

    TYPE: ClassVar[str] = "rapport.order.changed.v1"


class OrderDelivered(TradeFact, frozen=True, kw_only=True):
    """Goods or services of the order reached the customer; `complete` when nothing is left to deliver."""

    TYPE: ClassVar[str] = "rapport.order.delivered.v1"
    order_id: Id
    delivered_on: DoneOn
    delivery_id: Id | None = None
    complete: bool | None = None


class OrderClosed(TradeFact, frozen=True, kw_only=True):
    """Nothing more comes of the order: it is invoiced, or cancelled."""

    TYPE: ClassVar[str] = "rapport.order.closed.v1"
    order_id: Id
    reason: Literal["invoiced", "cancelled"]
    closed_on: DoneOn | None = None


class PurchaseMade(TradeFact, frozen=True, kw_only=True):
    """The customer bought."""

    TYPE: ClassVar[str] = "rapport.purchase.made.v1"
    purchase_id: Id
    purchased_on: DoneOn
    total: Money
    lines: list[Line] | None = None
    channel: Id | None = None

    def check(self) -> None:
        not_negative(self.total, "$.total")
        check_lines(self.lines, self.total.currency)


class PurchaseCorrected(PurchaseMade, frozen=True, kw_only=True):
    """The purchase as it was; replaces what was said of it before."""

    TYPE: ClassVar[str] = "rapport.purchase.corrected.v1"


class GoodsReturned(TradeFact, frozen=True, kw_only=True):
    """The customer brought goods back; `total` is their worth, above zero."""

    TYPE: ClassVar[str] = "rapport.goods.returned.v1"
    return_id: Id
    returned_on: DoneOn
    total: Money
    purchase_id: Id | None = None
    lines: list[Line] | None = None

    def check(self) -> None:
        not_negative(self.total, "$.total")
        check_lines(self.lines, self.total.currency)


class SalesPlanSet(TradeFact, frozen=True, kw_only=True):
    """What is to be sold in the period; `season` weighs its equal parts (twelve for the months of a year)."""

    TYPE: ClassVar[str] = "rapport.sales_plan.set.v1"
    period: Period
    target: Money
    season: list[Annotated[float, Meta(ge=0.0)]] | None = None

    def check(self) -> None:
        check_period(self.period)
        above_zero(self.target, "$.target")
        if self.season is not None and not sum(self.season) > 0:
            raise Refused("bad_field", "the weights come to nothing; expected at least one above zero", "$.season")


class BudgetSet(TradeFact, frozen=True, kw_only=True):
    """What may be spent on the subject in the period."""

    TYPE: ClassVar[str] = "rapport.budget.set.v1"
    period: Period
    total: Money
    purpose: Purpose | None = None
    channel: Id | None = None

    def check(self) -> None:
        check_period(self.period)
        not_negative(self.total, "$.total")


class ExpenseBooked(TradeFact, frozen=True, kw_only=True):
    """What was spent on the subject."""

    TYPE: ClassVar[str] = "rapport.expense.booked.v1"
    booked_on: DoneOn
    total: Money
    expense_id: Id | None = None
    purpose: Purpose | None = None
    channel: Id | None = None

    def check(self) -> None:
        not_negative(self.total, "$.total")


class ExpenseReversed(TradeFact, frozen=True, kw_only=True):
    """An expense is taken back, wholly or (with `amount`) in part."""

    TYPE: ClassVar[str] = "rapport.expense.reversed.v1"
    expense_id: Id
    reversed_on: DoneOn | None = None
    amount: Amount | None = None


def check_period(period: Period) -> None:
    """Raises Refused `bad_field` when the period ends before it starts."""
    start: date = period.start
    if period.end < start:
        raise Refused(
            "bad_field", f"the period is from {start} to {period.end}; expected its end after its start", "$.period"
        )

"""Money of other currencies and the rates by which it counts, as the HTTP API gives them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from pydantic import BaseModel

from services.alerts.model.quotes import Counted, Said, rate_text
from services.alerts.money_view import MoneyView


class RateView(BaseModel):
    """One unit of `currency` is worth `rate` units of `base`, published for the day `on`."""

    currency: str
    base: str
    rate: str
    on: date


class ConvertedView(BaseModel):
    """Money of another currency than the limit's: what of it counts, as `worth`, by which rates of which days."""

    amount: MoneyView
    worth: MoneyView
    rates: list[RateView]


def converted_view(counted: Iterable[Counted]) -> list[ConvertedView]:
    """What was converted, as people see it."""
    return [
        ConvertedView(
            amount=MoneyView.of(one.amount.amount, one.amount.currency),
            worth=MoneyView.of(one.worth.amount, one.worth.currency),
            rates=[
                RateView(currency=by.currency, base=by.base, rate=rate_text(by.rate), on=by.on) for by in one.quotes
            ],
        )
        for one in counted
    ]


def counted_of(view: ConvertedView) -> Counted:
    """The same, to be said in words."""
    rates = tuple(Said(one.currency, one.base, Decimal(one.rate), one.on) for one in view.rates)
    return Counted(view.amount.money(), view.worth.money(), rates)

"""The signals beside a customer's silence, as the HTTP API gives them."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, Field

from services.alerts.model.signals import Code, Signal
from services.alerts.money_view import MoneyView


class SignalView(BaseModel):
    """Something that points to the customer's going, up to the day from whose end he is likely lost."""

    code: Code
    n: int = Field(
        description="How many; of `stop` and `slowdown` the days of silence, of `longest_gap` the days of the gap."
    )
    day: date | None = Field(default=None, description="Of the last of them; of `overdue` the oldest due date.")
    amounts: list[MoneyView] | None = Field(default=None, description="By currency; of `falling_amounts` on average.")
    before: MoneyView | None = Field(default=None, description="What purchases came to before, on average.")
    usual_gap: str | None = Field(default=None, description="Days.")

    @classmethod
    def of(cls, one: Signal) -> SignalView:
        """The same, from the model."""
        return cls(
            code=one.code,
            n=one.n,
            day=one.day,
            amounts=[MoneyView.of(money.amount, money.currency) for money in one.amounts] or None,
            before=MoneyView.of(one.before.amount, one.before.currency) if one.before is not None else None,
            usual_gap=one.usual or None,
        )

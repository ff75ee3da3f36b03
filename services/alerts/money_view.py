"""Money as the HTTP API takes and gives it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field, model_validator

from contracts.money import AMOUNT_PATTERN, CURRENCY_PATTERN, Money
from contracts.refusal import Refused


class MoneyView(BaseModel):
    """An exact amount."""

    amount: Annotated[str, Field(pattern=AMOUNT_PATTERN, examples=["12.50"])]
    currency: Annotated[str, Field(pattern=CURRENCY_PATTERN, examples=["CNY"])]

    @model_validator(mode="after")
    def _is_money(self) -> MoneyView:
        try:
            self.money()
        except Refused as refused:
            raise ValueError(refused.message) from refused
        return self

    def money(self) -> Money:
        """As the code has it. Raises Refused `bad_money`."""
        return Money.from_wire({"amount": self.amount, "currency": self.currency})

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> MoneyView:
        """As it is shown, with all decimals of its currency."""
        return cls(**Money(amount, currency).to_wire())

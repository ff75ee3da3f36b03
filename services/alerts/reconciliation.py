"""Whether our figures agree with the books, as people see it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, Field

from services.alerts.model.balance import Side, Stated
from services.alerts.model.hints import Hint, HintKind
from services.alerts.money_view import MoneyView

CSV_HEAD: Final = (
    *("customer", "customer_name", "company", "as_of", "source", "currency", "ours", "stated", "difference"),
    *("agrees", "hints"),
)


class SideView(BaseModel):
    """A currency on both sides; `difference` is ours less theirs."""

    currency: str
    ours: MoneyView
    stated: MoneyView
    difference: MoneyView

    @classmethod
    def of(cls, side: Side) -> SideView:
        """Shown."""
        return cls(
            currency=side.currency,
            ours=MoneyView.of(side.ours, side.currency),
            stated=MoneyView.of(side.stated, side.currency),
            difference=MoneyView.of(side.difference, side.currency),
        )


class HintView(BaseModel):
    """A document of ours that could explain a difference in `currency`. `kind`: `twice` (two alike), `not_in_books`
    (its amount is the difference), `settled_in_books` (what is open of it is), `next_day` (dated just after the day of
    the books), `other_currency` (`what` is where the same amount is lacking), `waits` (applied, and never came),
    `recent` (dated in the week before).
    """

    kind: HintKind
    what: str
    document: str | None = None
    company: str | None = None
    dated_on: date | None = None
    amount: MoneyView | None = None
    currency: str | None = None

    @classmethod
    def of(cls, hint: Hint) -> HintView:
        """Shown."""
        return cls(
            kind=hint.kind,
            what=hint.what,
            document=hint.document or None,
            company=hint.company or None,
            dated_on=hint.dated_on,
            amount=MoneyView.of(hint.amount, hint.currency) if hint.amount is not None else None,
            currency=hint.currency or None,
        )

    @property
    def line(self) -> str:
        """In a cell."""
        parts = (self.kind, self.what, self.document, self.dated_on.isoformat() if self.dated_on else None)
        return " ".join(part for part in parts if part)


class StatedView(BaseModel):
    """What the books say of a customer at the end of `as_of`, beside what we have of that day."""

    customer: str
    customer_name: str | None = None
    company: str | None = Field(default=None, description="The legal entity; absent: all of the customer's.")
    as_of: date
    source: str = Field(description="Who states it.")
    event: str = Field(description="The event that states it, by its id.")
    stated_at: datetime
    agrees: bool
    sides: list[SideView] = Field(description="Currencies that are not zero on both sides.")
    hints: list[HintView] = Field(default=[], description="Where to look first; documents of ours.")


class CurrencySum(BaseModel):
    """All statements that the filters let through, in one currency. `apart` adds the differences without their signs:
    what we have too much of one customer is no comfort for what we lack of another.
    """

    currency: str
    ours: MoneyView
    stated: MoneyView
    difference: MoneyView
    apart: MoneyView


class Sums(BaseModel):
    """All statements that the filters let through, not this page's alone."""

    statements: int
    out_of_balance: int
    oldest_as_of: date | None = None
    latest_as_of: date | None = None
    currencies: list[CurrencySum]


class ReconciliationPage(BaseModel):
    """A page of statements by customer; `next` is the cursor of the page after it and absent on the last."""

    items: list[StatedView]
    next: str | None = None
    sums: Sums


class Wanted(NamedTuple):
    """Which statements are wanted; None: any. With a currency only that one is shown."""

    shown: Literal["all", "out"] = "all"
    currency: str | None = None
    source: str | None = None
    customer: str | None = None


def sides_of(one: Stated, wanted: Wanted) -> list[Side]:
    """The currencies of a statement that are wanted."""
    return [side for side in one.sides if wanted.currency in (None, side.currency)]


def is_wanted(one: Stated, wanted: Wanted) -> bool:
    """Whether a statement is wanted."""
    sides = sides_of(one, wanted)
    if wanted.source not in (None, one.key.source) or (wanted.currency is not None and not sides):
        return False
    return wanted.shown == "all" or any(side.apart for side in sides)


def stated_view(customer: str, name: str, one: Stated, wanted: Wanted, hints: Sequence[Hint]) -> StatedView:
    """A statement, with what could explain its differences."""
    sides = sides_of(one, wanted)
    return StatedView(
        customer=customer,
        customer_name=name or None,
        company=one.company or None,
        as_of=one.as_of,
        source=one.key.source,
        event=one.key.id,
        stated_at=one.key.time,
        agrees=not any(side.apart for side in sides),
        sides=[SideView.of(side) for side in sides],
        hints=[HintView.of(hint) for hint in hints if wanted.currency in (None, hint.currency) or not hint.currency],
    )


def csv_rows(view: StatedView) -> Iterable[list[str | Decimal]]:
    """A statement as lines of a table, one for each currency; one that is zero on both sides has a line without."""
    head = [view.customer, view.customer_name or "", view.company or "", view.as_of.isoformat(), view.source]
    for side in view.sides:
        figures = [side.ours, side.stated, side.difference]
        hints = "; ".join(hint.line for hint in view.hints if hint.currency in (None, side.currency))
        agrees = "yes" if not side.difference.money().amount else "no"
        yield [*head, side.currency, *(Decimal(one.amount) for one in figures), agrees, hints]
    if not view.sides:
        yield [*head, "", "", "", "", "yes", ""]


def currency_sum(currency: str, ours: Decimal, stated: Decimal, apart: Decimal) -> CurrencySum:
    """The sum of one currency."""
    return CurrencySum(
        currency=currency,
        ours=MoneyView.of(ours, currency),
        stated=MoneyView.of(stated, currency),
        difference=MoneyView.of(ours - stated, currency),
        apart=MoneyView.of(apart, currency),
    )

"""What `rapport activity` says: a row for each customer, and a summary for whoever looks after sales."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from math import ceil, log
from typing import TYPE_CHECKING, Any, Final

from contracts.money import amount_text
from services.alerts.model.activity.rate import DAYS_A_WEEK, Params, expected, folded, p_none
from services.alerts.plain.purchases import Purchase, days_by_customer

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS: Final = ("customer", "purchases", "last_purchase", "expected", "p_none")
BANDS: Final = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)  # upper ends of the bands of p_none
LIKELY: Final = 0.5
ROUGH: Final = 50  # purchases to fit on, below which the summary warns
_SHOWN: Final = 15
_DIGITS: Final = 6
_LONG: Final = 3650  # days


@dataclass(frozen=True, slots=True)
class Line:
    """A customer's figures. `value` is what he is weighed by: what he spent, or else on how many days he bought."""

    customer: str
    purchases: int
    last_purchase: date
    expected: float
    p_none: float
    value: Decimal


@dataclass(frozen=True, slots=True)
class Report:
    """All customers, sorted by name. `currency` is that of the values, None where they count purchase days."""

    as_of: date
    horizon_days: int
    params: Params
    currency: str | None
    lines: list[Line]

    @property
    def expected(self) -> float:
        """Purchase days of all customers within the horizon."""
        return sum(line.expected for line in self.lines)

    @property
    def buyers(self) -> float:
        """How many of them are expected to buy at all."""
        return sum(1 - line.p_none for line in self.lines)

    def bands(self) -> list[tuple[str, list[Line]]]:
        """The customers by p_none, as parted by BANDS."""
        found: list[tuple[str, list[Line]]] = []
        for low, high in pairwise((0.0, *BANDS)):
            inside = [line for line in self.lines if low <= line.p_none < high or line.p_none == high == 1]
            found.append((f"{low:.0%} to {high:.0%}", inside))
        return found

    def valuable(self) -> list[Line]:
        """The most valuable fifth of those who bought on two days or more, the most valuable first."""
        regular = [line for line in self.lines if line.purchases > 1]
        regular.sort(key=lambda line: (-line.value, -line.last_purchase.toordinal(), line.customer))
        return regular[: ceil(len(regular) / 5)]

    def likely_lost(self) -> list[Line]:
        """Those of the valuable who will more likely than not buy nothing, the most valuable first."""
        return [line for line in self.valuable() if line.p_none >= LIKELY]


def report(purchases: list[Purchase], params: Params, as_of: date, horizon_days: int) -> Report:
    """The figures of everyone who bought by the end of `as_of`; what was bought later is not seen."""
    seen = [purchase for purchase in purchases if purchase.day <= as_of]
    currency, spent = _spent(seen)
    lines: list[Line] = []
    for customer, days in sorted(days_by_customer(seen).items()):
        state = folded(days, params.decay)
        line = Line(
            customer=customer,
            purchases=state.purchases,
            last_purchase=state.last,
            expected=expected(state, params, as_of, horizon_days),
            p_none=p_none(state, params, as_of, horizon_days),
            value=spent.get(customer, Decimal(0)) if currency is not None else Decimal(state.purchases),
        )
        lines.append(line)
    return Report(as_of, horizon_days, params, currency, lines)


def _spent(purchases: list[Purchase]) -> tuple[str | None, dict[str, Decimal]]:
    """What each customer spent, if every row says so in one currency ("" where none is named)."""
    currencies = {purchase.currency or "" for purchase in purchases}
    if len(currencies) != 1 or any(purchase.amount is None for purchase in purchases):
        return None, {}
    spent: dict[str, Decimal] = {}
    for purchase in purchases:
        spent[purchase.customer] = spent.get(purchase.customer, Decimal(0)) + (purchase.amount or Decimal(0))
    return currencies.pop(), spent


def csv_rows(found: Report) -> list[list[str]]:
    """The rows in the order of COLUMNS; expected and p_none with six decimals."""
    return [
        [
            line.customer,
            str(line.purchases),
            line.last_purchase.isoformat(),
            f"{line.expected:.{_DIGITS}f}",
            f"{line.p_none:.{_DIGITS}f}",
        ]
        for line in found.lines
    ]


def as_json(found: Report) -> str:
    """One object: the rows under `activity`, and the summary."""
    rows = [
        {
            "customer": line.customer,
            "purchases": line.purchases,
            "last_purchase": line.last_purchase.isoformat(),
            "expected": round(line.expected, _DIGITS),
            "p_none": round(line.p_none, _DIGITS),
        }
        for line in found.lines
    ]
    return json.dumps({"activity": rows, "summary": _summary(found)}, ensure_ascii=False, indent=1)


def _summary(found: Report) -> dict[str, Any]:
    params, lost = found.params, found.likely_lost()
    return {
        "as_of": found.as_of.isoformat(),
        "horizon_days": found.horizon_days,
        "customers": len(found.lines),
        "expected_purchases": round(found.expected, 1),
        "expected_buyers": round(found.buyers, 1),
        "valuable": {
            "by": "purchases" if found.currency is None else "amount",
            "customers": len(found.valuable()),
            "likely_lost": len(lost),
            "most_valuable_lost": [line.customer for line in lost[:_SHOWN]],
        },
        "parameters": {
            "decay_per_week": round(params.decay, _DIGITS),
            "shape": round(params.shape, _DIGITS),
            "weeks": round(params.weeks, _DIGITS),
            "blocks": params.blocks,
            "block_days": params.block_days,
            "forecasts": params.customers,
            "purchases": params.purchases,
        },
    }


def show(found: Report, console: Console) -> None:
    """The summary for the screen."""
    params = found.params
    console.print(
        f"{len(found.lines):,} customers who bought by {found.as_of}. "
        f"In the {found.horizon_days} days after that about {_about(found.expected)} purchases are "
        f"expected, by about {_about(found.buyers)} of them.",
        highlight=False,
        soft_wrap=True,
    )
    _show_bands(found, console)
    _show_valuable(found, console)
    half = log(2) / params.decay * DAYS_A_WEEK
    faded = f"what is {half:,.0f} days old counts half" if half < _LONG else "old purchases count as much as new ones"
    console.print(
        f"Fitted on {params.purchases:,} purchases in {params.blocks} x {params.block_days} days up to "
        f"{params.as_of}, each forecast from what came before: {faded}.",
        highlight=False,
        soft_wrap=True,
    )
    if params.purchases < ROUGH:
        console.print("That is little to learn from: take the figures as rough.", highlight=False, soft_wrap=True)


def _show_bands(found: Report, console: Console) -> None:
    rows = [
        (name, f"{len(inside):,}", f"{sum(line.expected for line in inside):,.1f}") for name, inside in found.bands()
    ]
    _show_table(console, "", ("chance of no purchase", "customers", "expected purchases"), rows)


def _show_valuable(found: Report, console: Console) -> None:
    valuable, lost = found.valuable(), found.likely_lost()
    if not valuable:
        console.print("Nobody has bought on two days yet.", highlight=False)
        return
    by = "by what they spent" if found.currency is not None else "by the days on which they bought"
    console.print(
        f"The most valuable fifth of those who came back, {by}, are {len(valuable):,}. "
        f"{len(lost):,} of them will more likely than not buy nothing in that time.",
        highlight=False,
        soft_wrap=True,
    )
    rows = [
        (
            line.customer,
            str(line.purchases),
            line.last_purchase.isoformat(),
            *(() if found.currency is None else (_value(line, found.currency),)),
            f"{line.expected:.2f}",
            f"{line.p_none:.1%}",
        )
        for line in lost[:_SHOWN]
    ]
    spent = () if found.currency is None else (f"spent {found.currency}".strip(),)
    names = ("customer", "purchases", "last", *spent, "expected", "chance of none")
    if rows:
        _show_table(console, "Worth a call first", names, rows)


def _about(count: float) -> str:
    return f"{count:,.0f}" if count >= 10 else f"{count:.1f}"


def _value(line: Line, currency: str) -> str:
    return amount_text(line.value, currency) if currency else format(line.value, "f")


def _show_table(console: Console, title: str, names: Iterable[str], rows: Iterable[tuple[str, ...]]) -> None:
    from rich import box  # noqa: PLC0415 - rich only here, so that the command starts quickly
    from rich.table import Table  # noqa: PLC0415

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE, pad_edge=False)
    for at, name in enumerate(names):
        table.add_column(name, justify="right" if at else "left", no_wrap=bool(at))
    for row in rows:
        table.add_row(*row)
    console.print(table)

"""The figures of `rapport metrics receivables` as CSV, as JSON and for reading on the screen."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from contracts.money import amount_text
from services.alerts.model.collection import CollectionRow

if TYPE_CHECKING:
    from rich.console import Console

MONEY: Final = ("begin_total", "sales", "end_total", "end_current")
FIGURES: Final = ("dso", "best_possible_dso", "average_days_delinquent", "collection_effectiveness")
COLUMNS: Final = ("currency", "from", "to", *MONEY, *FIGURES, "note")
_SHOWN: Final = 20
_HEADS: Final = (
    "currency",
    "at the beginning",
    "invoiced",
    "at the end",
    "not overdue",
    "DSO",
    "best possible",
    "days delinquent",
    "collected",
)


def columns(by_customer: bool) -> tuple[str, ...]:
    """The columns of the rows, with the customer first where there is a row for each."""
    return ("customer", *COLUMNS) if by_customer else COLUMNS


def values(row: CollectionRow, by_customer: bool) -> tuple[str | None, ...]:
    """A row in the order of `columns`: money with the decimals of its currency, figures with four, None if missing."""
    money = (row.begin_total, row.sales, row.end_total, row.end_current)
    return (
        *((row.customer,) if by_customer else ()),
        row.currency,
        row.first.isoformat(),
        row.last.isoformat(),
        *(amount_text(amount, row.currency) for amount in money),
        *(None if figure is None else format(figure, "f") for figure in _figures(row)),
        "; ".join(row.reasons) or None,
    )


def csv_rows(rows: tuple[CollectionRow, ...], by_customer: bool) -> list[list[str]]:
    """The rows, with empty cells for what is missing."""
    return [[value or "" for value in values(row, by_customer)] for row in rows]


def as_json(rows: tuple[CollectionRow, ...], by_customer: bool) -> str:
    """One object with the list of rows under `receivables`."""
    names = columns(by_customer)
    table = [dict(zip(names, values(row, by_customer), strict=True)) for row in rows]
    return json.dumps({"receivables": table}, ensure_ascii=False, indent=1)


def show(rows: tuple[CollectionRow, ...], by_customer: bool, credit: dict[str, Decimal], console: Console) -> None:
    """A summary for the screen; of customers those with the most overdue. `credit`: unapplied, by currency."""
    if not rows:
        console.print("No invoice was open or issued in that time.")
        return
    _table(rows, by_customer, console)
    for row in rows[: 0 if by_customer else None]:
        console.print(_said(row), highlight=False, soft_wrap=True)
    for currency, amount in sorted(credit.items()):
        text = amount_text(amount, currency)
        console.print(f"Not taken off: {text} {currency} of credit that is not applied to any invoice.", soft_wrap=True)


def _table(rows: tuple[CollectionRow, ...], by_customer: bool, console: Console) -> None:
    from rich import box  # noqa: PLC0415 - rich only here, so that the command starts quickly
    from rich.measure import Measurement  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    title = f"{rows[0].first} to {rows[0].last}, {rows[0].days} days"
    table = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
    for name in ("customer", *_HEADS) if by_customer else _HEADS:
        table.add_column(name, justify="left" if name in ("customer", "currency") else "right")
    listed = sorted(rows, key=lambda row: (row.currency, row.end_current - row.end_total, row.customer))
    for row in listed[:_SHOWN]:
        money = (amount_text(amount, row.currency) for amount in (row.begin_total, row.sales, row.end_total))
        days = (_short(figure) for figure in _figures(row)[:3])
        rate = _short(row.collection_effectiveness, "%")
        cells = (row.currency, *money, amount_text(row.end_current, row.currency), *days, rate)
        table.add_row(*((row.customer, *cells) if by_customer else cells))
    if len(rows) > _SHOWN:
        table.add_row(f"… {len(rows) - _SHOWN} more")
    # Money cut short would be wrong money: on a narrow screen lines wrap instead.
    wide = Measurement.get(console, console.options.update(max_width=1000), table).maximum
    console.width = max(console.width, wide)
    console.print(table)


def _said(row: CollectionRow) -> str:
    said = [f"{row.currency}:"]
    if row.dso is not None:
        said.append(
            f"{_short(row.dso)} days of sales are outstanding. If all had paid when due it would be "
            f"{_short(row.best_possible_dso)}; the other {_short(row.average_days_delinquent)} days are overdue."
        )
    if row.collection_effectiveness is not None:
        said.append(f"{_short(row.collection_effectiveness)} % of what came up for collection was settled.")
    return " ".join((*said, *(f"{reason[0].upper()}{reason[1:]}." for reason in row.reasons)))


def _figures(row: CollectionRow) -> tuple[Decimal | None, ...]:
    return row.dso, row.best_possible_dso, row.average_days_delinquent, row.collection_effectiveness


def _short(figure: Decimal | None, unit: str = "") -> str:
    return "-" if figure is None else f"{figure:,.1f}{unit}"

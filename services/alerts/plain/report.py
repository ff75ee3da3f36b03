"""The three tables of `rapport age` as CSV, as JSON and for reading on the screen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from contracts.money import amount_text
from services.alerts.model.ageing import Aged, AgeingRow, ExposureRow, OpenItemRow
from services.alerts.model.open_item import BUCKETS

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "open_items": ("invoice", "customer", "currency", "due_date", "open", "days_past_due", "bucket"),
    "ageing": ("customer", "currency", *BUCKETS, "open_total", "overdue", "unapplied_credit", "net"),
    "exposure": ("customer", "limit", "gross", "net", "overdue", "utilisation", "over_limit"),
}
_SHOWN: Final = 20

Value = str | int | bool | None


def rows_of(aged: Aged) -> dict[str, list[tuple[Value, ...]]]:
    """Each table's rows in the order of COLUMNS: money as text with all its decimals, None where not known."""
    return {
        "open_items": [_open_item(row) for row in aged.open_items],
        "ageing": [_ageing(row) for row in aged.ageing],
        "exposure": [_exposure(row) for row in aged.exposure],
    }


def as_json(aged: Aged) -> str:
    """One object with a list for each table."""
    tables: dict[str, list[dict[str, Any]]] = {
        name: [dict(zip(COLUMNS[name], row, strict=True)) for row in rows] for name, rows in rows_of(aged).items()
    }
    return json.dumps(tables, ensure_ascii=False, indent=1)


def csv_tables(aged: Aged, out: Path) -> list[tuple[Path, Sequence[str], list[list[str]]]]:
    """A file for each table: in the folder `out`, or named after it where that ends in .csv (a.csv: a-ageing.csv)."""
    named = out.suffix.lower() == ".csv"
    folder, prefix = (out.parent, f"{out.stem}-") if named else (out, "")
    return [
        (folder / f"{prefix}{name}.csv", COLUMNS[name], [[_cell(value) for value in row] for row in rows])
        for name, rows in rows_of(aged).items()
    ]


def show(aged: Aged, as_of: str, console: Console) -> None:
    """A summary for the screen: in each currency the customers who are most overdue, then those over their limit."""
    ordered = sorted(aged.ageing, key=lambda row: (row.currency, -row.overdue, row.customer))
    for currency, rows in _by_currency(ordered):
        _show_currency(currency, rows, as_of, console)
    over = [row for row in aged.exposure if row.over_limit]
    for one in over[:_SHOWN]:
        limit, _, net, *_ = _exposure(one)[1:]
        console.print(f"over limit: {one.customer} owes {net} {one.currency} net, limit {limit}", highlight=False)
    if len(over) > _SHOWN:
        console.print(f"… {len(over) - _SHOWN} more over their limit")
    console.print(f"{len(aged.open_items)} open items. All rows: --out FOLDER (CSV) or --json.", highlight=False)


def _show_currency(currency: str, rows: list[AgeingRow], as_of: str, console: Console) -> None:
    from rich import box  # noqa: PLC0415 - rich only here, so that the command starts quickly
    from rich.measure import Measurement  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(
        title=f"{currency} at {as_of}", title_justify="left", box=box.SIMPLE, pad_edge=False, show_footer=True
    )
    total = _ageing(_total(currency, rows))
    for name, sum_ in zip(COLUMNS["ageing"], total, strict=True):
        if name != "currency":
            table.add_column(name.replace("_", " "), _cell(sum_), justify="left" if name == "customer" else "right")
    for row in rows[:_SHOWN]:
        customer, _, *money = _ageing(row)
        table.add_row(*(_cell(value) for value in (customer, *money)))
    if len(rows) > _SHOWN:
        table.add_row(f"… {len(rows) - _SHOWN} more")
    # Money cut short would be wrong money: on a narrow screen lines wrap instead.
    wide = Measurement.get(console, console.options.update(max_width=1000), table).maximum
    console.width = max(console.width, wide)
    console.print(table)


def _by_currency(rows: list[AgeingRow]) -> Iterator[tuple[str, list[AgeingRow]]]:
    for currency in dict.fromkeys(row.currency for row in rows):
        yield currency, [row for row in rows if row.currency == currency]


def _total(currency: str, rows: list[AgeingRow]) -> AgeingRow:
    return AgeingRow(
        customer=f"all {len(rows)}",
        currency=currency,
        buckets=tuple(sum((row.buckets[at] for row in rows), Decimal(0)) for at in range(len(BUCKETS))),
        unapplied_credit=sum((row.unapplied_credit for row in rows), Decimal(0)),
    )


def _open_item(row: OpenItemRow) -> tuple[Value, ...]:
    amount = amount_text(row.open, row.currency)
    return row.invoice, row.customer, row.currency, row.due_date.isoformat(), amount, row.days_past_due, row.bucket


def _ageing(row: AgeingRow) -> tuple[Value, ...]:
    money = (*row.buckets, row.open_total, row.overdue, row.unapplied_credit, row.net)
    return row.customer, row.currency, *(amount_text(amount, row.currency) for amount in money)


def _exposure(row: ExposureRow) -> tuple[Value, ...]:
    money = (
        None if amount is None or row.currency is None else amount_text(amount, row.currency)
        for amount in (row.limit, row.gross, row.net, row.overdue)
    )
    utilisation = None if row.utilisation is None else format(row.utilisation, "f")
    return row.customer, *money, utilisation, row.over_limit


def _cell(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)

"""The commands `rapport metrics ...`: figures of a period from plain files."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from services.alerts.model.ageing import age
from services.alerts.model.collection import CollectionRow, collection
from services.alerts.plain.books import Books, open_books
from services.alerts.plain.metrics_report import as_json, columns, csv_rows, show
from services.alerts.plain.options import chart_path, complain, parsed_day
from services.alerts.plain.sources import read_sources
from services.alerts.plain.tables import Unreadable, write_tables

metrics_app = typer.Typer(no_args_is_help=True)
_REFUSED: Final = 2


class By(StrEnum):
    """What a row stands for beside its currency."""

    CUSTOMER = "customer"


@metrics_app.callback()
def metrics() -> None:
    """Figures of a period from CSV files."""


@metrics_app.command("receivables")
def receivables(
    invoices: Annotated[Path, typer.Option(help="CSV file of invoices, as `rapport age` reads it")],
    settlements: Annotated[Path, typer.Option(help="CSV file of what settled them, likewise")],
    first: Annotated[
        date, typer.Option("--from", parser=parsed_day, metavar="DATE", help="first day, such as 2026-01-01")
    ],
    last: Annotated[date, typer.Option("--to", parser=parsed_day, metavar="DATE", help="last day; its end counts")],
    rates: Annotated[Path | None, typer.Option(help="CSV file of exchange rates, likewise")] = None,
    by: Annotated[By | None, typer.Option(help="a row for each customer and currency")] = None,
    out: Annotated[Path | None, typer.Option(help="a CSV file, or a folder for receivables.csv")] = None,
    as_json_: Annotated[bool, typer.Option("--json", help="one JSON object with the rows, on stdout")] = False,
    chart: Annotated[
        Path | None, typer.Option(parser=chart_path, metavar="FILE", help="a chart by month, as FILE.svg or FILE.png")
    ] = None,
) -> None:
    """Days sales outstanding and collection effectiveness of a period, from CSV files.

    The files are those of `rapport age`, see its help; receivables are its
    open_total and current. A row for each currency, never added up:

    \b
    begin_total  open at the end of the day before --from
    sales        totals of the invoices issued from --from to --to, both included
    end_total    open at the end of --to
    end_current  of that, what is not overdue (due on --to or later)
    dso          end_total / sales * days of the period
    best_possible_dso         end_current / sales * days
    average_days_delinquent   the difference of the two
    collection_effectiveness  (begin_total + sales - end_total) /
                              (begin_total + sales - end_current) * 100
    note         why a figure is empty

    Figures are computed exactly and rounded at the end, half to even, to four
    places. Without sales there are no days of sales; where nothing came up for
    collection there is no effectiveness of it: then the cell is empty.

    Credit that is not applied to an invoice is not taken off. Credit notes and
    write-offs settle invoices; they do not lessen sales.

    A bad row refuses the whole run: file, line, column and what was expected
    are named, nothing is written, the exit code is 2.
    """
    if last < first:
        complain([f"the period ends on {last}, before it begins on {first}; expected --to on or after --from"])
        raise typer.Exit(_REFUSED)
    try:
        books = open_books(read_sources(invoices, settlements, rates=rates))
    except Unreadable as unreadable:
        complain([str(problem) for problem in unreadable.problems])
        raise typer.Exit(_REFUSED) from None
    complain([f"note: {note}" for note in books.notes])
    found = collection(books.items, first, last, by_customer=by is not None)
    _write(books, found, by is not None, out, chart, as_json_)
    if as_json_:
        typer.echo(as_json(found, by is not None))
        return
    from rich.console import Console  # noqa: PLC0415 - only here, so that the command starts quickly

    show(found, by is not None, _credit(books, last), Console())


def _write(
    books: Books, found: tuple[CollectionRow, ...], by: bool, out: Path | None, chart: Path | None, quiet: bool
) -> None:
    try:
        if out is not None:
            path = out if out.suffix.lower() == ".csv" else out / "receivables.csv"
            write_tables([(path, columns(by), csv_rows(found, by))])
            if not quiet:
                typer.echo(f"{path}: {len(found)} rows")
        if chart is not None:
            from services.alerts.plain.metrics_chart import draw  # noqa: PLC0415 - matplotlib takes its time

            draw(books.items, found, chart)
            if not quiet:
                typer.echo(f"{chart}: chart")
    except OSError as error:
        complain([f"{error.filename or out or chart} cannot be written ({error.strerror}); choose another place"])
        raise typer.Exit(1) from None


def _credit(books: Books, day: date) -> dict[str, Decimal]:
    """Credit not applied to any invoice at the end of the day, by currency, without zeros."""
    credit: dict[str, Decimal] = defaultdict(Decimal)
    for row in age(books.items, books.settlements, day).ageing:
        credit[row.currency] += row.unapplied_credit
    return {currency: amount for currency, amount in credit.items() if amount}

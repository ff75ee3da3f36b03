"""The command `rapport age`: receivables from plain files, without broker or database."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Final

import typer

from services.alerts.model.ageing import Aged
from services.alerts.model.ageing import age as age_books
from services.alerts.model.rates import RateMissing
from services.alerts.plain.books import open_books
from services.alerts.plain.options import complain, parsed_day
from services.alerts.plain.report import as_json, csv_tables, show
from services.alerts.plain.sources import read_sources
from services.alerts.plain.tables import Unreadable, write_tables

_REFUSED: Final = 2


def age(
    invoices: Annotated[
        Path,
        typer.Option(help="CSV file of invoices"),
    ],
    settlements: Annotated[
        Path,
        typer.Option(help="CSV file of what settled them"),
    ],
    as_of: Annotated[
        date, typer.Option(parser=parsed_day, metavar="DATE", help="the day, such as 2026-01-31; its end counts")
    ],
    limits: Annotated[Path | None, typer.Option(help="CSV file of credit limits")] = None,
    rates: Annotated[Path | None, typer.Option(help="CSV file of exchange rates")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="folder for open_items.csv, ageing.csv, exposure.csv; or a.csv for a-ageing.csv ..."),
    ] = None,
    as_json_: Annotated[bool, typer.Option("--json", help="one JSON object with the three tables, on stdout")] = False,
) -> None:
    """Open items, ageing and exposure of customers at a day, from CSV files.

    \b
    Invoices:    invoice,customer,currency,issue_date,due_date,amount
                 and if you have them: disputed, company
    Settlements: doc,type,customer,currency,date,amount,applied_to
                 and if you have them: rate, company
    Limits:      customer,limit,currency
    Rates:       currency,rate and if you have it: date

    type is payment, credit_note or write_off; applied_to names invoices of
    the same customer:

    \b
    INV1:50.00;INV2:25.00  so much of each, in the document's currency
    INV1                   as much as INV1 can take
    INV1;INV2              first what INV1 can take, then the rest to INV2
    (empty)                all on account

    What is not applied, or is more than the invoice, is unapplied credit: it
    reduces net, never a bucket. A write-off is never credit. A disputed
    invoice is open like any other.

    rate is units of the invoice's currency for one of the document's, where
    the two differ. Without it the rates of the document's date hold; without
    those it stays unapplied, with a note.

    A limit of 0 is no credit; an empty limit, or no row, is not checked.
    Exposure is in the limit's currency, utilisation is net / limit,
    over_limit is net > limit.

    Rates say what one unit is worth in one base currency; the base has rate 1
    or is the one currency not listed. A dated rate holds until the next, one
    without a date always. Money of several currencies is never added without
    a rate: the command refuses.

    A bad row refuses the whole run: file, line, column and what was expected
    are named, nothing is written, the exit code is 2.
    """
    try:
        sources = read_sources(invoices, settlements, limits, rates)
        books = open_books(sources)
        aged = age_books(books.items, books.settlements, as_of, sources.limits, sources.rates)
    except Unreadable as unreadable:
        complain([str(problem) for problem in unreadable.problems])
        raise typer.Exit(_REFUSED) from None
    except RateMissing as missing:
        complain([str(missing)])
        raise typer.Exit(_REFUSED) from None
    complain([f"note: {note}" for note in books.notes])
    _give(aged, as_of, out, as_json_)


def _give(aged: Aged, as_of: date, out: Path | None, as_json_: bool) -> None:
    if out is not None:
        tables = csv_tables(aged, out)
        try:
            write_tables(tables)
        except OSError as error:
            complain([f"{error.filename or out} cannot be written ({error.strerror}); choose another --out"])
            raise typer.Exit(1) from None
        if not as_json_:
            for path, _, rows in tables:
                typer.echo(f"{path}: {len(rows)} rows")
    if as_json_:
        typer.echo(as_json(aged))
    elif out is None:
        from rich.console import Console  # noqa: PLC0415 - only here, so that the command starts quickly

        show(aged, as_of.isoformat(), Console())

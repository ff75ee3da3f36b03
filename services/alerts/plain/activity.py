"""The command `rapport activity`: who still buys and who is likely lost, from a plain file of purchases."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Final

import typer

from services.alerts.plain.activity_report import COLUMNS, Report, as_json, csv_rows, report, show
from services.alerts.plain.options import chart_path, complain, parsed_day
from services.alerts.plain.purchases import Purchase, days_by_customer, read_purchases
from services.alerts.plain.tables import Problem, Unreadable, write_tables

_REFUSED: Final = 2
_LONGEST: Final = 3653  # days of a horizon: ten years


def activity(
    purchases: Annotated[Path, typer.Option(help="CSV file of purchases")],
    as_of: Annotated[
        date, typer.Option(parser=parsed_day, metavar="DATE", help="the day, such as 2026-01-31; its end counts")
    ],
    horizon_days: Annotated[int, typer.Option(min=1, max=_LONGEST, help="how many days after it are forecast")],
    out: Annotated[Path | None, typer.Option(help="a CSV file, or a folder for activity.csv")] = None,
    as_json_: Annotated[bool, typer.Option("--json", help="one JSON object with rows and summary, on stdout")] = False,
    chart: Annotated[
        Path | None, typer.Option(parser=chart_path, metavar="FILE", help="a chart, as FILE.svg or FILE.png")
    ] = None,
) -> None:
    """Expected purchases of each customer and the chance of none, from a CSV file.

    \b
    Purchases: customer,date
               and if you have them: amount, currency

    \b
    Rows out:  customer,purchases,last_purchase,expected,p_none
      purchases      days on which he bought: several rows of a day count once
      last_purchase  the last of them
      expected       purchase days to be expected in the horizon
      p_none         chance of no purchase in the horizon, 0 to 1

    Purchases after the day are not seen, so that you can judge a forecast by
    what came. A customer is known from his first purchase in the file on.

    Each customer has a rate of his own, in which old purchases count less and
    less; how fast they fade, and how rates differ between customers, is found
    from the file: stretches of its past, as long as the horizon where that
    is long enough, are forecast from what came before each. With less than
    three days of past there is nothing to learn from and the command refuses.

    The summary weighs customers by what they spent, where every row has an
    amount and all are in one currency; else by the days on which they bought.
    Amounts change nothing else.

    A bad row refuses the whole run: file, line, column and what was expected
    are named, nothing is written, the exit code is 2.
    """
    try:
        found = _found(purchases, as_of, horizon_days)
    except Unreadable as unreadable:
        complain([str(problem) for problem in unreadable.problems])
        raise typer.Exit(_REFUSED) from None
    _give(found, out, as_json_, chart)


def _found(path: Path, as_of: date, horizon_days: int) -> Report:
    from services.alerts.model.activity.fit import TooLittle, fit  # noqa: PLC0415 - scipy only once it is needed

    purchases = read_purchases(path)
    histories = days_by_customer(purchases, as_of)
    try:
        params = fit(histories.values(), as_of, horizon_days)
    except TooLittle as little:
        raise Unreadable([Problem(str(path), 0, "", f"{little}{_reach(purchases)}")]) from None
    later = sum(purchase.day > as_of for purchase in purchases)
    if later:
        complain([f"note: {later} purchases after {as_of} are not seen"])
    return report(purchases, params, as_of, horizon_days)


def _reach(purchases: list[Purchase]) -> str:
    """From when to when a file goes, for who has chosen a day outside it."""
    if not purchases:
        return " (the file has no rows)"
    days = [purchase.day for purchase in purchases]
    return f" (the file goes from {min(days)} to {max(days)})"


def _give(found: Report, out: Path | None, as_json_: bool, chart: Path | None) -> None:
    try:
        if out is not None:
            path = out if out.suffix.lower() == ".csv" else out / "activity.csv"
            write_tables([(path, COLUMNS, csv_rows(found))])
            if not as_json_:
                typer.echo(f"{path}: {len(found.lines)} rows")
        if chart is not None:
            from services.alerts.plain.activity_chart import draw  # noqa: PLC0415 - matplotlib takes its time

            draw(found, chart)
            if not as_json_:
                typer.echo(f"{chart}: chart")
    except OSError as error:
        complain([f"{error.filename or out or chart} cannot be written ({error.strerror}); choose another place"])
        raise typer.Exit(1) from None
    if as_json_:
        typer.echo(as_json(found))
        return
    from rich.console import Console  # noqa: PLC0415 - only here, so that the command starts quickly

    show(found, Console())

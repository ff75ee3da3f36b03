"""The command `rapport backtest cadence`: what the rule would have said on one's own history."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.alerts.plain.options import chart_path, complain, parsed_day
from services.alerts.plain.purchases import Purchase, days_by_customer, read_purchases
from services.alerts.plain.tables import Problem, Unreadable, write_tables

if TYPE_CHECKING:
    from services.alerts.model.cadence.trial import Trial
    from services.alerts.plain.backtest_report import Report

_REFUSED: Final = 2

backtest_app = typer.Typer(no_args_is_help=True, help="Rules tried on your own history, before you switch them on.")


@backtest_app.callback()
def _group() -> None:
    """With a single command Typer would take its name for an argument."""


@backtest_app.command("cadence")
def cadence(
    purchases: Annotated[Path, typer.Option(help="CSV file of purchases")],
    from_: Annotated[
        date, typer.Option("--from", parser=parsed_day, metavar="DATE", help="first day on which alarms count")
    ],
    to: Annotated[date, typer.Option(parser=parsed_day, metavar="DATE", help="last day; its end counts")],
    budget: Annotated[
        float, typer.Option(min=0.001, max=10, help="unfounded alarms a customer-year that you can live with")
    ] = 0.1,
    out: Annotated[Path | None, typer.Option(help="a CSV file, or a folder for cadence.csv")] = None,
    as_json_: Annotated[
        bool, typer.Option("--json", help="one JSON object with alarms and summary, on stdout")
    ] = False,
    chart: Annotated[
        Path | None, typer.Option(parser=chart_path, metavar="FILE", help="a chart, as FILE.svg or FILE.png")
    ] = None,
) -> None:
    """When customers would have been said to slow down or to stop, from a CSV file.

    \b
    Purchases: customer,date
               and if you have them: amount, currency (they change nothing)

    \b
    Rows out:  customer,raised_on,ended_on,kind,p,statistic,last_purchase,mean_gap
      raised_on      the day of the alarm
      ended_on       the purchase day that ended it; empty while it stands
      kind           stop: this silence alone was enough; slowdown: with the
                     late orders before it
      p              how often he would be silent so long by chance
      statistic      -ln p
      mean_gap       days between his purchase days until then

    Each customer is judged against his own rhythm, from his third gap between
    purchase days on. Several purchases of a day count once.

    --budget is how many alarms a customer-year may turn out unfounded: the
    customer went on as before. What it takes to keep it is found from your
    own past. Nothing is used before it was known: typical gaps, pauses and
    the bar come from what lay before each day, first after 182 days from the
    first purchase in the file, then every 91 days. For those first 182 days
    the typical gap and regularity are those of these days themselves.

    Purchases before --from are the past that it learns from: give half a year
    or more. Those after --to are not seen.

    Without --out and --json the rows go to stdout, the summary to stderr.

    A bad row refuses the whole run: file, line, column and what was expected
    are named, nothing is written, the exit code is 2.
    """
    if to < from_:
        raise typer.BadParameter(f"{to} lies before --from {from_}; give the period's last day", param_hint="--to")
    try:
        read = read_purchases(purchases)
        days = _seen(read, purchases, from_, to)
    except Unreadable as unreadable:
        complain([str(problem) for problem in unreadable.problems])
        raise typer.Exit(_REFUSED) from None
    from services.alerts.model.cadence.trial import tried_out  # noqa: PLC0415 - scipy only once it is needed
    from services.alerts.plain.backtest_report import report  # noqa: PLC0415

    with _bar() as progress:
        trial = tried_out(days, from_, to, budget, progress)
    found = report(trial, budget)
    complain([f"note: {note}" for note in (*_notes(read, to), *found.notes)])
    _give(found, trial, out, as_json_, chart)


def _seen(read: list[Purchase], path: Path, begin: date, until: date) -> dict[str, list[date]]:
    """The purchase days up to the end of the period. Raises Unreadable where there are none."""
    if not read:
        raise Unreadable([Problem(str(path), 0, "", "has no purchases; expected a row for each under the header")])
    days = days_by_customer(read, until)
    if not days:
        first, last = min(one.day for one in read), max(one.day for one in read)
        raise Unreadable(
            [Problem(str(path), 0, "", f"has no purchase up to {until}; its purchases are of {first} to {last}")]
        )
    return days


def _notes(read: list[Purchase], until: date) -> Iterator[str]:
    later = sum(purchase.day > until for purchase in read)
    if later:
        yield f"{later} purchases after {until} are not seen"
    last = max(purchase.day for purchase in read)
    if last < until:
        yield f"the last purchase in the file is of {last}: from then to {until} everyone counts as silent"


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, if somebody is looking."""
    if not sys.stderr.isatty():
        yield lambda done, of: None
        return
    from rich.console import Console  # noqa: PLC0415 - only here, so that the command starts quickly
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("learning from the past, quarter by quarter", total=None)
        yield lambda done, of: shown.update(task, completed=done, total=of)


def _give(found: Report, trial: Trial, out: Path | None, as_json_: bool, chart: Path | None) -> None:
    from rich.console import Console  # noqa: PLC0415 - only here, so that the command starts quickly

    from services.alerts.plain import backtest_report as texts  # noqa: PLC0415

    quiet = as_json_ or out is None
    try:
        if out is not None:
            path = out if out.suffix.lower() == ".csv" else out / "cadence.csv"
            write_tables([(path, texts.COLUMNS, texts.csv_rows(found))])
            if not quiet:
                typer.echo(f"{path}: {len(found.lines)} rows")
        if chart is not None:
            from services.alerts.plain.backtest_chart import draw  # noqa: PLC0415 - matplotlib takes its time

            draw(found, trial, chart)
            if not quiet:
                typer.echo(f"{chart}: chart")
    except OSError as error:
        complain([f"{error.filename or out or chart} cannot be written ({error.strerror}); choose another place"])
        raise typer.Exit(1) from None
    if as_json_:
        typer.echo(texts.as_json(found))
        return
    if out is None:
        typer.echo(texts.csv_text(found), nl=False)
    texts.show(found, Console(stderr=out is None))

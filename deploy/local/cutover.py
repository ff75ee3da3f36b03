"""`rapport cutover`: what a load of the past has left standing, and what the days from now on will raise."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.table import Table

from deploy.local.door import Door


def cutover(
    day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day of cut-over; today.")] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days to look ahead.")] = 30,
    csv: Annotated[Path | None, typer.Option(help="Write each alert there as a line.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    url: Annotated[str, typer.Option(help="The alerts service; by itself the one of the local stack.")] = "",
    token: Annotated[str, typer.Option(envvar="RAPPORT_TOKEN", help="By itself one of the local issuer.")] = "",
) -> None:
    """What stood on the day of cut-over, of which nobody is told, and what is raised from then or today on if nothing
    happens: nobody pays, buys or is invoiced.
    """
    asked = urlencode({"day": (day.date() if day is not None else date.today()).isoformat(), "days": days})  # noqa: DTZ011 - the day here
    door = Door("alerts", url, token)
    if csv is not None:
        door.keep(f"/cutover.csv?{asked}", csv)
        typer.echo(f"Each alert is a line of {csv}.")
        return
    report = door.get(f"/cutover?{asked}")
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False))
    else:
        _show(report)


def _show(report: dict[str, Any]) -> None:
    console = Console()
    console.print(_table(f"Stood on {report['day']}", report["standing"]))
    console.print(_table(f"Raised from {report['since']} up to {report['until']}, that day excluded", report["coming"]))


def _table(title: str, groups: list[dict[str, Any]]) -> Table:
    table = Table("rule", "owner", "alerts", "told to nobody", "amount", title=title, title_justify="left")
    for group in groups:
        amounts = ", ".join(f"{money['amount']} {money['currency']}" for money in group["amounts"])
        counts = f"{group['alerts']:,}", f"{group['suppressed']:,}"
        table.add_row(group["rule"], group.get("owner_id") or "nobody", *counts, amounts)
    return table

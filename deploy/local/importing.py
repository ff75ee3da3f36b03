"""`rapport import`: a file to the running gateway, by the same door as everybody's files."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Annotated, Any, Final
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.local.door import PIECE, Door, fail

LOOK: Final = 0.3  # seconds between two looks at how far it is


def import_file(
    kind: Annotated[str, typer.Argument(help="customers, invoices, settlements, purchases or balances.")],
    file: Annotated[Path, typer.Argument(help="CSV, XLSX or JSON lines, as it is.", exists=True, dir_okay=False)],
    source: Annotated[str, typer.Option(help="As whom the rows are said, such as erp/shanghai.")],
    preview: Annotated[bool, typer.Option("--preview", help="Send nothing; show what would be sent.")] = False,
    mapping: Annotated[str, typer.Option(help='Headings by column: {"amount": "价税合计"}; remembered.')] = "",
    currency: Annotated[str, typer.Option(help="For files without a column that says it.")] = "",
    decimal: Annotated[str, typer.Option(help="point or comma, where the file does not show it.")] = "",
    sheet: Annotated[str, typer.Option(help="The workbook's sheet, where it has several.")] = "",
    encoding: Annotated[str, typer.Option(help="Where the text is neither UTF-8 nor GBK.")] = "",
    history: Annotated[str, typer.Option(help="A load of the past: the day of cut-over, such as 2026-11-01.")] = "",
    refused: Annotated[Path | None, typer.Option(help="Where refused rows go; by itself beside the file.")] = None,
    url: Annotated[str, typer.Option(help="The gateway; by itself the one of the local stack.")] = "",
    token: Annotated[str, typer.Option(envvar="RAPPORT_TOKEN", help="By itself one of the local issuer.")] = "",
) -> None:
    """Import a file through the gateway. Rows that are refused are written beside it, to be corrected and imported
    again; exit code 1 then.
    """
    asked = {"mapping": mapping, "currency": currency, "decimal": decimal, "sheet": sheet, "encoding": encoding}
    asked["history"] = history
    query = {name: value for name, value in asked.items() if value} | {"source": source, "filename": file.name}
    door = Door("gateway", url, token)
    if preview:
        with _progress() as progress:
            _show(_sent(door, kind, query | {"preview": "true"}, file, progress))
        return
    with _progress() as progress:
        done = _followed(door, _sent(door, kind, query, file, progress), progress)
    counts = done["counts"]
    typer.echo(
        f"{counts['accepted']:,} of {counts['rows']:,} rows accepted ({counts['events']:,} events), "
        f"{counts['refused']:,} refused, {counts['passed_over']:,} sums passed over. Import {done['id']}."
    )
    if counts["refused"]:
        target = refused or file.with_name(f"{file.stem}.refused.csv")
        door.keep(f"{done['refused_rows']}.csv", target)
        typer.echo(
            f"The refused rows are in {target}, each with its reason: correct them and import that file.", err=True
        )
    if done["state"] == "failed":
        fail(f"The import ended before the end of the file: {done['failure']}.")
    if counts["refused"]:
        raise typer.Exit(1)


def _sent(door: Door, kind: str, query: Mapping[str, str], file: Path, progress: Progress) -> dict[str, Any]:
    size = file.stat().st_size
    task = progress.add_task("sending", total=size)
    headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
    with file.open("rb") as content:
        return door.send(f"/imports/{kind}?{urlencode(query)}", headers, _pieces(content, progress, task))


def _pieces(content: IO[bytes], progress: Progress, task: TaskID) -> Iterator[bytes]:
    while piece := content.read(PIECE):
        yield piece
        progress.advance(task, len(piece))


def _followed(door: Door, sent: dict[str, Any], progress: Progress) -> dict[str, Any]:
    task = progress.add_task("importing", total=100)
    while sent["state"] not in ("done", "failed"):
        progress.update(task, completed=sent["percent"], description=f"importing, line {sent['line']:,}")
        time.sleep(LOOK)
        sent = door.get(f"/imports/{sent['id']}")
    progress.update(task, completed=100)
    return sent


def _progress() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _show(seen: dict[str, Any]) -> None:
    console, form = Console(), seen["format"]
    told = [form["form"], *(form.get(name) for name in ("encoding", "sheet", "currency"))]
    console.print(", ".join(part for part in told if part), f"; decimals set off by a {form['decimal']}", sep="")
    table = Table("column", "heading")
    for column, heading in form["mapping"].items():
        table.add_row(column, heading)
    console.print(table)
    if form["ignored"]:
        console.print("not asked for:", ", ".join(form["ignored"]))
    for event in seen["events"]:
        console.print(event["type"], event["subject"], json.dumps(event["data"], ensure_ascii=False), soft_wrap=True)
    for row in seen["refused"]:
        console.print(
            f"line {row['line']}, {row.get('column') or 'row'}: {row['message']}", soft_wrap=True, markup=False
        )
    console.print("Nothing was sent.")

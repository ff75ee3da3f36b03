"""`rapport import`: a file to the running gateway, by the same door as everybody's files."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import IO, Annotated, Any, Final, NoReturn
from urllib.parse import urlencode, urlsplit

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.local import stack
from deploy.local.commands import explained
from services.chassis.auth import Role
from services.chassis.settings import Settings
from services.chassis.tokens import LocalIssuer, NotLocalError

PIECE: Final = 256_000
LOOK: Final = 0.3  # seconds between two looks at how far it is
TIMEOUT: Final = 300.0  # seconds; a long file is looked at as a whole before it is answered for


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
    door = _Door(url or _local_url(), token or _local_token())
    if preview:
        with _progress() as progress:
            _show(door.send(kind, query | {"preview": "true"}, file, progress))
        return
    with _progress() as progress:
        done = _followed(door, door.send(kind, query, file, progress), progress)
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
        _fail(f"The import ended before the end of the file: {done['failure']}.")
    if counts["refused"]:
        raise typer.Exit(1)


class _Door:
    """The gateway, asked with a token."""

    def __init__(self, url: str, token: str) -> None:
        self._at = urlsplit(url)
        self._token = token
        if self._at.scheme not in ("http", "https") or not self._at.hostname:
            _fail(f"--url is {url!r}; expected the gateway's address such as http://127.0.0.1:8080.")

    def send(self, kind: str, query: Mapping[str, str], file: Path, progress: Progress) -> dict[str, Any]:
        """Send a file; returns the answer's JSON."""
        size = file.stat().st_size
        task = progress.add_task("sending", total=size)
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        with file.open("rb") as content:
            pieces = _pieces(content, progress, task)
            with self._asked("POST", f"/imports/{kind}?{urlencode(query)}", headers, pieces) as answer:
                return _document(answer)

    def get(self, path: str) -> dict[str, Any]:
        """What is there, as JSON."""
        with self._asked("GET", path) as answer:
            return _document(answer)

    def keep(self, path: str, target: Path) -> None:
        """What is there, as a file."""
        with self._asked("GET", path) as answer, target.open("wb") as file:
            while piece := answer.read(PIECE):
                file.write(piece)

    @contextmanager
    def _asked(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: Iterator[bytes] | None = None
    ) -> Iterator[HTTPResponse]:
        kind = HTTPSConnection if self._at.scheme == "https" else HTTPConnection
        connection = kind(str(self._at.hostname), self._at.port, timeout=TIMEOUT)
        try:
            own = {"Authorization": f"Bearer {self._token}"}
            connection.request(method, self._at.path.rstrip("/") + path, body, {**own, **(headers or {})})
            answer = connection.getresponse()
            if answer.status >= 400:
                problem = _document(answer)
                _fail(f"{problem.get('detail') or problem} ({answer.status} {problem.get('code', '')})")
            yield answer
        except (OSError, HTTPException) as error:
            _fail(f"The gateway at {self._at.geturl()} does not answer ({error}); is it running?")
        finally:
            connection.close()


def _pieces(content: IO[bytes], progress: Progress, task: TaskID) -> Iterator[bytes]:
    while piece := content.read(PIECE):
        yield piece
        progress.advance(task, len(piece))


def _document(answer: HTTPResponse) -> dict[str, Any]:
    text = answer.read()
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        _fail(f"This is no gateway: it answered {answer.status} with {text[:80]!r}.")
    return found


def _followed(door: _Door, sent: dict[str, Any], progress: Progress) -> dict[str, Any]:
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


def _local_url() -> str:
    with explained():
        found = stack.status().services.get("gateway")
    if found is None:
        _fail("No gateway runs here. Start one with `rapport run gateway`, or name yours with --url.")
    return found


def _local_token() -> str:
    try:
        return LocalIssuer(Settings()).issue("rapport-import", [Role.OPERATOR])
    except NotLocalError as refusal:
        _fail(f"{refusal} (--token takes one)")


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(2)

"""The chassis' part of the command `rapport`: tokens for development, the tables of settings and metrics, the audit
trail's check.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from . import mongo
from .audit import Fault, verify
from .auth import Role
from .catalogue import all_settings, metrics_page, settings_page
from .security import mongo_options
from .settings import Settings
from .tokens import LocalIssuer, NotLocalError
from .trail import MongoStore

app = typer.Typer(no_args_is_help=True)


@app.command("token")
def token(
    person: Annotated[
        str, typer.Option("--as", help="Who you are: the `token_subject` of a person in the staff register.")
    ],
    role: Annotated[list[Role], typer.Option("--role", help="What you may do; may be given several times.")],
    hours: Annotated[float, typer.Option("--hours", min=0.01, max=744, help="How long the token is good.")] = 8.0,
) -> None:
    """Prints a bearer token of the local issuer, for development."""
    try:
        made = LocalIssuer(Settings()).issue(person, role, seconds=int(hours * 3600))
    except NotLocalError as refusal:
        _fail(str(refusal))
    typer.echo(made)


@app.command("settings")
def settings(
    out: Annotated[Path | None, typer.Option("--out", help="Write the page there instead of printing it.")] = None,
) -> None:
    """Prints the table of all settings of all services."""
    _give(settings_page(), out)


@app.command("metrics-table")
def metrics_table(
    out: Annotated[Path | None, typer.Option("--out", help="Write the page there instead of printing it.")] = None,
) -> None:
    """Prints the table of all metrics of all services."""
    _give(metrics_page(), out)


@app.command("audit")
def audit(service: Annotated[str, typer.Argument(help="Whose audit trail, for instance alerts.")]) -> None:
    """Checks a service's audit trail: nothing removed, changed or moved since it was written."""
    faults, rows = asyncio.run(_checked(_settings_of(service)))
    for fault in faults:
        typer.echo(f"{fault.chain} row {fault.n}: {fault.what}")
    typer.echo(f"{rows} rows, {len(faults)} faults")
    if faults:
        raise typer.Exit(1)


async def _checked(settings_: Settings) -> tuple[list[Fault], int]:
    client = mongo.connect(settings_.mongo_uri.get_secret_value(), **mongo_options(settings_))
    try:
        store = MongoStore(mongo.database(client, settings_.database))
        rows = [row async for row in store.rows()]
        return verify(rows, [anchor async for anchor in store.anchors()]), len(rows)
    finally:
        client.close()


def _settings_of(service: str) -> Settings:
    found = {cls.SERVICE: cls for cls in all_settings()}
    if service not in found:
        _fail(f"There is no service {service}; there are {', '.join(sorted(found)) or 'none'}.")
    return found[service]()


def _give(page: str, out: Path | None) -> None:
    if out is None:
        typer.echo(page, nl=False)
    else:
        out.write_text(page, encoding="utf-8")


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(2)

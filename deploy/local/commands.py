"""`rapport stack`: the broker and the database on this machine."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, NoReturn

import typer

from deploy.local import stack
from deploy.local.errors import StackError
from deploy.local.paths import default_home
from deploy.local.report import for_terminal

app = typer.Typer(help="A real Kafka and a real MongoDB on this machine, without Docker.", no_args_is_help=True)


@app.command()
def up(
    new_ports: Annotated[bool, typer.Option("--new-ports", help="Leave the ports kept so far; choose others.")] = False,
) -> None:
    """Start broker and database (fetched at the first time) and print their addresses."""
    with explained():
        running = stack.up(report=for_terminal(), new_ports=new_ports)
    typer.echo(f"kafka  {running.kafka}\nmongo  {running.mongo}\ndata   {running.home}")


@app.command()
def down() -> None:
    """Stop everything that belongs to this data folder; the data stays."""
    with explained():
        stopped = stack.down(report=for_terminal())
    typer.echo(f"Stopped {', '.join(stopped)}." if stopped else "Nothing was running.")


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object; null for what does not run.")] = False,
) -> None:
    """Print what runs and where. Exit code 1 when something that should run has died."""
    with explained():
        found = stack.status()
    addresses = {"kafka": found.kafka, "mongo": found.mongo, "mailbox": found.mailbox}
    if as_json:
        typer.echo(json.dumps({**addresses, "services": found.services}))
    else:
        shown = {**addresses, **found.services}
        width = max(map(len, shown))
        typer.echo("\n".join(f"{name:<{width}}  {address or '-'}" for name, address in shown.items()))
    for problem in found.problems:
        typer.echo(problem, err=True)
    if found.problems:
        raise typer.Exit(1)


@app.command()
def wipe(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Stop everything and remove the data folder; what was downloaded stays for the next start."""
    folder = default_home().root
    if not yes:
        if not sys.stdin.isatty():
            typer.echo(f"This removes {folder} with all its data. Say so with --yes.", err=True)
            raise typer.Exit(2)
        typer.confirm(f"Remove {folder} with all its data?", abort=True)
    with explained():
        stack.wipe(report=for_terminal())
    typer.echo(f"Removed {folder}.")


@contextmanager
def explained() -> Iterator[None]:
    """Print what went wrong and what to do next, and let SIGTERM clean up as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except StackError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        typer.echo("Interrupted; nothing that this command started is left running.", err=True)
        raise typer.Exit(130) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt

"""What operators do to a service from the command line: look at dead letters, replay them, refold."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from services.alerts.handlers import alerts_service
from services.alerts.settings import AlertsSettings
from services.chassis import dead
from services.chassis.refold import refold_subject, refold_to
from services.chassis.runtime import Runtime
from services.chassis.service import Service
from services.chassis.settings import Settings
from services.gateway.handlers import gateway_service
from services.gateway.settings import GatewaySettings
from services.profiles.handlers import profiles_service
from services.profiles.settings import ProfilesSettings

SERVICES: dict[str, Callable[[], tuple[Service, Settings]]] = {
    "alerts": lambda: (alerts_service((settings := AlertsSettings()).rules), settings),
    "gateway": lambda: (gateway_service(), GatewaySettings()),
    "profiles": lambda: (profiles_service((settings := ProfilesSettings()).days), settings),
}

app = typer.Typer(no_args_is_help=True)
Name = Annotated[str, typer.Option("--service", help=f"Whose: {', '.join(SERVICES)}.")]
Id = Annotated[str, typer.Argument(help="The letter's id, as `dead list` shows it.")]


@app.command("list")
def list_letters(
    service: Name = "alerts",
    reason: Annotated[str, typer.Option(help="Only letters with this reason.")] = "",
    status: Annotated[str, typer.Option(help="open, replayed or all.")] = "open",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """List dead letters: what could not be taken, and why."""

    async def work(runtime: Runtime) -> None:
        rows = await dead.letters(runtime.db, status=status, reason=reason, limit=limit)
        if as_json:
            typer.echo(json.dumps(rows, default=str, ensure_ascii=False))
            return
        table = Table("id", "reason", "type", "subject", "what is wrong")
        for row in rows:
            table.add_row(row["_id"], row["reason"], row.get("type"), row.get("subject"), row.get("message"))
        Console().print(table if rows else f"No {status} dead letters in {service}.")

    _with(service, work)


@app.command("show")
def show(letter_id: Id, service: Name = "alerts") -> None:
    """Show one letter with the record as it was."""

    async def work(runtime: Runtime) -> None:
        found = await dead.letter(runtime.db, letter_id)
        if found is None:
            _fail(f"There is no dead letter {letter_id!r} in {service}; `rapport dead list` shows those there are.")
        typer.echo(json.dumps(found, default=str, ensure_ascii=False, indent=2))

    _with(service, work)


@app.command("replay")
def replay(
    letter_ids: Annotated[list[str] | None, typer.Argument(help="Letters to replay.")] = None,
    service: Name = "alerts",
    reason: Annotated[str, typer.Option(help="All open letters with this reason.")] = "",
) -> None:
    """Feed letters to the service again. What is refused again stays open; exit 1 then."""
    if not letter_ids and not reason:
        _fail("Say which: letter ids, or --reason.")

    async def work(runtime: Runtime) -> None:
        ids = list(letter_ids or [])
        if reason:
            ids += [row["_id"] for row in await dead.letters(runtime.db, reason=reason, limit=10_000)]
        again = 0
        for letter_id in ids:
            try:
                await dead.replay(runtime.applier, runtime.service, letter_id)
                typer.echo(f"{letter_id}: taken")
            except dead.NotReplayed as refused:
                again += 1
                typer.echo(f"{letter_id}: {refused}", err=True)
        if again:
            raise typer.Exit(1)

    _with(service, work)


def refold(service: Annotated[str, typer.Argument(help=f"Which: {', '.join(SERVICES)}.")]) -> None:
    """Fold every subject of a service again from its ledger, while the service runs."""

    async def work(runtime: Runtime) -> None:
        changed = seen = 0
        now = await refold_to(runtime.applier)
        with Progress(transient=True) as progress:
            task = progress.add_task("refolding", total=None)
            async for subject in runtime.ledger.subjects():
                for head in runtime.service.heads():
                    changed += await refold_subject(runtime.applier, head, subject, now)
                seen += 1
                progress.update(task, completed=seen, description=f"refolding {subject}")
        typer.echo(f"{seen:,} subjects folded again, {changed:,} changed.")

    _with(service, work)


def _with(name: str, work: Callable[[Runtime], Awaitable[Any]]) -> None:
    if name not in SERVICES:
        _fail(f"There is no service {name!r}; there are {', '.join(SERVICES)}.")

    async def opened() -> None:
        service, settings = SERVICES[name]()
        # A visitor, not the process of that name: it must not bury the one that serves.
        runtime = await Runtime.open(service, settings.model_copy(update={"kafka_group_instance_id": ""}))
        try:
            await work(runtime)
        finally:
            await runtime.close()

    asyncio.run(opened())


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(2)

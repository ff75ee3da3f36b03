"""The gateway's part of the command `rapport`: its sources, for who has the database at hand and no token."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, NoReturn, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from contracts.refusal import Refused
from services.chassis.mongo import Database, connect, database, ensure
from services.chassis.security import mongo_options
from services.gateway import store
from services.gateway.model.scope import types_of
from services.gateway.model.silence import Heard, usual_gap
from services.gateway.registry import new_token
from services.gateway.settings import GatewaySettings
from services.gateway.store import Source

T = TypeVar("T")
app = typer.Typer(no_args_is_help=True)
source_app = typer.Typer(no_args_is_help=True)
app.add_typer(source_app, name="source", help="Systems that send by HTTP: what they may send, and their tokens.")
Name = Annotated[str, typer.Argument(help="The source, such as erp-shanghai.")]


@source_app.command("list")
def list_sources() -> None:
    """All sources, when each was heard, and what its usual silence is."""

    async def work(db: Database) -> None:
        heard, table = await store.heard(db), Table("name", "sources", "takes", "a minute", "tokens", "heard", "gap")
        for one in await store.sources(db):
            good = sum(token.revoked_at is None for token in one.tokens)
            last = heard.get(one.name, Heard())
            gap = one.gap_seconds or usual_gap(last, datetime.now(UTC).date())
            table.add_row(
                one.name + ("" if one.active else " (put out)"), ", ".join(one.sources), ", ".join(one.takes),
                str(one.per_minute or "any"), str(good), last.last.isoformat(timespec="seconds") if last.last else "-",
                f"{gap} s" if gap else "-",
            )  # fmt: skip
        Console().print(table)

    _with(work)


@source_app.command("add")
def add_source(
    name: Name,
    source: Annotated[list[str], typer.Option(help="A value of `source` it may use, with all under it.")],
    takes: Annotated[list[str], typer.Option(help="A topic or type it may send, such as rapport.trade.")],
    per_minute: Annotated[int | None, typer.Option(min=1, help="Events it may send in a minute.")] = None,
    subject: Annotated[str | None, typer.Option(help="Its `sub` at the company's token issuer.")] = None,
) -> None:
    """Register a source and print a token for it: once, for it cannot be shown again."""
    try:
        types_of(takes)
    except Refused as unknown:
        _fail(unknown.message)

    async def work(db: Database) -> None:
        now = datetime.now(UTC)
        kept, shown = new_token(getpass.getuser(), now)
        made = Source(
            name=name, sources=tuple(source), takes=tuple(takes), per_minute=per_minute, subject=subject,
            made_at=now, tokens=(kept,),
        )  # fmt: skip
        if not await store.insert(db, made):
            _fail(f"There is a source {name} already; `rapport gateway source token {name}` makes another token.")
        typer.echo(shown)

    _with(work)


@source_app.command("token")
def add_token(name: Name) -> None:
    """Print another token of a source; those there are stay good."""

    async def work(db: Database) -> None:
        kept, shown = new_token(getpass.getuser(), datetime.now(UTC))
        before = await _found(db, name)
        await _store(db, before, msgspec.structs.replace(before, tokens=(*before.tokens, kept)))
        typer.echo(shown)

    _with(work)


@source_app.command("revoke")
def revoke(
    name: Name,
    token: Annotated[str, typer.Argument(help="The token's id, which is what stands between rgw_ and the next _.")],
) -> None:
    """Revoke a token: within seconds it is taken no more."""

    async def work(db: Database) -> None:
        before, now = await _found(db, name), datetime.now(UTC)
        if all(one.id != token for one in before.tokens):
            _fail(f"{name} has no token {token}; it has {', '.join(one.id for one in before.tokens) or 'none'}.")
        tokens = tuple(
            msgspec.structs.replace(one, revoked_at=one.revoked_at or now) if one.id == token else one
            for one in before.tokens
        )
        await _store(db, before, msgspec.structs.replace(before, tokens=tokens))
        typer.echo(f"{token} is revoked.")

    _with(work)


async def _found(db: Database, name: str) -> Source:
    found = await store.source(db, name)
    if found is None:
        _fail(f"There is no source {name}; `rapport gateway source list` shows those there are.")
    return found


async def _store(db: Database, before: Source, after: Source) -> None:
    if not await store.replace(db, before, after):
        _fail(f"{before.name} was changed by somebody else in this moment; try again.")


def _with(work: Callable[[Database], Awaitable[T]]) -> T:
    settings = GatewaySettings()

    async def opened() -> T:
        client = connect(settings.mongo_uri.get_secret_value(), **mongo_options(settings))
        try:
            db = database(client, settings.database)
            await ensure(db, store.COLLECTIONS)
            return await work(db)
        finally:
            client.close()

    return asyncio.run(opened())


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(2)

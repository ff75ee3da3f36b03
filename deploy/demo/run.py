"""The demo: a stack of its own, the services as separate processes, 18 months of books, and a comparison."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager

import typer
from aiokafka import AIOKafkaProducer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from deploy.demo.books import ABOUT, Books
from deploy.demo.compare import RULES, Compared, Sides, expected, standing, told
from deploy.demo.replay import Replay
from deploy.demo.watch import Watch
from deploy.local import services, stack
from deploy.local.paths import default_home
from deploy.local.report import for_terminal
from deploy.local.running import prepare, until_interrupted
from services.chassis.auth import Role
from services.chassis.settings import Settings
from services.chassis.tokens import LocalIssuer

Draw = Callable[[dict[str, str]], None]
SLOWEST = 0.5  # seconds between two looks at the figures
PLAIN = 5.0  # seconds between two lines where no terminal is


def run(*, once: bool, customers: int | None, seed: int) -> int:
    """Run the demo; returns the exit code: 0 where both sides agree."""
    typer.echo(ABOUT)
    home = default_home().root / "demo"
    report = for_terminal()
    stack.wipe(home, report=report)  # a replay begins at its beginning
    up = stack.up(home, report=report)
    started: list[services.Running] = []
    try:
        prepare(up)
        mailbox, smtp = services.start_mailbox(up)
        started.append(mailbox)
        env = {
            "RAPPORT_CLOCK": "events",
            "RAPPORT_CLOCK_POLL_MS": "50",
            "RAPPORT_ALERTS_SMTP_PORT": str(smtp),
            "RAPPORT_ALERTS_MAIL_CONNECTIONS": "4",
            "RAPPORT_ALERTS_MAIL_BATCH": "200",
            "RAPPORT_ALERTS_HOLIDAYS": "none",  # a shop on the web knows none
        }
        started += [services.start_service(up, name, env) for name in services.SERVICES]
        books = Books(seed, customers)  # read while they start
        services.wait_ready(started)
        compared = asyncio.run(_replay(up, started, books))
        _show(compared)
        _addresses(up, started)
        if not once:
            typer.echo("Ctrl-C ends the demo.")
            until_interrupted()
        return 0 if compared.agrees else 1
    finally:
        services.stop(started[::-1], up)
        stack.down(home)


async def _replay(up: stack.Stack, started: list[services.Running], books: Books) -> Compared:
    urls = {one.name: one.url for one in started}
    mailbox = urls.pop("mailbox")
    watch = Watch(up.kafka, urls)
    producer = AIOKafkaProducer(bootstrap_servers=up.kafka, enable_idempotence=True, acks="all", linger_ms=5)
    await producer.start()
    replay = Replay(books, producer, watch)
    follow = asyncio.create_task(watch.follow())
    show = asyncio.create_task(_progress(replay, watch))
    try:
        await _while_all_live(replay.run(), started, follow)
        await _while_all_live(watch.settled(), started, follow)
    finally:
        for task in (follow, show):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await producer.stop()
    files = replay.final.write(up.home / "books")
    should = await asyncio.to_thread(expected, files, books, replay.final, watch.tally)
    stands = await standing(Settings(home=up.home), urls["alerts"])
    sides = tuple(Sides(rule, stands[rule], should[rule], watch.tally.rules[rule], books.whole) for rule in RULES)
    found = Compared(sides, await told(mailbox, watch.tally))
    await watch.client.aclose()
    return found


async def _while_all_live(
    work: Coroutine[None, None, None], started: list[services.Running], follow: asyncio.Task[None]
) -> None:
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await asyncio.wait({task, follow}, timeout=1, return_when=asyncio.FIRST_COMPLETED)
            dead = next((one for one in started if not one.alive), None)
            if dead is not None:
                raise RuntimeError(f"{dead.name} ended:\n{dead.tail()}")
            if follow.done() and not task.done():
                follow.result()
                raise RuntimeError("the watch ended")
        task.result()
    finally:
        # Interrupted, it must not go on while the producer is closed under it.
        task.cancel()
        await asyncio.wait({task})


async def _progress(replay: Replay, watch: Watch) -> None:
    console = Console()
    began, before, at = time.monotonic(), 0.0, time.monotonic()
    with _canvas(console) as draw:
        while True:
            await asyncio.sleep(SLOWEST if console.is_terminal else PLAIN)
            figures = watch.figures
            applied = sum(one.get("rapport_events_applied_total", 0) for one in figures.values())
            now = time.monotonic()
            draw(
                {
                    "day": replay.day.isoformat(),
                    "events sent": f"{replay.sent:,}",
                    "events/s": f"{(applied - before) / (now - at):,.0f}",
                    "lag": f"{sum(one.get('rapport_lag_records', 0) for one in figures.values()):,.0f}",
                    "alerts raised": f"{len(watch.tally.raised):,}",
                    "standing": f"{len(watch.tally.standing):,}",
                    "told": f"{len(watch.tally.sent):,}",
                    "time": f"{now - began:.0f} s",
                }
            )
            before, at = applied, now
            await watch.read("profiles")


@contextmanager
def _canvas(console: Console) -> Iterator[Draw]:
    if not console.is_terminal:
        yield lambda row: typer.echo("  ".join(f"{name} {value}" for name, value in row.items()))
        return
    with Live(console=console, refresh_per_second=4) as live:

        def draw(row: dict[str, str]) -> None:
            table = Table(*row, box=None)
            table.add_row(*row.values())
            live.update(table)

        yield draw


def _show(compared: Compared) -> None:
    table = Table("at the end", "alerts raised", "standing", "on plain files", title="Do both sides agree?")
    for one in compared.rules:
        table.add_row(one.rule, f"{one.raised:,}", f"{len(one.standing):,}", f"{len(one.expected):,}")
    Console().print(table)
    told = compared.told
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(told.suppressed.items())) or "none"
    table = Table("messages", "count", title="Was everybody told?")
    table.add_row("due (alerts raised, reopened or stepped up)", f"{told.news:,}")
    table.add_row("sent", f"{told.sent:,}")
    table.add_row(f"suppressed with a reason ({reasons})", f"{sum(told.suppressed.values()):,}")
    table.add_row("bounced", f"{told.bounced:,}")
    table.add_row("mails in the mailbox, most of them digests", f"{told.mails:,}")
    table.add_row("alerts named in them", f"{len(told.named):,}")
    Console().print(table)
    for one in compared.rules:
        for name in sorted(one.standing ^ one.expected)[:10]:
            side = "by the services" if name in one.standing else "on plain files"
            typer.echo(f"{one.rule}: only {side}: {name}", err=True)
    typer.echo("They agree." if compared.agrees else "They do NOT agree; see above.")


def _addresses(up: stack.Stack, started: list[services.Running]) -> None:
    token = LocalIssuer(Settings(home=up.home)).issue("demo", [Role.ADMIN])
    for one in started:
        typer.echo(f"{one.name:10} {one.url}")
    typer.echo(f"kafka      {up.kafka}\nmongo      {up.mongo}\ntoken      {token}")
    alerts = next(one.url for one in started if one.name == "alerts")
    typer.echo(f'try        curl -H "Authorization: Bearer $TOKEN" {alerts}/alerts')

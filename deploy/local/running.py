"""`rapport run` and `rapport publish`: the services on the local stack, and events from a file."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from aiokafka import AIOKafkaProducer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from contracts.envelope import Event, decode_json, encode
from contracts.refusal import Refused
from contracts.registry import TOPICS, topic_of
from deploy.local import services, stack
from deploy.local.commands import explained
from deploy.local.report import for_terminal
from services.chassis.security import kafka_options
from services.chassis.settings import Settings
from services.chassis.tokens import LocalIssuer
from services.chassis.topics import apply_topics


def prepare(running: stack.Stack) -> None:
    """Make a stack ready for services: its topics and the local issuer's keys."""
    settings = Settings(kafka_bootstrap=running.kafka, home=running.home)
    LocalIssuer(settings).ensure()
    asyncio.run(apply_topics(kafka_options(settings), TOPICS.values(), grow=False, decide=lambda _: True))


def run(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[SERVICE]...", help="Which; all if none is named.")
    ] = None,
) -> None:
    """Run services on the local stack, with a mailbox that catches all mails, until Ctrl-C."""
    wanted = names or list(services.SERVICES)
    unknown = sorted(set(wanted) - set(services.SERVICES))
    if unknown:
        typer.echo(f"There is no service {', '.join(unknown)}; there are {', '.join(services.SERVICES)}.", err=True)
        raise typer.Exit(2)
    with explained():
        up = stack.up(report=for_terminal())
        prepare(up)
        mailbox, smtp = services.start_mailbox(up)
        started = [mailbox]
        try:
            env = {"RAPPORT_ALERTS_SMTP_PORT": str(smtp)}
            started += [services.start_service(up, name, env) for name in wanted]
            services.wait_ready(started)
            for one in started:
                typer.echo(f"{one.name:10} {one.url}   log {one.log}")
            typer.echo("Ctrl-C stops the services; `rapport stack down` stops Kafka and MongoDB too.")
            until_interrupted()
        finally:
            services.stop(started[::-1], up)


def until_interrupted() -> None:
    """Return at Ctrl-C."""
    done = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: done.set())
    try:
        done.wait()
    finally:
        signal.signal(signal.SIGINT, before)


def publish(
    file: Annotated[Path, typer.Argument(help="CloudEvents as JSON, one a line.", exists=True, dir_okay=False)],
    bootstrap: Annotated[
        str | None, typer.Option(help="host:port, instead of the local stack's or the settings'.")
    ] = None,
) -> None:
    """Publish events from a file. All are read first: when one is refused, nothing is sent."""
    events: list[Event] = []
    faults = 0
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            events.append(decode_json(line))
        except Refused as refused:
            faults += 1
            typer.echo(f"{file.name}:{number}: {refused.reason}: {refused.message}", err=True)
    if faults:
        typer.echo(
            f"Nothing was sent: {faults} of {faults + len(events)} events are refused. Correct them first.", err=True
        )
        raise typer.Exit(1)
    local = stack.status().kafka if bootstrap is None else bootstrap
    settings = Settings(kafka_bootstrap=local) if local else Settings()
    columns = (SpinnerColumn(), TextColumn("{task.completed:,}/{task.total:,} events"), TimeElapsedColumn())
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task("", total=len(events))
        asyncio.run(_send(events, settings, lambda: progress.advance(task)))
    typer.echo(f"{len(events):,} events are with the broker at {settings.kafka_bootstrap}.")


async def _send(events: list[Event], settings: Settings, advance: Callable[[], None]) -> None:
    producer = AIOKafkaProducer(**kafka_options(settings), enable_idempotence=True, acks="all")
    await producer.start()
    try:
        waiting = []
        for event in events:
            record = encode(event)
            word = await producer.send(topic_of(event.type), record.value, key=record.key, headers=record.headers)
            word.add_done_callback(lambda _: advance())
            waiting.append(word)
        await asyncio.gather(*waiting)
    finally:
        await producer.stop()

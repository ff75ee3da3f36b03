"""The topics on the broker: what is there, the difference to the files, and making it so (`rapport topics`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from rich.console import Console
from rich.table import Column, Table

from contracts.registry import TOPICS, Topic
from contracts.topic_plan import Change, Existing, acls, config_of, plan, replication_of
from services.chassis.security import kafka_options
from services.chassis.settings import Settings

_OF_TOPIC: Final = 1  # Kafka's config source DYNAMIC_TOPIC_CONFIG: set for this topic
_SETTLE_S: Final = 20.0
topics_app = typer.Typer(help="The topics: what the files say, and making the broker so.", no_args_is_help=True)


class TopicsError(Exception):
    """The broker did not do what was asked, in its words and with what to do next."""


async def existing_topics(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, Existing]:
    """The broker's topics among `names` and all others that start with `rapport.`. Raises KafkaError."""
    wanted = set(names)
    there = [name for name in await admin.list_topics() if name in wanted or name.startswith("rapport.")]
    if not there:
        return {}
    configs = await _configs(admin, there)
    found = {}
    for topic in await admin.describe_topics(there):
        partitions = topic["partitions"]
        replicas = min((len(partition["replicas"]) for partition in partitions), default=0)
        found[topic["topic"]] = Existing(len(partitions), replicas, configs[topic["topic"]])
    return found


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(asked):
        for code, message, _kind, name, entries in response.resources:
            if code:
                raise TopicsError(f"the settings of {name} cannot be read: {message or for_code(code).__name__}")
            found[name] = {entry[0]: entry[1] for entry in entries if entry[3] == _OF_TOPIC}
    return found


async def brokers_of(admin: AIOKafkaAdminClient) -> int:
    """How many brokers the cluster has now."""
    cluster = await admin.describe_cluster()
    return len(cluster["brokers"])


async def make(
    admin: AIOKafkaAdminClient, changes: Iterable[Change], existing: Mapping[str, Existing], brokers: int
) -> None:
    """Make the changes that are not refused, and wait until the broker shows them. Raises TopicsError, KafkaError."""
    due = [change for change in changes if change.wanted is not None and not change.refused and not change.harmless]
    created = [change.wanted for change in due if change.kind == "create" and change.wanted]
    await _create(admin, created, brokers)
    grown = {c.topic: NewPartitions(c.wanted.partitions) for c in due if c.kind == "partitions" and c.wanted}
    if grown:
        _check((await admin.create_partitions(grown)).topic_errors)
    configs = [
        # The request replaces all settings of the topic: those that we do not name must be sent along.
        ConfigResource(ConfigResourceType.TOPIC, c.topic, {**existing[c.topic].config, **config_of(c.wanted)})
        for c in due
        if c.kind == "config" and c.wanted
    ]
    if configs:
        for response in await admin.alter_configs(configs):
            _check((name, code, message) for code, message, _kind, name in response.resources)
    await _settled(admin, created, {name: new.total_count for name, new in grown.items()})


async def _create(admin: AIOKafkaAdminClient, topics: list[Topic], brokers: int) -> None:
    if not topics:
        return
    new = [
        NewTopic(topic.name, topic.partitions, replication_of(topic, brokers), topic_configs=config_of(topic))
        for topic in topics
    ]
    _check((await admin.create_topics(new)).topic_errors)


def _check(results: Iterable[tuple[Any, ...]]) -> None:
    for name, code, *message in results:
        kind = for_code(code)
        # Somebody else made it in the same moment, so it is there.
        if code and kind is not TopicAlreadyExistsError:
            said = next((text for text in message if text), kind.__name__)
            raise TopicsError(f"{name}: {said}; run `rapport topics apply` again, it goes on where it stopped")


async def _settled(admin: AIOKafkaAdminClient, created: list[Topic], grown: Mapping[str, int]) -> None:
    """Wait until metadata tells of what was made; the broker answers before all of it knows."""
    wanted = {topic.name: topic.partitions for topic in created} | dict(grown)
    deadline = asyncio.get_running_loop().time() + _SETTLE_S
    while wanted:
        shown = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics(list(wanted))}
        wanted = {name: count for name, count in wanted.items() if not _led(shown.get(name, []), count)}
        if wanted and asyncio.get_running_loop().time() > deadline:
            raise TopicsError(f"the broker has taken the change, but does not show it for {', '.join(wanted)} yet")
        if wanted:
            await asyncio.sleep(0.05)


def _led(partitions: list[dict[str, Any]], count: int) -> bool:
    return len(partitions) == count and all(partition["leader"] >= 0 for partition in partitions)


Decide = Callable[[list[Change]], bool]


async def apply_topics(
    options: Mapping[str, Any], topics: Iterable[Topic], *, grow: bool = False, decide: Decide = lambda _: True
) -> list[Change]:
    """Bring the broker to the files; gives all differences, also those that were refused and so not made.

    `options` are those of services.chassis.security.kafka_options; `decide` sees the differences first and says whether
    to go on. Raises TopicsError, KafkaError.
    """
    wanted = list(topics)
    admin = AIOKafkaAdminClient(**options)
    await admin.start()
    try:
        existing = await existing_topics(admin, [topic.name for topic in wanted])
        brokers = await brokers_of(admin)
        changes = plan(wanted, existing, brokers=brokers, grow=grow)
        if decide(changes):
            await make(admin, changes, existing, brokers)
        return changes
    finally:
        await admin.close()


@topics_app.command("apply")
def apply_command(
    grow: Annotated[bool, typer.Option("--grow", help="Add partitions to keyed topics too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the difference and change nothing.")] = False,
    acl_file: Annotated[Path | None, typer.Option("--acls", help="Write the ACL list there; - prints it.")] = None,
    bootstrap: Annotated[str | None, typer.Option(help="host:port, instead of RAPPORT_KAFKA_BOOTSTRAP.")] = None,
) -> None:
    """Show the difference between the broker and the files, then remove it; exit 1 when something is refused."""
    settings = Settings() if bootstrap is None else Settings(kafka_bootstrap=bootstrap)
    try:
        changes = asyncio.run(
            apply_topics(
                kafka_options(settings),
                TOPICS.values(),
                grow=grow,
                decide=lambda found: (
                    _shown(found) and not dry_run and (yes or typer.confirm("Make it so?", abort=True))
                ),
            )
        )
    except KafkaError as error:
        said = f"the broker at {settings.kafka_bootstrap} does not answer: {error}; is it up (`rapport stack status`)?"
        typer.echo(said, err=True)
        raise typer.Exit(1) from error
    except TopicsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if acl_file is not None:
        write_acls(settings.kafka_bootstrap, acl_file)
    if any(change.refused for change in changes):
        raise typer.Exit(1)


@topics_app.command("show")
def show_command(
    acl_file: Annotated[Path | None, typer.Option("--acls", help="Write the ACL list there; - prints it.")] = None,
) -> None:
    """List the topics as the files want them; no broker is asked."""
    table = Table(Column("topic", no_wrap=True), "partitions", "kept", "producers", "consumers", "types")
    for topic in TOPICS.values():
        kept = f"{topic.retention}, compacted" if topic.compaction else topic.retention
        names = ", ".join(topic.producers), ", ".join(topic.consumers)
        table.add_row(topic.name, str(topic.partitions), kept, *names, str(len(topic.events)))
    Console().print(table)
    if acl_file is not None:
        write_acls("BROKER:9092", acl_file)


def write_acls(bootstrap: str, out: Path) -> None:
    """The rights of every producer and consumer as lines for Kafka's own tool; `-` prints them."""
    lines = [acl.command(bootstrap) for acl in acls(TOPICS.values())]
    if str(out) == "-":
        typer.echo("\n".join(lines))
        return
    out.write_text("\n".join(lines) + "\n", "utf-8")
    typer.echo(f"wrote {len(lines)} rights to {out}")


def _shown(changes: list[Change]) -> bool:
    """Print the differences; whether there is one to make."""
    for change in changes:
        typer.echo(f"{change.topic}: {change.text}")
        if change.refused:
            typer.echo(f"    refused: {change.refused}")
    due = [change for change in changes if not change.refused and not change.harmless]
    if not changes:
        typer.echo("the broker is as the files want it")
    return bool(due)

"""From the topics a broker has to the topics the files want: the differences, and which of them may be made.

Pure: services.chassis.topics asks the broker and does what is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

from contracts.registry import Topic

_MONTH_MS: Final = 30 * 86_400_000
_DAY_MS: Final = 86_400_000
_PREFIX: Final = "rapport."


class Existing(NamedTuple):
    """A topic as the broker has it; `config` holds the settings made for this topic, not the broker's defaults."""

    partitions: int
    replication: int
    config: Mapping[str, str]


class Change(NamedTuple):
    """One difference. `refused` says why it is not made, and what to do."""

    topic: str
    kind: Literal["create", "partitions", "config", "replication", "unknown"]
    text: str
    wanted: Topic | None = None
    refused: str | None = None
    harmless: bool = False  # said, but no reason to fail


class Acl(NamedTuple):
    """A right of a principal, as Kafka's own tool takes it."""

    principal: str
    operation: Literal["Read", "Write", "Describe"]
    resource: Literal["topic", "group"]
    name: str

    def command(self, bootstrap: str) -> str:
        """The line for an administrator's shell."""
        return (
            f"kafka-acls.sh --bootstrap-server {bootstrap} --add --allow-principal User:{self.principal} "
            f"--operation {self.operation} --{self.resource} {self.name}"
        )


def config_of(topic: Topic) -> dict[str, str]:
    """The topic's settings on the broker.

    The append time is the clock that rules run on, so the broker sets it. In a compacted topic tombstones stay as long
    as other events do, so that a reader that was away still learns of an erasure, and old values go within a day.
    """
    config = {"message.timestamp.type": "LogAppendTime", "retention.ms": str(topic.retention_ms)}
    if not topic.compaction:
        return config | {"cleanup.policy": "delete"}
    return config | {
        "cleanup.policy": "compact",
        "delete.retention.ms": str(_MONTH_MS),
        "max.compaction.lag.ms": str(_DAY_MS),
    }


def plan(
    wanted: Iterable[Topic], existing: Mapping[str, Existing], *, brokers: int, grow: bool = False
) -> list[Change]:
    """All differences, in the order of the topics; `brokers` limits how often a record can be kept."""
    changes: list[Change] = []
    names = set()
    for topic in wanted:
        names.add(topic.name)
        there = existing.get(topic.name)
        changes += [_create(topic, brokers)] if there is None else _differences(topic, there, brokers, grow)
    for name in sorted(existing.keys() - names):
        if name.startswith(_PREFIX):
            said = "no file in contracts/topics names it; nothing is done to it"
            changes.append(Change(name, "unknown", said, harmless=True))
    return changes


def replication_of(topic: Topic, brokers: int) -> int:
    """How often each record is kept: as wanted, but not more often than there are brokers."""
    return max(1, min(topic.replication, brokers))


def _create(topic: Topic, brokers: int) -> Change:
    settings = ", ".join(f"{key}={value}" for key, value in sorted(config_of(topic).items()))
    said = f"create with {topic.partitions} partitions, {replication_of(topic, brokers)} replicas, {settings}"
    return Change(topic.name, "create", said, topic)


def _differences(topic: Topic, there: Existing, brokers: int, grow: bool) -> list[Change]:
    changes = []
    if there.partitions != topic.partitions:
        said = f"partitions {there.partitions} -> {topic.partitions}"
        changes.append(Change(topic.name, "partitions", said, topic, _why_not(topic, there, grow)))
    other = {key: value for key, value in config_of(topic).items() if there.config.get(key) != value}
    if other:
        said = ", ".join(f"{key} {there.config.get(key, 'unset')} -> {value}" for key, value in sorted(other.items()))
        changes.append(Change(topic.name, "config", said, topic))
    if there.replication != replication_of(topic, brokers):
        said = (
            f"replicas {there.replication}, wanted {replication_of(topic, brokers)}; "
            "move them with kafka-reassign-partitions.sh, this command does not"
        )
        changes.append(Change(topic.name, "replication", said, topic, harmless=True))
    return changes


def _why_not(topic: Topic, there: Existing, grow: bool) -> str | None:
    if topic.partitions < there.partitions:
        return "Kafka cannot take partitions away; write the present number into the topic's file"
    if topic.keyed and not grow:
        return (
            "the topic is keyed: with more partitions a customer's next events lie in another partition than those "
            "before and can overtake them; the services stand that, other readers may not. If so decided, add --grow"
        )
    return None


def acls(topics: Iterable[Topic]) -> list[Acl]:
    """What every producer and consumer needs, and no more: by principal, then topic."""
    rights: set[Acl] = set()
    for topic in topics:
        for name in topic.producers:
            rights |= {Acl(name, "Write", "topic", topic.name), Acl(name, "Describe", "topic", topic.name)}
        for name in topic.consumers:
            rights |= {Acl(name, "Read", "topic", topic.name), Acl(name, "Describe", "topic", topic.name)}
            rights.add(Acl(name, "Read", "group", f"{_PREFIX}{name}"))
    return sorted(rights, key=lambda acl: (acl.principal, acl.resource, acl.name, acl.operation))

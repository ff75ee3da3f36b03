"""Which payload belongs to which type, and which type to which topic."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources
from typing import Any, Final, Literal

import msgspec
import yaml

from contracts.events import alerts, customers, lifecycle, profiles, sales, settings, staff, trade
from contracts.payload import Payload
from contracts.refusal import Refused

_MODULES: Final = (customers, staff, trade, sales, profiles, lifecycle, alerts, settings)
_DURATION: Final = re.compile(r"([0-9]+)(d|h|m)")
_UNIT_MS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000}
_versioned = re.compile(r"(.+)\.v([0-9]+)").fullmatch


class Topic(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A topic file, contracts/topics/<name>.yaml. `retention` is a text such as 30d, or `forever`."""

    name: str
    purpose: str
    owner: str
    kind: Literal["intake", "facts", "snapshots", "dead_letters"]
    producers: list[str]
    consumers: list[str]
    key: str
    partitions: int
    replication: int
    retention: str
    compaction: bool
    events: list[str]

    @property
    def keyed(self) -> bool:
        """Whether the order of a key's records matters, so that partitions may not change silently."""
        return self.key != "none"

    @property
    def retention_ms(self) -> int:
        """Milliseconds for which records are held; -1 for ever."""
        if self.retention == "forever":
            return -1
        found = _DURATION.fullmatch(self.retention)
        if found is None:
            raise ValueError(f"{self.name}: retention {self.retention!r} is not a time such as 30d, 12h or forever")
        return int(found[1]) * _UNIT_MS[found[2]]


def _models() -> dict[str, type[Payload]]:
    found: dict[str, type[Payload]] = {}
    for module in _MODULES:
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and issubclass(value, Payload)
                and value.TYPE
                and value.__module__ == module.__name__
            ):
                if value.TYPE in found:
                    raise ValueError(f"{value.TYPE} is declared twice, by {found[value.TYPE]} and {value}")
                found[value.TYPE] = value
    return found


def load_topic(text: str) -> Topic:
    """A topic from the text of its file. Raises msgspec.ValidationError when a field is missing, unknown or wrong."""
    content: Any = yaml.safe_load(text)
    return msgspec.convert(content, Topic)


def _topics() -> dict[str, Topic]:
    files = resources.files("contracts") / "topics"
    topics = [load_topic(file.read_text("utf-8")) for file in files.iterdir() if file.name.endswith(".yaml")]
    return {topic.name: topic for topic in sorted(topics, key=lambda topic: topic.name)}


MODELS: Final[dict[str, type[Payload]]] = _models()
TOPICS: Final[dict[str, Topic]] = _topics()
_TOPIC_OF: Final[dict[str, str]] = {event: topic.name for topic in TOPICS.values() for event in topic.events}


def topic_of(event_type: str) -> str:
    """The topic of a full type. Raises KeyError for a type that no topic carries."""
    return _TOPIC_OF[event_type]


def consumed_by(service: str) -> list[Topic]:
    """The topics a service reads, by name."""
    return [topic for topic in TOPICS.values() if service in topic.consumers]


def produced_by(service: str) -> list[Topic]:
    """The topics a service writes, by name."""
    return [topic for topic in TOPICS.values() if service in topic.producers]


def dead_letter_topic(service: str) -> str:
    """The name of the service's dead-letter topic."""
    return f"rapport.dead.{service}"


@lru_cache(maxsize=1)
def _newest() -> dict[str, int]:
    newest: dict[str, int] = {}
    for name in MODELS:
        found = _versioned(name)
        if found is None:
            raise ValueError(f"{name} does not end in its major version, such as .v1")
        newest[found[1]] = max(newest.get(found[1], 0), int(found[2]))
    return newest


def model_of(event_type: str) -> type[Payload]:
    """The payload class of a full type. Raises Refused `newer_major` or `unknown_type`."""
    model = MODELS.get(event_type)
    if model is not None:
        return model
    found = _versioned(event_type)
    if found is not None and found[1] in _newest() and int(found[2]) > _newest()[found[1]]:
        known = f"{found[1]}.v{_newest()[found[1]]}"
        raise Refused(
            "newer_major", f"{event_type[:128]} is newer than this reader, which knows {known}; expected that one"
        )
    raise Refused(
        "unknown_type", f"nobody knows the type {event_type[:128]!r}; expected one of those in contracts/topics"
    )

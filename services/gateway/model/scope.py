"""What a source may send: events of its own `source`, of the types it was granted."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from contracts.attributes import Attributes
from contracts.refusal import Refused
from contracts.registry import TOPICS, Topic, model_of, produced_by, topic_of

# What other systems say; the services' own words have no other door than their own.
INTAKE: dict[str, Topic] = {topic.name: topic for topic in produced_by("gateway") if topic.kind == "intake"}
TAKEN: frozenset[str] = frozenset(name for topic in INTAKE.values() for name in topic.events)


class Scope(msgspec.Struct, frozen=True):
    """Which values of `source` (each with all that lies under it) and which full types; None: any that is taken."""

    sources: tuple[str, ...] | None = None
    types: frozenset[str] | None = None

    def check(self, given: Attributes) -> None:
        """Raises Refused `not_intake`, `source_not_granted`, `type_not_granted`, or what `model_of` raises."""
        if given.type not in TAKEN:
            _not_taken(given.type)
        if self.types is not None and given.type not in self.types:
            raise Refused(
                "type_not_granted",
                f"this source may not send {given.type}; expected one of {_some(self.types)}, or ask an administrator "
                "for this one",
                "type",
            )
        if self.sources is not None and not any(lies_under(given.source, one) for one in self.sources):
            raise Refused(
                "source_not_granted",
                f"source is {given.source[:128]!r}; expected {' or '.join(self.sources)}, or one under it",
                "source",
            )


def lies_under(source: str, prefix: str) -> bool:
    """Whether `source` is `prefix`, or stands under it as a path does: `erp/shanghai` under `erp`, but not `erp2`."""
    return source == prefix or (source.startswith(prefix) and source[len(prefix)] == "/")


def types_of(takes: Iterable[str]) -> frozenset[str]:
    """The types behind names of topics and types, such as `rapport.trade` and `rapport.staff.left.v1`.

    Raises Refused `unknown_type` for a name that is neither, or that the gateway does not take.
    """
    found: set[str] = set()
    for name in takes:
        events = TOPICS[name].events if name in TOPICS else [name]
        if not TAKEN.issuperset(events) or not events:
            topics = ", ".join(INTAKE)
            raise Refused("unknown_type", f"{name[:128]!r} cannot be granted; expected {topics}, or types in them")
        found.update(events)
    return frozenset(found)


def _not_taken(event_type: str) -> None:
    try:
        model_of(event_type)
    except Refused as unknown:
        raise unknown.at("type") from None
    raise Refused(
        "not_intake",
        f"{event_type} is said in {topic_of(event_type)} by a service of the suite itself; expected a type of "
        f"{', '.join(INTAKE)}",
        "type",
    )


def _some(names: frozenset[str]) -> str:
    shown = sorted(names)[:5]
    return ", ".join(shown) + (f" and {len(names) - 5} more" if len(names) > len(shown) else "")

"""What goes out: the records of events as they were said, each to its topic and its key's partition."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from aiokafka.partitioner import murmur2

from contracts.attributes import Attributes
from contracts.envelope import Record, pass_on
from contracts.registry import topic_of


class Outgoing(NamedTuple):
    """An event that was judged and is to be sent. `place` is its index in the request."""

    place: int
    given: Attributes
    topic: str
    record: Record


def outgoing(place: int, given: Attributes, data: bytes) -> Outgoing:
    """The event at that place of a request, with its data as it came."""
    return Outgoing(place, given, topic_of(given.type), pass_on(given, data))


@lru_cache(maxsize=100_000)
def hash_of(key: bytes) -> int:
    """Kafka's own hash of a key (murmur2, positive), so that a customer's events lie in the partition in which every
    other producer puts them. In Python it costs more than all else about a record, and customers come again.
    """
    hashed: int = murmur2(key) & 0x7FFFFFFF
    return hashed

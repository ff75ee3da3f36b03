"""What goes out: the records of events as they were said, each to its topic and its key's partition."""

from __future__ import annotations

from functools import lru_cache

from aiokafka.partitioner import murmur2

from contracts.attributes import Attributes
from contracts.envelope import Record, pass_on
from contracts.registry import topic_of


class Outgoing:
    """An event that was judged and is to be sent. Its place in the request is `index`."""

    __slots__ = ("given", "index", "record", "topic")

    def __init__(self, index: int, given: Attributes, body: bytes) -> None:
        self.index, self.given = index, given
        self.topic = topic_of(given.type)
        self.record: Record = pass_on(given, body)


@lru_cache(maxsize=100_000)
def hash_of(key: bytes) -> int:
    """Kafka's own hash of a key (murmur2, positive), so that a customer's events lie in the partition in which every
    other producer puts them. In Python it costs more than all else about a record, and customers come again.
    """
    hashed: int = murmur2(key) & 0x7FFFFFFF
    return hashed

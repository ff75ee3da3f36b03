"""From Kafka's records to work: decoding, and what cannot be decoded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from contracts.envelope import Event, decode, encode_data
from contracts.events.trade import SourceCompleted
from contracts.refusal import Refused
from contracts.registry import MODELS, TOPICS, topic_of

from .batch import Position
from .logtime import LogTime, millis
from .service import Service
from .supplies import Heard
from .work import LETTER, Dead, Origin, Work, dead_of_record, event_work, resent_in

STRUCTURED = b"application/cloudevents+json"


@dataclass(slots=True)
class Read:
    """A batch as read: what to apply, what could not be read, and how far that takes each partition."""

    works: list[Work]
    dead: list[Dead]
    positions: list[Position]
    records: int


class Reader:
    """Records to work: pure but for the log time it moves along, and the supplies it notes in `heard`."""

    def __init__(self, service: Service, time: LogTime, limit: int, heard: Heard | None = None) -> None:
        self.handlers = service.handlers
        self.time = time
        self.limit = limit
        # In a simulation silence is none: its watermarks say what has been delivered.
        self.supplies = service.supplies if heard is not None and time.mode == "log" else {}
        self.heard = heard or Heard()

    def read(self, batch: dict[TopicPartition, list[ConsumerRecord]]) -> Read:
        """Decode a batch. A record that cannot be read becomes a dead letter; one of a type this service does not
        take is passed over.
        """
        out = Read([], [], [], 0)
        for tp, records in batch.items():
            place = (tp.topic, tp.partition)
            for record in records:
                self._record(place, record, out)
            out.records += len(records)
            out.positions.append(Position(tp.topic, tp.partition, records[-1].offset + 1, self.time.marks[place]))
        return out

    def _record(self, place: tuple[str, int], record: ConsumerRecord, out: Read) -> None:
        headers, given = record.headers, dict(record.headers)
        if None in given.values():  # Kafka knows headers without a value
            headers = [(name, value or b"") for name, value in headers]
            given = dict(headers)
        origin = Origin(record.topic, record.partition, record.offset, record.key, record.value, headers)
        appended = millis(record.timestamp)
        if _is_tombstone(record) or self._not_ours(given, record.topic):
            self.time.moment(place, record.timestamp, None)
            return
        try:
            if len(record.value or b"") > self.limit:
                raise Refused(
                    "too_large",
                    f"The event has {len(record.value):,} bytes; at most {self.limit:,} are taken. Send less in one.",
                )
            event = decode(record.value, headers, record.key, received_at=appended)
            _check_topic(event.type, record.topic)
            now = self.time.moment(place, record.timestamp, event.time)
            self._hear(event, appended)
            handler = self.handlers.get(event.type)
            if handler is not None and not handler.own:
                work = event_work(event, handler, now, origin, body_of(given, record.value, event))
                if LETTER in given:
                    work.resent = resent_in(given)
                out.works.append(work)
        except Exception as error:  # noqa: BLE001 - whatever a record does to its reader, those behind it are read
            refused = error if isinstance(error, Refused) else Refused("unreadable", f"No event can be read: {error!r}")
            out.dead.append(dead_of_record(origin, refused, self.time.moment(place, record.timestamp, None)))

    def _hear(self, event: Event, appended: datetime) -> None:
        if names := self.supplies.get(event.type):
            self.heard.note(names, event.source, appended)
        elif self.supplies and event.type == SourceCompleted.TYPE:
            done = cast("SourceCompleted", event.data)
            self.heard.complete(done.source, done.up_to)

    def _not_ours(self, given: dict[str, bytes], topic: str) -> bool:
        # Read from the header alone: another service's events cost no decoding. In a simulation their times move the
        # clock, so they are read.
        stated = given.get("ce_type")
        if stated is None or self.time.mode == "events":
            return False
        kind = stated.decode(errors="replace")
        if self.supplies and kind == SourceCompleted.TYPE:
            return False
        return kind not in self.handlers and kind in MODELS and topic_of(kind) == topic


def _check_topic(event_type: str, topic: str) -> None:
    """Who may write to a topic may say what belongs there and nothing else; and what is said in the wrong place reaches
    nobody who reads it. Raises Refused.
    """
    if topic_of(event_type) != topic:
        raise Refused(
            "wrong_topic",
            f"{event_type} came in the topic {topic}; expected it in {topic_of(event_type)}, where its readers are",
        )


def _is_tombstone(record: ConsumerRecord) -> bool:
    """No value under a key of a compacted topic ends a snapshot; anywhere else it is an event that lost its content."""
    topic = TOPICS.get(record.topic)
    return record.value is None and topic is not None and topic.compaction


def body_of(given: dict[str, bytes], value: bytes, event: Event) -> bytes:
    """The payload's JSON: the value itself in binary mode."""
    if STRUCTURED in given.get("content-type", b"").lower():
        return encode_data(event.data)
    return bytes(value)

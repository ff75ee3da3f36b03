"""The intake's pulse: how far behind each partition is, and the clock of those that are read to their end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from aiokafka import TopicPartition

from .batch import Position
from .logtime import LogTime
from .metrics import Metrics

EVERY = 0.1  # seconds


class Pulse:
    """Measures what the consumer knows of its partitions.

    That a partition holds no more is known of the moment at which the last fetch was sent, not of the one at which its
    answer was looked at; the answer before it came in earlier than that.
    """

    def __init__(self, logtime: LogTime, metrics: Metrics) -> None:
        self.time, self.metrics = logtime, metrics
        self._polled: dict[TopicPartition, int] = {}
        self._beaten = 0.0

    def due(self) -> bool:
        """Whether it is time to measure again; remembers that it was asked."""
        if time.monotonic() - self._beaten < EVERY:
            return False
        self._beaten = time.monotonic()
        return True

    def forget(self, tp: TopicPartition) -> None:
        """The partition is another process's now."""
        self._polled.pop(tp, None)

    def beat(self, consumer: Any, applied: Mapping[TopicPartition, int]) -> list[Position]:
        """Set the lag figures; returns positions whose clock moved on because nothing more is there to read."""
        ended: list[Position] = []
        for tp in consumer.assignment():
            high, polled, next_ = consumer.highwater(tp), consumer.last_poll_timestamp(tp), applied.get(tp)
            if high is None or polled is None or next_ is None:
                continue
            place = (tp.topic, tp.partition)
            behind = max(0, high - next_)
            mark = self.time.marks.get(place)
            self.metrics.lag(tp.topic, tp.partition, behind, mark.timestamp() if mark else None)
            asked, self._polled[tp] = self._polled.get(tp, polled), polled
            if behind or asked == polled:
                continue
            if (at := self.time.read_to_end(place, asked)) is not None:
                ended.append(Position(tp.topic, tp.partition, next_, at))
        return ended

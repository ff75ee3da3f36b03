"""The replay: the books go out day by day, and no day begins before the services have seen its midnight."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime, time, timedelta
from typing import cast

import msgspec
from aiokafka import AIOKafkaProducer

from contracts.envelope import Event, encode
from contracts.events.trade import SourceCompleted
from contracts.registry import TOPICS, topic_of
from deploy.demo.books import Books, Day
from deploy.demo.files import FinalBooks
from deploy.demo.opening import carried_over

TRADE = "rapport.trade"
MIDNIGHT = time(0, 0, 1)

Reached = Callable[[datetime], Awaitable[None]]


class Replay:
    """Publishes the books. `reached(moment)` returns when the alerts service's clock has passed the moment."""

    def __init__(self, books: Books, producer: AIOKafkaProducer, reached: Reached) -> None:
        self.books, self.producer, self.reached = books, producer, reached
        self.final = FinalBooks()
        self.sent = 0
        self.day: date = books.first_day

    async def run(self) -> None:
        """All days, and the watermark that ends the last one."""
        first = self.books.first_day
        quiet = range((first + timedelta(days=3)).toordinal(), (first + timedelta(days=31)).toordinal())
        opening = carried_over(self.books)
        last: Day | None = None
        for day in self.books.days():
            self.day = day.date
            if day.date.toordinal() not in quiet:  # in the first month nothing new can be overdue: no need to wait
                await self._midnight(day)
            for event in (*opening.get(day.date, ()), *day.events):
                self.final.take(event)
                await self._send(event)
            last = day
        if last is not None:
            await self._everywhere(last.watermark)
            await self.producer.flush()
            await self.reached(last.watermark.time)

    async def _midnight(self, day: Day) -> None:
        mark = _moved(day.watermark, datetime.combine(day.date, MIDNIGHT, self.books.zone))
        await self._everywhere(mark)
        await self.producer.flush()
        await self.reached(mark.time)

    async def _send(self, event: Event) -> None:
        record = encode(event)
        await self.producer.send(topic_of(event.type), record.value, key=record.key, headers=record.headers)
        self.sent += 1
        if self.sent % 500 == 0:
            await asyncio.sleep(0)

    async def _everywhere(self, mark: Event) -> None:
        # A watermark is true of every partition, so each is told.
        record = encode(mark)
        for partition in range(TOPICS[TRADE].partitions):
            await self.producer.send(TRADE, record.value, key=record.key, headers=record.headers, partition=partition)


def _moved(mark: Event, moment: datetime) -> Event:
    data = msgspec.structs.replace(cast("SourceCompleted", mark.data), up_to=moment)
    return msgspec.structs.replace(mark, id=f"completed/{moment.isoformat()}", time=moment, data=data)

"""The replay: the books go out day by day, and no day begins before the services have seen its midnight."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, time, timedelta
from typing import Protocol, cast

import msgspec
from aiokafka import AIOKafkaProducer

from contracts.envelope import Event, encode
from contracts.events.trade import SourceCompleted
from contracts.registry import TOPICS, topic_of
from deploy.demo.books import Books, Day
from deploy.demo.files import FinalBooks
from deploy.demo.opening import carried_over
from services.alerts.model.cadence.walk import REFIT_DAYS, WARM_UP_DAYS

TRADE = "rapport.trade"
MIDNIGHT = time(0, 0, 1)


class Follower(Protocol):
    """How far the services are."""

    async def reached(self, moment: datetime, /) -> None:
        """Return when the alerts service's clock has passed the moment."""

    async def told(self) -> None:
        """Return when every message due is handed over."""

    async def fitted(self, times: int, /) -> None:
        """Return when priors were fitted so often."""


class Replay:
    """Publishes the books, waiting for the services where a real day would have given them time."""

    def __init__(self, books: Books, producer: AIOKafkaProducer, follower: Follower) -> None:
        self.books, self.producer, self.follower = books, producer, follower
        self.final = FinalBooks()
        self.sent = 0
        self.day: date = books.first_day
        self.fits = fit_days(books)

    async def run(self) -> None:
        """All days, and the watermark that ends the last one."""
        first = self.books.first_day
        quiet = range((first + timedelta(days=3)).toordinal(), (first + timedelta(days=31)).toordinal())
        opening = carried_over(self.books)
        digests = self.books.last_day.isoweekday()
        for day in self.books.days():
            self.day = day.date
            if day.date.toordinal() not in quiet:  # in the first month nothing new can be overdue: no need to wait
                await self._midnight(day)
            for event in (*opening.get(day.date, ()), *day.events):
                self.final.take(event)
                await self._send(event)
            if day.date.isoweekday() == digests and day.date.toordinal() not in quiet:
                await self._to(day.watermark)
                await self.follower.told()

    async def _midnight(self, day: Day) -> None:
        await self._to(_moved(day.watermark, datetime.combine(day.date, MIDNIGHT, self.books.zone)))
        if day.date in self.fits:
            await self.follower.fitted(self.fits.index(day.date) + 1)

    async def _to(self, mark: Event) -> None:
        await self._everywhere(mark)
        await self.producer.flush()
        await self.follower.reached(mark.time)

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


def fit_days(books: Books) -> list[date]:
    """The days on which the alerts service fits priors: half a year after the first purchase, then every quarter."""
    first = books.first_day + timedelta(days=1 + WARM_UP_DAYS)
    return [first + timedelta(days=ahead) for ahead in range(0, (books.last_day - first).days + 1, REFIT_DAYS)]


def _moved(mark: Event, moment: datetime) -> Event:
    data = msgspec.structs.replace(cast("SourceCompleted", mark.data), up_to=moment)
    return msgspec.structs.replace(mark, id=f"completed/{moment.isoformat()}", time=moment, data=data)

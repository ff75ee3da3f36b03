"""What the demo shows while it runs, read where others would read it: from /metrics and from the bus."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import httpx
from aiokafka import AIOKafkaConsumer

from contracts.envelope import decode
from contracts.events import alerts
from contracts.refusal import Refused
from services.alerts.model.alert import SEVERITIES
from services.alerts.model.cadence.priors import MODEL, Dated, from_parameters
from services.alerts.watch.life import STEPS_TOLD

FIT_SECONDS = 60.0
LOOK = 0.1  # seconds between two looks whether the clock has come to a moment
FIGURES = ("rapport_clock_seconds", "rapport_deadlines_due", "rapport_events_applied_total", "rapport_lag_records")
_SAMPLE = re.compile(r"^(rapport_\w+)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


@dataclass(slots=True)
class Tally:
    """What has been said of alerts, by distinct ids: a repeat on the wire counts once."""

    raised: set[str] = field(default_factory=set)
    standing: set[str] = field(default_factory=set)
    rules: Counter[str] = field(default_factory=Counter)  # alerts raised, by rule
    priors: list[Dated] = field(default_factory=list)
    sent: dict[str, str] = field(default_factory=dict)  # and the alert it is about
    suppressed: dict[str, str] = field(default_factory=dict)
    bounced: set[str] = field(default_factory=set)
    news: set[tuple[str, str]] = field(default_factory=set)  # raised, reopened or stepped up, each at its moment
    loudest: dict[str, int] = field(default_factory=dict)  # how grave an alert ever was, of rules that tell each step

    def take(self, data: object) -> None:
        """Count one fact."""
        if isinstance(data, alerts.AlertRaised):
            self._raised(data)
        elif isinstance(data, alerts.AlertReopened):
            self._reopened(data)
        elif isinstance(data, alerts.AlertResolved):
            self.standing.discard(data.alert_id)
        elif isinstance(data, alerts.AlertUpdated):
            self._step(data)
        elif isinstance(data, alerts.NotificationAccepted):
            self.sent[data.notification_id] = data.alert_id
            self.suppressed.pop(data.notification_id, None)
        elif isinstance(data, alerts.NotificationSuppressed):
            self.suppressed[data.notification_id] = data.reason
        elif isinstance(data, alerts.NotificationBounced):
            self.bounced.add(data.notification_id)
        elif isinstance(data, alerts.PriorFitted) and data.model == MODEL:
            held = {one.valid_from: one for one in self.priors}
            held[data.valid_from] = Dated(valid_from=data.valid_from, priors=from_parameters(data.parameters))
            self.priors = [held[day] for day in sorted(held)]

    def _raised(self, data: alerts.AlertRaised) -> None:
        self.rules[data.rule] += data.alert_id not in self.raised
        self.raised.add(data.alert_id)
        self.news.add((data.alert_id, data.raised_at.isoformat()))
        self.standing.add(data.alert_id)
        if data.rule in STEPS_TOLD:
            self.loudest.setdefault(data.alert_id, SEVERITIES.index(data.severity))

    def _reopened(self, data: alerts.AlertReopened) -> None:
        self.news.add((data.alert_id, data.reopened_at.isoformat()))
        self.standing.add(data.alert_id)
        if (loudest := self.loudest.get(data.alert_id)) is not None:
            self.loudest[data.alert_id] = max(loudest, SEVERITIES.index(data.severity))

    def _step(self, data: alerts.AlertUpdated) -> None:
        """An alert that has grown graver than it ever was is told again, where its rule has it so."""
        loudest, now = self.loudest.get(data.alert_id), SEVERITIES.index(data.severity)
        if loudest is not None and now > loudest:
            self.loudest[data.alert_id] = now
            self.news.add((data.alert_id, data.updated_at.isoformat()))

    @property
    def answered(self) -> bool:
        """Whether of every message it is known what became of it."""
        return len(self.sent) + len(self.suppressed) + len(self.bounced) >= len(self.news)


class Watch:
    """Follows the services."""

    def __init__(self, kafka: str, urls: dict[str, str]) -> None:
        self.kafka, self.urls = kafka, urls
        self.tally = Tally()
        self.client = httpx.AsyncClient(timeout=10)
        self.figures: dict[str, dict[str, float]] = {}
        self._heard = asyncio.Event()

    async def follow(self) -> None:
        """Count what the alerts service says, until cancelled."""
        consumer = AIOKafkaConsumer("rapport.alerts", bootstrap_servers=self.kafka, auto_offset_reset="earliest")
        await consumer.start()
        try:
            async for record in consumer:
                try:
                    self.tally.take(decode(record.value, record.headers, record.key).data)
                except Refused as refused:
                    raise RuntimeError(f"the alerts service said what its contract refuses: {refused}") from refused
                self._heard.set()
        finally:
            await consumer.stop()

    async def read(self, service: str) -> dict[str, float]:
        """The service's FIGURES, summed over labels. Asked for all so often, it would spend its time on these."""
        answer = await self.client.get(f"{self.urls[service]}/metrics", params={"name[]": FIGURES})
        answer.raise_for_status()
        sums: dict[str, float] = {}
        for name, value in _SAMPLE.findall(answer.text):
            sums[name] = sums.get(name, 0.0) + float(value)
        self.figures[service] = sums
        return sums

    async def reached(self, moment: datetime) -> None:
        """Return when the alerts service's clock has passed `moment` and nothing is due before it."""
        while True:
            figures = await self.read("alerts")
            if figures.get("rapport_clock_seconds", 0) >= moment.timestamp() and not figures["rapport_deadlines_due"]:
                return
            await asyncio.sleep(LOOK)

    async def settled(self) -> None:
        """Return when everything is read, said and sent."""
        calm = 0
        while calm < 3:
            lag = 0.0
            for service in self.urls:
                figures = await self.read(service)
                lag += figures.get("rapport_lag_records", 0)
            calm = calm + 1 if not lag and self.tally.answered else 0
            await asyncio.sleep(0.3)

    async def told(self) -> None:
        """Return when nothing that has been raised waits to be said. For the tidiness of the mailbox, not more: what
        is still on its way to here would be in a mail of its own.
        """
        await self._until(lambda: self.tally.answered)

    async def fitted(self, times: int) -> None:
        """Return when priors were fitted so often, or when that takes too long: a small base has none to fit."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIT_SECONDS):
                await self._until(lambda: len(self.tally.priors) >= times)

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._heard.clear()
            await self._heard.wait()

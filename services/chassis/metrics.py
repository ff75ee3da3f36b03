"""The figures every service shows, named and explained in one place. A service adds its own in its `metrics.py`.

Labels are few and bounded (topics, partitions, stages, reasons): never a customer, never an id.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
)

Stage = Literal["decode", "load", "fold", "store", "transaction", "commit", "relay", "clock", "refold"]

FAST: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SLOW: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)
SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


@dataclass(frozen=True, slots=True)
class Described:
    """One metric as the generated table shows it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


class MetricSet:
    """Makes metrics in a registry of its own and remembers what each means.

    Raises ValueError when a name is taken or breaks the conventions.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.described: list[Described] = []

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        """Something that only grows; `name` ends in `_total`."""
        if not name.endswith("_total"):
            raise ValueError(f"{name}: a counter's name ends in _total")
        self._describe(name, "counter", text, labels)
        return Counter(name, text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        """Something that rises and falls."""
        self._describe(name, "gauge", text, labels)
        return Gauge(name, text, labels, registry=self.registry)

    def histogram(self, name: str, text: str, labels: Sequence[str] = (), buckets: Sequence[float] = FAST) -> Histogram:
        """How something is spread; `name` ends in its unit."""
        self._describe(name, "histogram", text, labels)
        return Histogram(name, text, labels, registry=self.registry, buckets=buckets)

    def _describe(self, name: str, kind: str, text: str, labels: Sequence[str]) -> None:
        if not name.startswith("rapport_"):
            raise ValueError(f"{name}: names of metrics begin with rapport_")
        self.described.append(Described(name, kind, tuple(labels), text))


class Metrics(MetricSet):
    """What the chassis measures. One object a process; tests make their own. `now` gives seconds since 1970."""

    def __init__(self, registry: CollectorRegistry | None = None, now: Callable[[], float] = time.time) -> None:
        super().__init__(registry or CollectorRegistry())
        self._now = now
        self._outbox_oldest: float | None = None
        self._intake()
        self._outbox()
        self._time()
        self._http()

    def _intake(self) -> None:
        where = ("topic", "partition")
        self.lag_records = self.gauge("rapport_lag_records", "Records appended and not yet applied.", where)
        self.lag_seconds = self.gauge(
            "rapport_lag_seconds", "Age of the oldest record not yet applied, in seconds; 0 when all is applied.", where
        )
        self.partitions = self.gauge("rapport_partitions_assigned", "Partitions this process reads.")
        self.batch_records = self.histogram("rapport_batch_records", "Records of one batch.", buckets=SIZES)
        self.stage_seconds = self.histogram(
            "rapport_stage_seconds", "Time of one batch in each stage, in seconds.", ("stage",)
        )
        self.applied = self.counter("rapport_events_applied_total", "Events folded and stored.", ("topic",))
        self.repeated = self.counter(
            "rapport_events_repeated_total",
            "Events skipped because their id or business key had been applied.",
            ("topic",),
        )
        self.dead = self.counter(
            "rapport_dead_letters_total", "Events that could not be taken, by reason.", ("topic", "reason")
        )
        self.retries = self.counter(
            "rapport_retries_total", "Tries repeated after an error that time can heal.", ("stage",)
        )
        self.conflicts = self.counter(
            "rapport_version_conflicts_total",
            "Transactions given up because another writer had changed a state, and repeated.",
        )
        self.refolds = self.counter(
            "rapport_refolds_total", "Customers folded again from their ledger, by cause.", ("cause",)
        )
        self.cache_states = self.gauge("rapport_cache_states", "States held in memory.")
        self.cache_reads = self.counter(
            "rapport_cache_reads_total", "States asked for, by whether memory had them (hit or miss).", ("outcome",)
        )

    def _outbox(self) -> None:
        self.outbox_records = self.gauge("rapport_outbox_records", "Records written and not yet sent.")
        self.outbox_seconds = self.gauge(
            "rapport_outbox_oldest_seconds", "Age of the oldest record not yet sent, in seconds; 0 when all is sent."
        )
        self.outbox_seconds.set_function(lambda: self._age(self._outbox_oldest))
        self.sent = self.counter("rapport_relay_sent_total", "Records that the broker has confirmed.", ("topic",))
        self.send_failures = self.counter(
            "rapport_relay_failures_total", "Sends that failed and are repeated.", ("topic",)
        )
        self.send_seconds = self.histogram(
            "rapport_relay_delay_seconds", "From the record's writing to the broker's word, in seconds.", buckets=SLOW
        )
        self.lease_held = self.gauge("rapport_lease_held", "1 where this process holds the lease.", ("scope",))
        self.in_doubt = self.counter(
            "rapport_notifications_in_doubt_total",
            "Notifications found open after a crash and sent again under the same id.",
        )

    def _time(self) -> None:
        self.due = self.gauge("rapport_deadlines_due", "Deadlines that are due by the clock and not yet folded.")
        self.late_seconds = self.gauge(
            "rapport_deadlines_late_seconds", "How long the oldest of them has been due, in seconds of the clock."
        )
        self.withheld = self.gauge(
            "rapport_deadlines_withheld", "Deadlines that wait because a feed they rest on is silent."
        )
        self.supply_held = self.gauge(
            "rapport_supply_sources_silent",
            "Systems that deliver what rules rest on and are silent for longer than usual; their rules wait.",
            ("supply",),
        )
        self.ticks = self.counter("rapport_deadlines_folded_total", "Deadlines folded.")
        self.clock = self.gauge(
            "rapport_clock_seconds", "The service's clock: up to when all feeds are known, in seconds since 1970."
        )
        self.clock_behind = self.gauge(
            "rapport_clock_behind_seconds",
            "How far the clock is behind the wall clock because records lie unread, in seconds.",
        )

    def _http(self) -> None:
        self.http_seconds = self.histogram(
            "rapport_http_seconds", "Time to answer a request, in seconds.", ("method", "route", "status"), buckets=SLOW
        )
        self.ready = self.gauge("rapport_ready", "1 where the last readiness check of this part passed.", ("part",))
        self.audit_rows = self.counter("rapport_audit_rows_total", "Rows written to the audit trail.")

    @contextmanager
    def timed(self, stage: Stage) -> Iterator[None]:
        """Counts the time inside towards `stage`, also when it fails."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.stage_seconds.labels(stage).observe(time.perf_counter() - started)

    def lag(self, topic: str, partition: int, records: int, oldest: float | None) -> None:
        """Lag of one partition: how many records are not applied, and when (seconds since 1970) the oldest of them, or
        the last one applied, was appended. The age is worked out when it is asked for, so that it also grows while
        the loop stands still."""
        labels = (topic, str(partition))
        self.lag_records.labels(*labels).set(records)
        self.lag_seconds.labels(*labels).set_function(lambda: self._age(oldest if records else None))

    def forget(self, topic: str, partition: int) -> None:
        """Takes a partition that is no longer assigned out of the lag, for it is another process's now."""
        for gauge in (self.lag_records, self.lag_seconds):
            gauge.remove(topic, str(partition))

    def count(self, topic: str, applied: int, repeated: int) -> None:
        """What became of a batch's events."""
        self.applied.labels(topic).inc(applied)
        self.repeated.labels(topic).inc(repeated)

    def outbox(self, records: int, oldest: float | None) -> None:
        """State of the outbox: records not yet sent, and when (seconds since 1970) the oldest was written."""
        self.outbox_records.set(records)
        self._outbox_oldest = oldest if records else None

    def _age(self, since: float | None) -> float:
        return max(0.0, self._now() - since) if since is not None else 0.0


def markdown(sets: Sequence[tuple[str, MetricSet]]) -> str:
    """One table of all metrics; `sets` are pairs of whose they are (`every service`, `alerts`) and the metrics."""
    lines = ["| metric | kind | labels | whose | meaning |", "|---|---|---|---|---|"]
    for whose, metrics in sets:
        lines += [f"| `{m.name}` | {m.kind} | {', '.join(m.labels)} | {whose} | {m.text} |" for m in metrics.described]
    return "\n".join(lines) + "\n"

"""Whether an alert was false: raised although what lay in the log before its moment denied it.

An alert is raised by the clock at a due moment m. The clock may only pass m when every partition of the trade topic has
been applied beyond m, so whatever lies in a partition before its first record of a later time must be known by then;
what lies behind it may be known or not, in the order of its partition. The alert is false if in none of these states of
knowledge its cause stands at the end of m's day. Log time is the append time, or in a simulation the latest event time
up to the record, as design.md (guarantee 8) has it; here it is worked out anew, from the log itself.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product

from aiokafka.structs import ConsumerRecord

from contracts.envelope import Event, decode
from contracts.events.alerts import AlertRaised, AlertReopened
from contracts.refusal import Refused
from services.alerts.model.rules import receivable_over_limit
from services.alerts.rules import Rules
from tests.faults.bus import TRADE
from tests.faults.load import name_of
from tests.faults.reference import Books

FIRST = datetime.fromtimestamp(0, UTC)
Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Fact:
    """An accepted event where it first lies in the log; `mark` is the log time there."""

    place: int
    mark: datetime
    event: Event


@dataclass
class Log:
    """The log in order: log times by partition of the trade topic, and each subject's facts by partition."""

    simulated: bool
    marks: dict[Partition, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    facts: dict[str, dict[Partition, list[Fact]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    @classmethod
    def of(cls, records: Iterable[ConsumerRecord], accepted: Iterable[str], *, simulated: bool) -> Log:
        """Read the log of trade and lifecycle facts. `accepted` are the names of sound events."""
        log, unseen = cls(simulated), set(accepted)
        for record in _as_appended(records):
            at = (record.topic, record.partition)
            appended = datetime.fromtimestamp(record.timestamp / 1000, UTC)
            try:
                event = decode(record.value, record.headers, record.key, received_at=appended)
            except Refused:
                event = None
            mark = log._mark(at, appended, event)
            if event is not None and (name := name_of(event)) in unseen:
                unseen.remove(name)
                log.facts[event.subject][at].append(Fact(len(log.marks[at]) - 1, mark, event))
        return log

    def _mark(self, at: Partition, appended: datetime, event: Event | None) -> datetime:
        held = self.marks[at][-1] if self.marks[at] else FIRST
        told = (event.time if event is not None else held) if self.simulated else appended
        self.marks[at].append(max(held, told))
        return self.marks[at][-1]

    def known(self, subject: str, moment: datetime) -> Iterator[list[Event]]:
        """Every state of knowledge about a subject in which the clock may have passed a moment."""
        sure: list[Event] = []
        open_ends: list[list[Event]] = []
        for at, facts in self.facts[subject].items():
            behind = bisect_right(self.marks[at], moment)
            # In a simulation only the trade topic moves the clock; the others may be read sooner or later.
            split = 0 if self.simulated and at[0] != TRADE else sum(fact.place < behind for fact in facts)
            sure += [fact.event for fact in facts[:split]]
            open_ends.append([fact.event for fact in facts[split:]])
        for lengths in sorted(product(*(range(len(rest) + 1) for rest in open_ends)), key=sum):
            yield sure + [event for rest, n in zip(open_ends, lengths, strict=True) for event in rest[:n]]


def _as_appended(records: Iterable[ConsumerRecord]) -> list[ConsumerRecord]:
    """Records of all partitions in the order in which they came: what lies in two of them, since partitions were added,
    was known from the first.
    """
    latest: dict[Partition, int] = defaultdict(int)
    placed = []
    for record in records:
        at = (record.topic, record.partition)
        latest[at] = max(latest[at], record.timestamp)
        placed.append((latest[at], record))
    return [record for _, record in sorted(placed, key=lambda one: one[0])]


def false_alerts(log: Log, said: Iterable[Event], rules: Rules) -> Iterator[str]:
    """Alerts raised or raised again against what was known. `rules` know all priors there have been: they hold from
    days ahead only, so that those of a later day say nothing of an earlier one.
    """
    raised: dict[str, AlertRaised] = {}
    for event in said:
        if isinstance(event.data, AlertRaised):
            moment = event.data.raised_at
            raised[event.data.alert_id] = event.data
        elif isinstance(event.data, AlertReopened):
            moment = event.data.reopened_at
        else:
            continue
        alert = raised.get(event.data.alert_id)
        if alert is None:
            yield f"{event.type} {event.data.alert_id} of {event.subject}, of which nothing was said before"
        elif not any(_stands(books, event.subject, alert, rules, moment) for books in log.known(event.subject, moment)):
            yield f"{event.type} {alert.rule} {alert.alert_id} of {event.subject} at {moment.isoformat()}"


def _stands(events: list[Event], subject: str, alert: AlertRaised, rules: Rules, moment: datetime) -> bool:
    day = rules.day(moment)
    books = Books.of(rules, events)
    if alert.rule == receivable_over_limit.RULE:
        held = books.weighed(day).get((subject, alert.cause))
        return held is not None and held[1].stage > 0
    episode = books.episodes(day, alert.rule).get(alert.alert_id)
    return episode is not None and (episode.closed_on is None or episode.closed_on > day)

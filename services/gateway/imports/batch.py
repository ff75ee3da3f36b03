"""Rows on their way: judged, sent, and counted once the broker has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from contracts.refusal import Refused
from services.gateway.emits import Outgoing, outgoing
from services.gateway.imports.files import by_column, is_total
from services.gateway.imports.store import Counts, Import, RefusedRow
from services.gateway.imports.texts import Line
from services.gateway.model.kinds import KINDS, Kind, Reading, Row, judge
from services.gateway.model.scope import Scope
from services.gateway.sender import Word

LONGEST = 10_000  # characters of a refused row's cell that are kept


def reading_of(one: Import) -> Reading:
    """How its cells are read."""
    form = one.format
    return Reading(form.mark, form.currency, form.epoch_1904, one.digest[:16], one.system, one.source)


@dataclass
class Reader:
    """Turns rows of one import into events. `now` is the moment of sending (aware)."""

    one: Import
    scope: Scope

    def __post_init__(self) -> None:
        self.kind: Kind = KINDS[self.one.kind]
        self.reading = reading_of(self.one)
        self.said_at = self.one.made_at.isoformat()

    def read(self, line: Line, now: datetime) -> list[Outgoing] | None:
        """The events of a row, which are the same at every reading; None for a sum at the end of a page.

        Raises Refused with the column as its field.
        """
        if line.wrong is not None:
            raise line.wrong
        cells = by_column(line, self.one.format)
        if is_total(line, cells, self.kind):
            return None
        made: list[Outgoing] = []
        for fact in self.kind.facts(Row(line.number, cells, self.reading)):
            event_id = f"{self.one.id}/{line.number:07d}{fact.suffix}"
            given = judge(self.kind, fact, self.one.source, event_id, self.said_at, now)
            self.scope.check(given)
            made.append(outgoing(len(made), given, fact.data))
        return made

    def refused(self, line: Line, why: Refused) -> RefusedRow:
        """What is kept of a row that is refused."""
        heading = self.one.format.mapping.get(why.field or "", why.field)
        return RefusedRow(
            line=line.number,
            column=heading,
            reason=why.reason,
            message=why.message,
            cells=tuple(cell[:LONGEST] for cell in line.cells),
        )


@dataclass
class Batch:
    """Rows that are settled together: after the broker's word on all of them. The first `begun` of its events are on
    their way, `words` are what the broker will say of them; `size` are the characters of its cells.
    """

    reader: Reader
    line: int = 0
    rows: int = 0
    passed_over: int = 0
    outgoing: list[Outgoing] = field(default_factory=list)
    refused: list[RefusedRow] = field(default_factory=list)
    begun: int = 0
    words: set[Word] = field(default_factory=set)
    size: int = 0
    subjects: set[str] = field(default_factory=set)

    def take(self, line: Line, now: datetime) -> None:
        """One more row."""
        self.rows += 1
        self.line = line.number
        self.size += sum(map(len, line.cells))
        try:
            events = self.reader.read(line, now)
        except Refused as why:
            self.refused.append(self.reader.refused(line, why))
            return
        if events is None:
            self.passed_over += 1
        else:
            self.outgoing += events
            self.subjects.update(event.given.subject for event in events)

    @property
    def counts(self) -> Counts:
        """Its rows by what became of them."""
        refused = len(self.refused)
        return Counts(
            rows=self.rows,
            accepted=self.rows - refused - self.passed_over,
            refused=refused,
            passed_over=self.passed_over,
            events=len(self.outgoing),
        )

    def settled(self, one: Import, percent: int) -> Import:
        """The import with these rows behind it."""
        own = self.counts
        sums = {name: getattr(one.counts, name) + getattr(own, name) for name in Counts.__struct_fields__}
        line = max(one.line, self.line)
        return msgspec.structs.replace(one, state="running", line=line, percent=percent, counts=Counts(**sums))

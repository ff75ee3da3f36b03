"""Rows on their way: judged, sent, and counted once the broker has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from contracts.refusal import Refused
from services.gateway.emits import Outgoing, outgoing
from services.gateway.imports.files import by_column, is_total
from services.gateway.imports.groups import Group
from services.gateway.imports.store import Counts, Import, RefusedRow
from services.gateway.imports.texts import Line
from services.gateway.model.kinds import KINDS, Fact, Kind, judge
from services.gateway.model.rows import Reading, Row
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

    def read(self, group: Group, now: datetime) -> tuple[list[Outgoing] | None, list[RefusedRow]]:
        """The events of rows that belong together, which are the same at every reading, and the rows that are refused,
        with the column as their field; no events (None) for a sum at the end of a page.
        """
        facts: list[list[Fact]] = []
        made: list[Outgoing] = []
        refused: list[RefusedRow] = []
        for line in group.lines:
            try:
                found = self._facts(line)
                if found is None:
                    return None, []
                made = self._made(line.number, found, now)
                facts.append(found)
            except Refused as why:
                refused.append(self.refused(line, why))
        if not self.kind.together:
            return ([], refused) if refused else (made, [])
        return self._together(group, facts, refused, now)

    def _facts(self, line: Line) -> list[Fact] | None:
        if line.wrong is not None:
            raise line.wrong
        cells = by_column(line, self.one.format)
        if is_total(line, cells, self.kind):
            return None
        return self.kind.facts(Row(line.number, cells, self.reading))

    def _made(self, number: int, facts: Sequence[Fact], now: datetime) -> list[Outgoing]:
        made: list[Outgoing] = []
        for fact in facts:
            event_id = f"{self.one.id}/{number:07d}{fact.suffix}"
            given = judge(self.kind, fact, self.one.source, event_id, self.said_at, now, self.one.history)
            self.scope.check(given)
            made.append(outgoing(len(made), given, fact.data))
        return made

    def _together(
        self, group: Group, facts: Sequence[Sequence[Fact]], refused: list[RefusedRow], now: datetime
    ) -> tuple[list[Outgoing], list[RefusedRow]]:
        """One event of all, or none: a part of it would say that nothing is open in the other currencies."""
        try:
            if refused:
                bad = {row.line: row for row in refused}
                said = f"stands with line {refused[0].line}, which is refused; expected all of them, for they are one"
                beside = Refused("row_beside_refused", said)
                return [], [bad.get(line.number) or self.refused(line, beside) for line in group.lines]
            if group.apart:
                said = "stands apart from other rows of the same customer and day; expected them one below the other"
                raise Refused("rows_apart", said, self.kind.together[0])
            joined = self.kind.joined([fact for of_row in facts for fact in of_row])
            return self._made(group.lines[0].number, [joined], now), []
        except Refused as why:
            return [], [self.refused(line, why) for line in group.lines]

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

    def take(self, group: Group, now: datetime) -> None:
        """One more row, or the rows of one event."""
        self.rows += len(group.lines)
        self.line = group.last
        self.size += sum(len(cell) for line in group.lines for cell in line.cells)
        events, refused = self.reader.read(group, now)
        self.refused += refused
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

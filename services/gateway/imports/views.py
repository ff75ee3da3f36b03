"""Imports as HTTP shows them, and what it asks of a file."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.gateway.imports.arrive import Preview
from services.gateway.imports.files import Format
from services.gateway.imports.store import Import, RefusedRow

Encoding = Literal["utf-8", "utf-16", "gb18030", "big5", "windows-1252", "windows-1250", "windows-1251", "shift_jis"]


class Asked(BaseModel):
    """What a caller may say of his file; all that is not said is found out."""

    model_config = ConfigDict(extra="forbid")

    source: str | None = Field(None, max_length=512, description="The `source` of the events, such as erp/shanghai.")
    system: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="Whose own ids the customers are called by, such as shop; else what the source is registered with, "
        "or the company's accounts.",
    )
    preview: bool = Field(False, description="Send nothing; show what would be sent.")
    filename: str | None = Field(None, max_length=255)
    mapping: str | None = Field(
        None, max_length=10_000, description="JSON, column to heading; remembered for the source's next files."
    )
    currency: str | None = Field(None, max_length=20, description="For files without a column that says it.")
    decimal: Literal["point", "comma"] | None = Field(None, description="What sets decimals off.")
    sheet: str | None = Field(None, max_length=100, description="The workbook's sheet.")
    encoding: Encoding | None = Field(None, description="Of a text that is neither UTF-8 nor GBK.")
    history: date | None = Field(
        None, description="A load of the past: the day of cut-over. Nobody is told of what stood before it."
    )

    @field_validator("source")
    @classmethod
    def _can_be_a_source(cls, source: str | None) -> str | None:
        if source is not None and (not source.isprintable() or source.strip() != source or not source):
            raise ValueError("a source such as erp/shanghai: no blank at its ends, no control characters")
        return source


class FormatView(BaseModel):
    """How the file is read."""

    form: Literal["csv", "xlsx", "jsonl"]
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    heading_line: int
    decimal: Literal["point", "comma"]
    currency: str | None = Field(None, description="Of rows that do not say theirs.")
    mapping: dict[str, str] = Field(description="Each column with the heading under which it stands.")
    ignored: list[str] = Field(description="Headings that nobody asks for.")

    @classmethod
    def of(cls, known: Format) -> FormatView:
        """Shown."""
        return cls(
            form=known.form,
            encoding=known.encoding,
            delimiter=known.delimiter,
            sheet=known.sheet,
            heading_line=known.heading_line,
            decimal=known.mark,
            currency=known.currency,
            mapping=known.mapping,
            ignored=known.ignored,
        )


class CountsView(BaseModel):
    """Rows by what became of them; `events` are those of the accepted rows, all with the broker."""

    rows: int
    accepted: int
    refused: int
    passed_over: int = Field(description="Sums at the end of pages, which are no rows.")
    events: int


class ImportView(BaseModel):
    """An import: how far it is, and what became of its rows so far."""

    id: str
    kind: str
    source: str
    filename: str | None = None
    state: Literal["waiting", "running", "done", "failed", "undoing", "undone"]
    percent: int = Field(ge=0, le=100)
    line: int = Field(description="The last line of the file that is settled.")
    counts: CountsView
    size: int = Field(description="Bytes.")
    sha256: str
    made_at: datetime
    made_by: str
    finished_at: datetime | None = None
    failure: str | None = None
    undo_at: datetime | None = Field(None, description="When somebody asked to undo it.")
    undo_reason: str | None = None
    history: date | None = Field(None, description="A load of the past, up to this day of cut-over.")
    format: FormatView
    refused_rows: str | None = Field(None, description="Where they are; .csv behind it gives them as a file.")

    @classmethod
    def of(cls, one: Import) -> ImportView:
        """Shown."""
        return cls(
            id=one.id,
            kind=one.kind,
            source=one.source,
            filename=one.filename,
            state="waiting" if one.state == "arriving" else one.state,
            percent=one.percent,
            line=one.line,
            counts=CountsView(**{name: getattr(one.counts, name) for name in CountsView.model_fields}),
            size=one.size,
            sha256=one.digest,
            made_at=one.made_at,
            made_by=one.made_by,
            finished_at=one.finished_at,
            failure=one.failure,
            undo_at=one.undo_at,
            undo_reason=one.undo_reason,
            history=date.fromisoformat(one.history) if one.history else None,
            format=FormatView.of(one.format),
            refused_rows=f"/imports/{one.id}/refused" if one.counts.refused else None,
        )


class RefusedView(BaseModel):
    """A row that was refused: where, about which column, why, and its cells as they came."""

    line: int
    column: str | None = None
    reason: str
    message: str
    cells: list[str]

    @classmethod
    def of(cls, row: RefusedRow) -> RefusedView:
        """Shown."""
        return cls(line=row.line, column=row.column, reason=row.reason, message=row.message, cells=list(row.cells))


class ImportPage(ImportView):
    """An import with a page of the rows that were refused; `next` is the cursor of the page after it."""

    refused: list[RefusedView]
    next: str | None = None


class PreviewView(BaseModel):
    """What an import would do, by the file's first rows; nothing was sent or kept."""

    preview: Literal[True] = True
    kind: str
    source: str
    format: FormatView
    rows: int = Field(description="That were looked at.")
    events: list[dict[str, Any]] = Field(description="The first ten.")
    refused: list[RefusedView] = Field(description="The first ten of them.")

    @classmethod
    def of(cls, kind: str, source: str, seen: Preview) -> PreviewView:
        """Shown."""
        return cls(
            kind=kind,
            source=source,
            format=FormatView.of(seen.format),
            rows=seen.rows,
            events=seen.events,
            refused=[RefusedView.of(row) for row in seen.refused],
        )

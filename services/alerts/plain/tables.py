"""CSV files in and out, for the commands that need nothing but files.

A file is taken whole or not at all: every bad cell is found and named by file, line and column with what was expected
there, and then nothing is computed and nothing written.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeVar

from contracts.money import Money, minor_units
from contracts.refusal import Refused

T = TypeVar("T")

_iso_day = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_rate = re.compile(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,12})?").fullmatch
_YES: Final = frozenset({"true", "yes", "y", "1", "是"})
_NO: Final = frozenset({"", "false", "no", "n", "0", "否"})
_ZIP: Final = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in a file. `line` counts from 1, the header's; 0 where it is the file as a whole."""

    file: str
    line: int
    column: str
    message: str

    def __str__(self) -> str:
        where = [self.file, f"line {self.line}" if self.line else "", f"column {self.column}" if self.column else ""]
        return ", ".join(part for part in where if part) + f": {self.message}"


class Unreadable(ValueError):  # noqa: N818 - a verdict on files, not a failure of the program
    """The files cannot be taken; `problems` says where and why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a file. Reading a cell checks it; each method raises Unreadable and says what was expected."""

    file: str
    line: int
    cells: dict[str, str]

    def refuse(self, column: str, message: str) -> Unreadable:
        """The verdict on a cell, to be raised."""
        return Unreadable([Problem(self.file, self.line, column, message)])

    def optional(self, column: str) -> str:
        """The cell without blanks around it, empty where there is none."""
        return self.cells.get(column, "")

    def text(self, column: str) -> str:
        """A cell that must say something."""
        text = self.optional(column)
        if not text:
            raise self.refuse(column, f"is empty, expected the {column.replace('_', ' ')}")
        return text

    def day(self, column: str) -> date:
        """A date as in 2026-01-31."""
        text = self.text(column)
        try:
            return parse_day(text)
        except ValueError as error:
            raise self.refuse(column, str(error)) from None

    def currency(self, column: str = "currency") -> str:
        """An ISO 4217 code; small letters are taken."""
        code = self.text(column).upper()
        try:
            minor_units(code)
        except Refused as refused:
            raise self.refuse(column, refused.message) from None
        return code

    def amount(self, column: str, currency: str) -> Decimal:
        """An amount of money, zero or above, no finer than its currency."""
        return self.money(column, self.text(column), currency)

    def money(self, column: str, text: str, currency: str) -> Decimal:
        """The same for a text that is only a part of the cell."""
        plain = text.rstrip("0").rstrip(".") if "." in text.rstrip(".") else text
        try:
            amount = Money.of(plain, currency).amount
        except Refused as refused:
            raise self.refuse(column, refused.message) from None
        if amount < 0:
            raise self.refuse(
                column, f"{text} is below zero; expected 0 or more (a credit is a row of the settlements)"
            )
        return amount

    def rate(self, column: str) -> Decimal:
        """An exchange rate above zero."""
        text = self.text(column)
        if _rate(text) is None or not Decimal(text):
            raise self.refuse(column, f"{text[:40]!r} is not a rate; expected a decimal above zero such as 7.1234")
        return Decimal(text)

    def flag(self, column: str) -> bool:
        """true or false (also yes, no, 1, 0, 是, 否); empty is false."""
        text = self.optional(column).lower()
        if text not in _YES | _NO:
            raise self.refuse(column, f"{text[:40]!r} is neither true nor false")
        return text in _YES


def parse_day(text: str) -> date:
    """A date as in 2026-01-31. Raises ValueError for any other way to write it, and for days that do not exist."""
    if _iso_day(text) is None:
        raise ValueError(f"{text[:40]!r} is not a date; expected year-month-day such as 2026-01-31")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text} does not exist in the calendar; expected a date such as 2026-01-31") from None


def read_table(path: Path, required: Sequence[str], parse: Callable[[Row], T]) -> list[T]:
    """All rows of a file, parsed. Columns may stand in any order; those not known are passed over.

    The file is UTF-8 (with or without a byte order mark), UTF-16 with one, or GBK/GB 18030; separated by commas,
    semicolons or tabs as its header is.

    Raises:
        Unreadable: the file, its header or any of its rows; all bad rows are named.
    """
    parsed: list[T] = []
    problems: list[Problem] = []
    for row in _rows(path, required):
        try:
            parsed.append(parse(row))
        except Unreadable as unreadable:
            problems += unreadable.problems
    if problems:
        raise Unreadable(problems)
    return parsed


def write_tables(tables: Iterable[tuple[Path, Sequence[str], Iterable[Sequence[str]]]]) -> None:
    """Write CSV files (UTF-8): all are complete beside their places before the first one takes its own."""
    finished: list[tuple[Path, Path]] = []
    try:
        for path, header, rows in tables:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}.part")
            finished.append((draft, path))
            with draft.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(header)
                writer.writerows(rows)
        for draft, path in finished:
            draft.replace(path)
    finally:
        for draft, _ in finished:
            draft.unlink(missing_ok=True)


def _rows(path: Path, required: Sequence[str]) -> Iterator[Row]:
    name = str(path)
    text = _decoded(path)
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    header: list[str] | None = None
    before = 0
    try:
        for cells in reader:
            line, before = before + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = _header(name, line, cells, required)
                continue
            if any(cell.strip() for cell in cells[len(header) :]):
                raise Unreadable(
                    [Problem(name, line, "", f"has {len(cells)} cells, expected {len(header)} as in the header")]
                )
            yield Row(name, line, {column: cell.strip() for column, cell in zip(header, cells, strict=False)})
    except csv.Error as error:
        message = f"is not CSV ({error}); expected cells with quotes closed where they are opened"
        raise Unreadable([Problem(name, before + 1, "", message)]) from None
    if header is None:
        raise Unreadable([Problem(name, 0, "", f"is empty; expected a header with {', '.join(required)}")])


def _header(name: str, line: int, cells: list[str], required: Sequence[str]) -> list[str]:
    header = [cell.strip().lower() for cell in cells]
    missing = [column for column in required if column not in header]
    if missing:
        found = ", ".join(column for column in header if column) or "nothing"
        message = f"lacks {', '.join(missing)}; found {found}, expected {', '.join(required)}"
        raise Unreadable([Problem(name, line, "", f"the header {message}")])
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise Unreadable([Problem(name, line, twice[0], "stands twice in the header; expected each column once")])
    return header


def _decoded(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"cannot be read ({error.strerror}); expected a CSV file"
        raise Unreadable([Problem(str(path), 0, "", message)]) from None
    if data.startswith(_ZIP):
        raise Unreadable([Problem(str(path), 0, "", "is a workbook or an archive; save the sheet as CSV first")])
    encodings = ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Unreadable([Problem(str(path), 0, "", "is neither UTF-8 nor GBK text; save it as CSV in UTF-8")])

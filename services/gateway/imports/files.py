"""A file that somebody sends: which form it has, where its headings are, and its rows one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import IO, Final, Literal, NamedTuple

import msgspec

from contracts.refusal import Refused
from services.chassis.sheets import restored
from services.gateway.imports import texts, workbook
from services.gateway.imports.texts import Line
from services.gateway.model import cells
from services.gateway.model.cells import Mark
from services.gateway.model.columns import LONGEST, match, refusal, score
from services.gateway.model.headings import TOTALS, UNITS, unit
from services.gateway.model.kinds import Kind

TITLES: Final = 30  # rows among which the headings are looked for
COLUMNS: Final = 500  # of a file at most
SAMPLE: Final = 20_000  # rows whose amounts show what sets decimals off
_AMOUNTS: Final = ("amount", "open", "rate")
Form = Literal["csv", "xlsx", "jsonl"]


class Format(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a file is to be read, found out once. `places` says where each column stands, from 0."""

    form: Form
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    heading_line: int
    headings: tuple[str, ...]
    places: dict[str, int]
    mark: Mark = "point"
    currency: str | None = None
    epoch_1904: bool = False

    @property
    def mapping(self) -> dict[str, str]:
        """Each column's heading."""
        return {name: self.headings[place] for name, place in self.places.items()}

    @property
    def ignored(self) -> list[str]:
        """Headings that nobody asks for."""
        used = set(self.places.values())
        return [heading for place, heading in enumerate(self.headings) if place not in used and heading.strip()]


class Wishes(NamedTuple):
    """What the sender says of his file, and what is remembered of the source's last one; all of it may be missing."""

    mapping: Mapping[str, str] = {}
    remembered: Mapping[str, str] = {}
    mark: Mark | None = None
    last_mark: Mark | None = None
    currency: str | None = None
    sheet: str | None = None
    encoding: str | None = None


class Headed(NamedTuple):
    """The headings as they were found, and how many columns they name."""

    line: int
    headings: list[str]
    score: int


def survey(file: IO[bytes], kind: Kind, wishes: Wishes) -> Format:
    """Find out how a file is to be read.

    Raises Refused `unknown_format`, `unknown_encoding`, `unreadable_workbook`, `no_sheet`, `bad_columns`, `too_large`,
    `no_lines`.
    """
    unknown = sorted(wishes.mapping.keys() - {column.name for column in kind.columns})
    if unknown:
        known = ", ".join(column.name for column in kind.columns)
        raise Refused("bad_columns", f"{kind.name} have no column {', '.join(unknown)}; expected some of {known}")
    form = form_of(file)
    if form == "xlsx":
        made = _of_workbook(file, kind, wishes)
    elif form == "jsonl":
        encoding = texts.encoding_of(file, wishes.encoding)
        headed = Headed(0, texts.json_keys(file, encoding, SAMPLE), 0)
        made = _matched(
            Format(form=form, encoding=encoding, heading_line=0, headings=(), places={}), headed, kind, wishes
        )
    else:
        made = _of_csv(file, kind, wishes)
    return _with_mark(made, file, wishes)


def form_of(file: IO[bytes]) -> Form:
    """What the file is, by its first bytes. Raises Refused `unknown_format`."""
    file.seek(0)
    head = file.read(512)
    if head.startswith(b"PK\x03\x04"):
        return "xlsx"
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise Refused("unknown_format", "this is an old or a locked workbook; expected .xlsx without password, or CSV")
    if head.startswith((b"\x1f\x8b", b"%PDF", b"7z\xbc\xaf", b"Rar!")):
        raise Refused("unknown_format", "the file is packed, or no table; expected CSV, XLSX or JSON lines as they are")
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not first:
        raise Refused("unknown_format", "the file is empty; expected CSV, XLSX or JSON lines")
    if first.startswith(b"["):
        raise Refused("unknown_format", "the file is a JSON list; expected an object on each line, without the list")
    return "jsonl" if first.startswith(b"{") else "csv"


def rows(file: IO[bytes], known: Format) -> Iterator[Line]:
    """The rows below the headings, each with as many cells as there are headings; empty ones are left out.

    Opens the file at once, which may take its time for a workbook.
    """
    if known.form == "xlsx":
        found = workbook.records(workbook.opened(file), known.sheet or "")
    elif known.form == "jsonl":
        found = texts.json_records(file, known.encoding or "utf-8", known.headings)
    else:
        found = texts.records(file, known.encoding or "utf-8", known.delimiter or ",")
    return _below(found, known)


def _below(found: Iterator[Line], known: Format) -> Iterator[Line]:
    width = len(known.headings)
    for line in found:
        if line.number <= known.heading_line:
            continue
        if line.wrong is None and len(line.cells) == width and _is_plain("".join(line.cells)):
            yield line  # nearly all are such
            continue
        own, more = line.cells[:width], line.cells[width:]
        if not any(cell.strip() for cell in line.cells):
            continue
        wrong = line.wrong
        if wrong is None and any(cell.strip() for cell in more):
            said = f"has {len(line.cells)} cells; expected {width} as there are headings (is a separator in a text?)"
            wrong = Refused("bad_row", said)
        kept = [restored(cell) for cell in (own if not more or wrong is None else line.cells)]
        if not _can_be_written("".join(kept)):
            kept = [cell.encode(errors="replace").decode() for cell in kept]
            wrong = wrong or Refused("damaged_text", "holds halves of characters; expected whole ones")
        yield Line(line.number, kept + [""] * (width - len(kept)), wrong)


def _is_plain(text: str) -> bool:
    """Whether there is something in a row's text, whole, and no apostrophe that may have to be taken off."""
    return "'" not in text and bool(text.strip()) and _can_be_written(text)


def _can_be_written(text: str) -> bool:
    """Whether the text is whole: JSON and workbooks can write half of a character (a lone surrogate)."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def by_column(line: Line, known: Format) -> dict[str, str]:
    """A row's cells by column."""
    return {name: line.cells[place] for name, place in known.places.items()}


def is_total(line: Line, named: Mapping[str, str], kind: Kind) -> bool:
    """Whether this is the sum at the end of a page, which is no row."""
    if all(map(str.strip, named.values())):
        return False  # nothing is empty, as in most rows
    required = [named[column.name] for column in kind.columns if column.required and column.name in named]
    empty = sum(not cell.strip() for cell in required)
    return empty > 1 and any(cell.strip().rstrip(":：").lower() in TOTALS for cell in line.cells)


def _of_csv(file: IO[bytes], kind: Kind, wishes: Wishes) -> Format:
    encoding = texts.encoding_of(file, wishes.encoding)
    found = []
    for delimiter in texts.DELIMITERS:
        top = list(islice(texts.records(file, encoding, delimiter), TITLES))
        found.append((_headed(top, kind, wishes), delimiter))
    headed, delimiter = max(found, key=lambda one: (one[0].score, len(one[0].headings)))
    made = Format(form="csv", encoding=encoding, delimiter=delimiter, heading_line=0, headings=(), places={})
    return _matched(made, headed, kind, wishes)


def _of_workbook(file: IO[bytes], kind: Kind, wishes: Wishes) -> Format:
    book = workbook.opened(file)
    names = workbook.sheets(book)
    if wishes.sheet is not None and wishes.sheet not in names:
        raise Refused("no_sheet", f"there is no sheet {wishes.sheet[:80]!r}; expected one of {', '.join(names)}")
    tried = [wishes.sheet] if wishes.sheet is not None else names
    found = [(_headed(list(islice(workbook.records(book, name), TITLES)), kind, wishes), name) for name in tried]
    if not found:
        raise Refused("no_sheet", "the workbook has no sheet that can be seen; expected one")
    headed, sheet = max(found, key=lambda one: one[0].score)
    made = Format(
        form="xlsx", sheet=sheet, heading_line=0, headings=(), places={}, epoch_1904=workbook.since_1904(book)
    )
    return _matched(made, headed, kind, wishes)


def _headed(top: Sequence[Line], kind: Kind, wishes: Wishes) -> Headed:
    """Which of the first rows has the headings: the one in which most columns are found; titles have none."""
    named = {**wishes.remembered, **wishes.mapping}
    best = Headed(0, [], 0)
    for line in top:
        reached = score(line.cells, kind.columns, named)
        if reached > best.score or not best.headings:
            best = Headed(line.number, [cell.strip() for cell in line.cells], reached)
    return best


def _matched(made: Format, headed: Headed, kind: Kind, wishes: Wishes) -> Format:
    found = match(headed.headings, kind.columns, wishes.mapping, wishes.remembered)
    if len(headed.headings) > COLUMNS:
        raise Refused("bad_columns", f"the file has {len(headed.headings):,} columns; expected at most {COLUMNS}")
    told = wishes.currency or _unit(headed.headings, found.places)
    if told and "currency" in found.missing and "currency" not in wishes.mapping:
        found = found._replace(missing=tuple(name for name in found.missing if name != "currency"))
    if not found.whole:
        raise refusal(found, headed.headings, kind.columns, wishes.mapping)
    return msgspec.structs.replace(
        made, heading_line=headed.line, headings=tuple(headed.headings), places=found.places, currency=told
    )


def _unit(headings: Sequence[str], places: Mapping[str, int]) -> str | None:
    column = next((name for name in _AMOUNTS[:2] if name in places), None)
    if column is None:
        return None
    found = unit(headings[places[column]][:LONGEST])
    return UNITS.get(cells.plain(found[1]).lower()) if found else None


def _with_mark(made: Format, file: IO[bytes], wishes: Wishes) -> Format:
    asked = [name for name in _AMOUNTS if name in made.places]
    if wishes.mark is not None or not asked:
        return msgspec.structs.replace(made, mark=wishes.mark or "point")
    sample = islice(rows(file, made), SAMPLE)
    shown = cells.mark_of(line.cells[made.places[name]] for line in sample if not line.wrong for name in asked)
    return msgspec.structs.replace(made, mark=shown or wishes.last_mark or "point")

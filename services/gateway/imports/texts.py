"""Files of text, as a stream: their encoding, their lines, and the cells of CSV and JSON lines.

A broken row harms only itself: a quote that is never closed is a bad row, not the end of the file.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from typing import IO, Any, Final, NamedTuple

from contracts.refusal import Refused

DELIMITERS: Final = (",", ";", "\t", "|")
PIECE: Final = 1_000_000
LONGEST_LINE: Final = 1_000_000  # characters; what is longer is no table
LONGEST_RECORD: Final = 100  # lines of one row with line breaks in its cells
DAMAGED: Final = "�"  # what the decoders put in the place of bytes that are none of the encoding
_TOLERATED: Final = 10  # of a hundred characters beyond ASCII may be damaged: it is the encoding all the same
ENCODINGS: Final = ("utf-8", "utf-16", "gb18030", "big5", "windows-1252", "windows-1250", "windows-1251", "shift_jis")
_PAIRS: Final = re.compile(rb"[\x81-\xfe][\xa1-\xfe]")
_LONE: Final = re.compile(rb"(?<![\x80-\xff])[\x80-\xff](?![\x80-\xff])")
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Line(NamedTuple):
    """A row of a file: the line or row number it begins on, its cells, and why it cannot be read, if it cannot."""

    number: int
    cells: list[str]
    wrong: Refused | None = None


def encoding_of(file: IO[bytes], stated: str | None = None) -> str:
    """The encoding of a whole text file: the one stated, else UTF-8, UTF-16, or GB 18030 (with GBK and GB 2312 in it).

    A few damaged characters do not change it; their rows are refused. Raises Refused `unknown_encoding`.
    """
    file.seek(0)
    head = file.read(PIECE)
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    if stated is not None:
        return stated
    if b"\0" in head[:4096]:
        return "utf-16-le" if head[1:4096:2].count(0) >= head[:4096:2].count(0) else "utf-16-be"
    # UTF-8 first, however little of it is damaged: as GB 18030 nearly all of it could be read as well, as nonsense.
    if _share_damaged(file, "utf-8") <= _TOLERATED:
        return "utf-8"
    if _share_damaged(file, "gb18030") <= _TOLERATED and not _looks_western(head):
        return "gb18030"
    raise Refused(
        "unknown_encoding",
        f"the text is neither UTF-8 nor GBK; expected one of them (save it as CSV in UTF-8), or encoding= with one of "
        f"{', '.join(ENCODINGS)}",
    )


def _share_damaged(file: IO[bytes], encoding: str) -> int:
    damaged, beyond = _damage(file, encoding)
    return damaged * 100 // beyond


def _looks_western(head: bytes) -> bool:
    """Whether letters with accents of a Windows code page stand alone among plain ones. Chinese characters mostly have
    both of their bytes beyond ASCII.
    """
    return len(_PAIRS.findall(head)) < len(_LONE.findall(head))


def _damage(file: IO[bytes], encoding: str) -> tuple[int, int]:
    """How many characters cannot be read, and how many are not plain ASCII."""
    file.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    damaged = beyond = 0
    while piece := file.read(PIECE):
        text = decoder.decode(piece)
        if not text.isascii():
            damaged += text.count(DAMAGED)
            beyond += len(text) - len(text.encode("ascii", "ignore"))
    text = decoder.decode(b"", final=True)
    return damaged + len(text), max(1, beyond + len(text))


def lines(file: IO[bytes], encoding: str) -> Iterator[tuple[int, str]]:
    """The lines with their numbers from 1, whatever ends them. Raises Refused `no_lines` where one has no end.

    The file stays open.
    """
    file.seek(0)
    text = io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="")
    try:
        number = 0
        while line := text.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                said = f"line {number} is longer than {LONGEST_LINE:,} characters; expected a table with a row a line"
                raise Refused("no_lines", said)
            yield number, line.lstrip("\ufeff") if number == 1 else line
    finally:
        text.detach()


def records(file: IO[bytes], encoding: str, delimiter: str) -> Iterator[Line]:
    """The rows of a CSV file, empty ones left out."""
    source = _Pushed(lines(file, encoding))
    for number, line in source:
        bare = line.rstrip("\r\n")
        if not bare.strip():
            continue
        if '"' in bare:
            yield _quoted(number, line, delimiter, source)
        else:
            cells = bare.split(delimiter)
            yield _sound(number, cells) if DAMAGED in bare else Line(number, cells)


class _Pushed:
    """Lines, of which some can be given back."""

    def __init__(self, source: Iterator[tuple[int, str]]) -> None:
        self._source = source
        self.back: list[tuple[int, str]] = []

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return self

    def __next__(self) -> tuple[int, str]:
        return self.back.pop() if self.back else next(self._source)


def _quoted(number: int, line: str, delimiter: str, source: _Pushed) -> Line:
    """A row with quotes, which may go on over line breaks. Where they are never closed the line stands alone."""
    following: list[tuple[int, str]] = []

    def whole() -> Iterator[str]:
        """The row's lines, as the reader asks for them: each is looked at once."""
        yield line
        size = len(line)
        while len(following) < LONGEST_RECORD and size <= LONGEST_LINE and (more := next(source, None)) is not None:
            following.append(more)
            size += len(more[1])
            yield more[1]

    try:
        return _sound(number, next(csv.reader(whole(), delimiter=delimiter, strict=True)))
    except (csv.Error, ValueError):
        source.back += reversed(following)
    wrong = Refused("bad_quotes", "the quotes are not closed where they are opened; expected pairs")
    return Line(number, line.rstrip("\r\n").split(delimiter), wrong)


def _sound(number: int, cells: list[str]) -> Line:
    if any(DAMAGED in cell for cell in cells):
        wrong = Refused("damaged_text", "holds characters that cannot be read; expected text in the file's encoding")
        return Line(number, cells, wrong)
    return Line(number, cells)


def json_keys(file: IO[bytes], encoding: str, most: int) -> list[str]:
    """The names in the first `most` objects, in the order in which they come."""
    keys: dict[str, None] = {}
    for number, line in lines(file, encoding):
        if number > most:
            break
        if isinstance(found := _object(line), dict):
            keys |= dict.fromkeys(key for key in found if key.isprintable())  # nor halves of characters
    return list(keys)


def json_records(file: IO[bytes], encoding: str, keys: Sequence[str]) -> Iterator[Line]:
    """The objects of a file with one on each line, as cells under `keys`. Numbers keep the digits they came with."""
    for number, line in lines(file, encoding):
        if not line.strip():
            continue
        found = _object(line)
        if isinstance(found, dict):
            yield _sound(number, [_cell(found.get(key)) for key in keys])
        else:
            yield Line(
                number, [line.strip()], Refused("malformed_json", f"{found}; expected a JSON object on the line")
            )


def _object(line: str) -> dict[str, Any] | str:
    try:
        found = json.loads(line, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        return f"the line is no JSON ({str(error)[:80]})"
    return found if isinstance(found, dict) else "the line is no object"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

"""Files that are made to keep the gateway busy, or to fill its memory: each is refused, soon."""

from __future__ import annotations

import io
import resource
import time
import zipfile
from collections.abc import Callable

import pytest
from openpyxl import Workbook

from contracts.refusal import Refused
from services.chassis.sheets import harmless
from services.gateway.imports import files, workbook
from services.gateway.imports.files import Wishes
from services.gateway.model.kinds import KINDS
from tests.gateway.made_files import ENGLISH, csv_bytes, english_rows

SOON_S = 10.0
HEAD = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
TAIL = b"</sheetData></worksheet>"
SHEET = "xl/worksheets/sheet1.xml"


def packed(changed: dict[str, bytes]) -> bytes:
    """A workbook in which some parts are others."""
    book, plain, made = Workbook(), io.BytesIO(), io.BytesIO()
    book.save(plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target:
        for name in {*source.namelist(), *changed}:
            target.writestr(name, changed[name] if name in changed else source.read(name))
    return made.getvalue()


def cell(at: str, text: bytes) -> bytes:
    """A cell with its text in it."""
    return b'<c r="' + at.encode() + b'" t="inlineStr"><is><t>' + text + b"</t></is></c>"


def elsewhere(content: bytes) -> dict[str, bytes]:
    """Shared texts under a name that no workbook gives them."""
    kinds = (
        b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        b'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        b'<Override PartName="/xl/workbook.xml" '
        b'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
        b'<Override PartName="/xl/worksheets/texts.xml" '
        b'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>'
    )
    return {"[Content_Types].xml": kinds, "xl/worksheets/texts.xml": content}


MADE: dict[str, Callable[[], dict[str, bytes]]] = {
    "a row of a number that none has": lambda: {SHEET: HEAD + b'<row r="99999999999999"/>' + TAIL},
    "rows beyond the last": lambda: {SHEET: HEAD + b'<row r="1048577"><c r="A1048577"><v>1</v></c></row>' + TAIL},
    "a row without end": lambda: {SHEET: HEAD + b'<row r="1">' + cell("A1", b"row> " * 20_000_000) + b"</row>" + TAIL},
    "nothing but what stands before rows": lambda: {SHEET: HEAD + b"<!--" + b"</row>" * 10_000_000 + b"-->" + TAIL},
    "styles that fill the memory": lambda: {"xl/styles.xml": b"<styleSheet>" + b" " * 31_000_000 + b"</styleSheet>"},
    "texts under another name": lambda: elsewhere(b"<sst>" + b" " * 201_000_000 + b"</sst>"),
    "entities of entities": lambda: {
        SHEET: b'<!DOCTYPE x [<!ENTITY a "' + b"x" * 1000 + b'">'
        + b"".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">'.encode() for n in range(9))
        + b"]>" + HEAD + b'<row r="1">' + cell("A1", b"&j;") + b"</row>" + TAIL
    },
}  # fmt: skip


@pytest.mark.parametrize("make", MADE.values(), ids=list(MADE))
def test_a_workbook_made_to_do_harm_is_refused_soon_and_without_filling_the_memory(
    make: Callable[[], dict[str, bytes]],
) -> None:
    content = packed(make())
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Refused) as refused:
        files.survey(io.BytesIO(content), KINDS["invoices"], Wishes())
    assert refused.value.reason in ("too_large", "unreadable_workbook", "bad_columns"), refused.value
    assert time.monotonic() - began < SOON_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000, "kilobytes"


def test_rows_that_are_wide_for_nothing_come_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "CELLS", 100_000)
    rows = b"".join(b'<row r="%d">' % n + cell(f"XFD{n}", b"x") + b"</row>" for n in range(1, 40))
    book = workbook.opened(io.BytesIO(packed({SHEET: HEAD + rows + TAIL})))
    with pytest.raises(Refused, match="too_large"):
        list(workbook.records(book, workbook.sheets(book)[0]))


@pytest.mark.parametrize("opening", ['"', 'x"y,"', '"a""', ',"'])
def test_quotes_that_are_never_closed_cost_no_more_the_longer_their_rows_are(opening: str) -> None:
    rows = "\n".join(opening + "b" * 9_000 for _ in range(300))
    content = csv_bytes(ENGLISH, english_rows(["C-1"], 3)) + rows.encode()
    began = time.monotonic()
    known = files.survey(io.BytesIO(content), KINDS["invoices"], Wishes())
    found = list(files.rows(io.BytesIO(content), known))
    assert time.monotonic() - began < SOON_S
    assert [line.wrong for line in found[:3]] == [None] * 3
    assert all(line.wrong is not None for line in found[3:])


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_cell_is_a_formula_in_a_spreadsheet_of_any_language(sign: str) -> None:
    assert harmless(f"{sign}HYPERLINK(1)").startswith("'")

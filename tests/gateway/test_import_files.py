"""Files as they come: what they are, where their headings are, and that a broken row harms only itself."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.refusal import Refused
from services.chassis.sheets import harmless
from services.gateway.imports import files
from services.gateway.imports.arrive import Sent, _import
from services.gateway.imports.batch import Reader
from services.gateway.imports.files import Format, Wishes, rows, survey
from services.gateway.imports.groups import grouped
from services.gateway.imports.texts import Line
from services.gateway.model.kinds import KINDS
from services.gateway.model.scope import Scope
from tests.gateway.made_files import CHINESE, ENGLISH, chinese_rows, csv_bytes, english_rows, titled_workbook

INVOICES = KINDS["invoices"]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def read(content: bytes, wishes: Wishes | None = None, kind: str = "invoices") -> tuple[Format, list[Line]]:
    file = io.BytesIO(content)
    known = survey(file, KINDS[kind], wishes or Wishes())
    return known, list(rows(file, known))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gbk", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_an_export_with_chinese_headings_is_read_in_every_encoding(encoding: str, delimiter: str) -> None:
    known, found = read(csv_bytes(CHINESE, chinese_rows("C1", 5), encoding, delimiter))
    assert known.mapping["amount"] == "价税合计" and known.ignored == ["客户名称"]
    assert [line.cells for line in found] == chinese_rows("C1", 5)
    assert [line.number for line in found] == [2, 3, 4, 5, 6]


def test_a_damaged_character_refuses_its_row_and_not_the_file() -> None:
    for encoding in ("utf-8", "gbk"):
        content = csv_bytes(CHINESE, chinese_rows("C1", 30), encoding)
        middle = content.index("上海".encode(encoding), len(content) // 2)
        known, found = read(content[:middle] + b"\xff" + content[middle:])
        assert known.encoding == {"utf-8": "utf-8", "gbk": "gb18030"}[encoding]
        bad = [line for line in found if line.wrong]
        assert len(found) == 30 and [line.wrong.reason for line in bad if line.wrong] == ["damaged_text"]


def test_an_export_of_a_western_code_page_is_not_taken_for_chinese() -> None:
    content = csv_bytes(("id", "name", "kind"), [["C1", "Müller & Söhne", "company"]], "windows-1252", ";")
    with pytest.raises(Refused) as refused:
        read(content, kind="customers")
    assert refused.value.reason == "unknown_encoding" and "encoding=" in refused.value.message
    _, found = read(content, Wishes(encoding="windows-1252"), "customers")
    assert found[0].cells[1] == "Müller & Söhne"


def test_a_quote_that_is_never_closed_is_a_bad_row_and_not_the_end() -> None:
    lines = ["invoice,customer,currency,issue_date,due_date,amount,note"]
    lines += [f"I{n},C1,CNY,2026-01-05,2026-02-04,{n}.50,fine" for n in range(300)]
    lines[50] = 'I49,C1,CNY,2026-01-05,2026-02-04,49.50,"never closed'
    lines[60] = 'I59,C1,CNY,2026-01-05,2026-02-04,59.50,a 5" pipe'
    lines[70] = 'I69,C1,CNY,2026-01-05,2026-02-04,69.50,"two\nlines, ""quoted"""'
    _, found = read("\n".join(lines).encode())
    assert len(found) == 300
    assert [(line.number, line.wrong.reason) for line in found if line.wrong] == [(51, "bad_quotes")]
    assert found[69].cells[6] == 'two\nlines, "quoted"'
    assert found[70].number == 73, "the line in the file, as an editor shows it"
    assert [line.cells[0] for line in found] == [f"I{n}" for n in range(300)]


def test_a_workbook_with_titles_over_its_headings_is_read_as_a_person_would() -> None:
    known, found = read(titled_workbook("C7", 40))
    assert (known.form, known.sheet, known.heading_line, known.currency) == ("xlsx", "应收", 4, "CNY")
    assert found[0] == Line(5, ["XL-1", "C7", "2026-01-05", "2026-02-04", "1000.1", ""])
    assert [line.cells[4] for line in found[:3]] == ["1000.1", "1000.2", "1000.3"], "the digits that are shown"
    assert files.is_total(found[-1], files.by_column(found[-1], known), INVOICES)
    assert not files.is_total(found[-2], files.by_column(found[-2], known), INVOICES)


def test_a_workbook_that_is_none_is_refused_with_what_to_do() -> None:
    for content in (b"PK\x03\x04 nothing", titled_workbook("C", 3)[:-900], b"\xd0\xcf\x11\xe0 old", b"", b"[{}]"):
        with pytest.raises(Refused, match="expected"):
            read(content)
    with pytest.raises(Refused, match="说明, 应收"):
        read(titled_workbook("C", 3), Wishes(sheet="Sheet9"))


def test_json_lines_keep_the_digits_of_their_numbers() -> None:
    made = [dict(zip(ENGLISH, row, strict=True)) for row in english_rows(["C1"], 3)]
    content = "\n".join([json.dumps(made[0]), "", "{broken", json.dumps(made[1]), "[1]"])
    content += '\n{"invoice": 7, "customer": "C1", "amount": 0.10, "currency": null, "disputed": true}'
    known, found = read(content.encode())
    assert known.form == "jsonl"
    assert [line.wrong.reason if line.wrong else None for line in found] == [
        None, "malformed_json", None, "malformed_json", None,
    ]  # fmt: skip
    assert files.by_column(found[-1], known)["amount"] == "0.10"
    assert (found[-1].cells[0], found[-1].number) == ("7", 6)


def test_headings_that_are_missing_are_told_with_what_was_found() -> None:
    with pytest.raises(Refused) as refused:
        read(csv_bytes(("号码", "customer", "amount"), [["1", "2", "3"]]))
    assert refused.value.reason == "bad_columns"
    assert "号码, customer, amount" in refused.value.message and "invoice is missing" in refused.value.message
    with pytest.raises(Refused, match="have no column invoise"):
        read(csv_bytes(ENGLISH, []), Wishes(mapping={"invoise": "x"}))


def test_decimal_commas_are_found_and_kept_in_mind_for_a_file_that_does_not_show_them() -> None:
    german = [
        ["R1", "C1", "EUR", "5.1.2026", "4.2.2026", "1.234,50"],
        ["R2", "C1", "EUR", "5.1.2026", "4.2.2026", "12"],
    ]
    assert read(csv_bytes(ENGLISH, german, delimiter=";"))[0].mark == "comma"
    assert read(csv_bytes(ENGLISH, german[1:]), Wishes(last_mark="comma"))[0].mark == "comma"
    assert read(csv_bytes(ENGLISH, german[1:]))[0].mark == "point"
    assert read(csv_bytes(ENGLISH, german), Wishes(mark="point"))[0].mark == "point", "what is said wins"


def test_a_formula_is_made_harmless_and_comes_back_as_it_was() -> None:
    for cell in ("=1+1", "+8613800000000", "-12.50", "@x", "\tx", "\rx"):
        assert harmless(cell) == "'" + cell
        row = [harmless(cell) if place == 0 else "x" for place in range(6)]
        assert read(csv_bytes(ENGLISH, [row]))[1][0].cells[0] == cell
    assert harmless("INV-1") == "INV-1"


def test_a_long_file_is_read_without_being_held() -> None:
    line = ",".join(english_rows(["C1"], 1)[0]).encode() + b"\n"
    file = io.BytesIO(",".join(ENGLISH).encode() + b"\n" + line * 60_000)
    known = survey(file, INVOICES, Wishes())
    tracemalloc.start()
    count = sum(1 for _ in rows(file, known))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 60_000 and peak < 4_000_000


def test_what_has_no_lines_is_no_table() -> None:
    with pytest.raises(Refused) as refused:
        read(b"x" * 3_000_000)
    assert refused.value.reason == "no_lines"


HEADS = [b"", b"PK\x03\x04", b"{", ",".join(ENGLISH).encode() + b"\n", b"\xff\xfe", b"\xef\xbb\xbf", b'{"amount": "']
WORKBOOK = titled_workbook("C1", 3)


def survives(content: bytes, kind: str) -> None:
    """Read to the end, or refused with what was expected."""
    try:
        known, found = read(content, kind=kind)
    except Refused as refused:
        assert "expected" in refused.message
        return
    reader = Reader(_import(Sent(kind, "erp", None, "me", None, Wishes()), known, len(content), "0" * 64, NOW), Scope())
    for group in grouped(iter(found), known, reader.kind):
        events, bad = reader.read(group, NOW)
        assert all(row.reason for row in bad)
        assert not (events and bad), "rows of one event are taken or refused together"


@given(st.sampled_from(HEADS), st.binary(max_size=400), st.sampled_from(sorted(KINDS)))
def test_no_bytes_break_the_reading(head: bytes, rest: bytes, kind: str) -> None:
    survives(head + rest, kind)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(WORKBOOK) - 1), st.binary(min_size=1, max_size=8))
def test_no_damage_to_a_workbook_breaks_the_reading(place: int, bytes_: bytes) -> None:
    survives(WORKBOOK[:place] + bytes_ + WORKBOOK[place + len(bytes_) :], "invoices")


@given(
    st.lists(st.dictionaries(st.sampled_from(ENGLISH), st.text(max_size=20) | st.integers() | st.none()), max_size=5)
)
def test_no_object_breaks_the_reading(objects: list[dict[str, object]]) -> None:
    survives("\n".join(json.dumps(one) for one in objects).encode(), "invoices")


def test_half_of_a_character_refuses_its_row() -> None:
    lines = [json.dumps(dict(zip(ENGLISH, row, strict=True))) for row in english_rows(["C1"], 3)]
    lines[1] = lines[1].replace("INV-2", "INV-\\ud800")
    _, found = read("\n".join(lines).encode())
    assert [line.wrong.reason if line.wrong else None for line in found] == [None, "damaged_text", None]
    assert all(cell.encode() for cell in found[1].cells)


@pytest.mark.parametrize(
    "cell", ["1" + " " * 900_000 + "x", "(" * 900_000, "2026-01-01T" + "9" * 900_000, "\u3000" * 300_000]
)
def test_a_cell_that_is_made_to_take_long_is_refused_at_once(cell: str) -> None:
    start = time.process_time()
    for place in range(6):
        row = english_rows(["C1"], 1)[0]
        row[place] = cell
        survives(csv_bytes(ENGLISH, [row]), "invoices")
    survives(csv_bytes((cell, *ENGLISH), [[cell, *english_rows(["C1"], 1)[0]]]), "invoices")
    assert time.process_time() - start < 5

"""Bad rows of plain files: named by file, line and column with what was expected; nothing written, exit code 2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.alerts.test_age_command_files import INVOICES, LIMITS, ONE, RATES, SETTLEMENTS, Files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def bad(column: str, value: str) -> Callable[[Files], str]:
    names = [*INVOICES.split(","), "disputed"]
    row = dict(zip(names, [*ONE[1].split(","), ""], strict=True)) | {column: value}
    return lambda files: files.refused(invoices=[",".join(names), *[",".join(row.values())]])


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("invoice", "", "is empty, expected the invoice"),
        ("customer", " ", "is empty, expected the customer"),
        ("currency", "RMB", "not a currency in use"),
        ("issue_date", "31/01/2026", "expected year-month-day such as 2026-01-31"),
        ("due_date", "2026-02-30", "does not exist in the calendar"),
        ("due_date", "", "is empty"),
        ("amount", "1.234", "more decimals than CNY has"),
        ("amount", '"1,234.50"', "is not an amount"),
        ("amount", "1e3", "is not an amount"),
        ("amount", "NaN", "is not an amount"),
        ("amount", "-5.00", "below zero"),
        ("amount", "9999999999999999", "is not an amount"),
        ("disputed", "maybe", "neither true nor false"),
    ],
)
def test_a_bad_cell_is_named_by_file_line_and_column_and_nothing_is_written(
    files: Files, column: str, value: str, words: str
) -> None:
    said = bad(column, value)(files)
    assert f"invoices.csv, line 2, column {column}:" in said
    assert words in said


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        ("P1,refund,c1,CNY,2026-02-01,30.00,", "type", "expected payment, credit_note or write_off"),
        ("P1,payment,c1,CNY,2026-02-01,0,", "amount", "is zero"),
        ("P1,payment,c1,CNY,2026-02-01,30.00,INV1:30.01", "applied_to", "comes to 30.01, but the document is of 30"),
        ("P1,payment,c1,CNY,2026-02-01,30.00,INV1:", "applied_to", "expected INVOICE or INVOICE:AMOUNT"),
        ("P1,payment,c1,CNY,2026-02-01,30.00,INV1:-5", "applied_to", "below zero"),
        ("P1,payment,c1,CNY,2026-02-01,30.00,INV1:0", "applied_to", "applies nothing"),
        ('P1,payment,c1,CNY,2026-02-01,30.00,"INV1,INV2"', "applied_to", "several parted by ;"),
        ("P1,payment,c1,CNY,2026-02-01,30.00,INV1:5O.00", "applied_to", "is not an amount"),
    ],
)
def test_a_bad_settlement_says_what_was_expected(files: Files, row: str, column: str, words: str) -> None:
    said = files.refused(settlements=[SETTLEMENTS, "P0,payment,c1,CNY,2026-02-01,1.00,", row])
    assert f"settlements.csv, line 3, column {column}:" in said
    assert words in said


def test_the_same_id_with_other_content_is_refused_and_both_lines_are_named(files: Files) -> None:
    said = files.refused(invoices=[*ONE, "INV1,c1,CNY,2026-01-01,2026-01-31,100.01"])
    assert "line 3, column invoice: INV1 of c1 stands on line 2 with other content" in said
    row = "P1,payment,c1,CNY,2026-02-01,30.00,INV1"
    assert "applied_to takes several" in files.refused(settlements=[SETTLEMENTS, row, row.replace("INV1", "INV2")])
    assert "another limit on line 2" in files.refused(limits=[LIMITS, "c1,5,CNY", "c1,6,CNY"])
    assert "another rate for the same day" in files.refused(rates=["currency,rate", "USD,7", "USD,8"])


def test_all_bad_rows_of_all_files_are_named_at_once(files: Files) -> None:
    said = files.refused(
        invoices=[INVOICES, "INV1,c1,CNY,x,2026-01-31,1", "INV2,c1,CNY,2026-01-01,y,1"],
        settlements=[SETTLEMENTS, "P1,gift,c1,CNY,2026-02-01,30.00,"],
        rates=["currency,rate", "USD,0"],
    )
    assert [line.partition(":")[0].rpartition("/")[2] for line in said.splitlines()] == [
        "invoices.csv, line 2, column issue_date",
        "invoices.csv, line 3, column due_date",
        "settlements.csv, line 2, column type",
        "rates.csv, line 2, column rate",
    ]


def test_a_header_that_lacks_a_column_says_what_it_found(files: Files) -> None:
    said = files.refused(invoices=["invoice,customer,amount", "INV1,c1,5"])
    assert "the header lacks currency, issue_date, due_date; found invoice, customer, amount" in said
    assert "stands twice" in files.refused(invoices=[f"{INVOICES},amount", f"{ONE[1]},1"])
    assert "is empty; expected a header" in files.refused(invoices=[""])


def test_lines_that_are_no_csv_are_refused_at_their_line(files: Files) -> None:
    assert "line 3" in files.refused(invoices=[*ONE, '"INV2,c1,CNY,2026-01-01,2026-01-31,5'])
    assert "line 3: has 8 cells, expected 6" in files.refused(
        invoices=[*ONE, "INV2,c1,CNY,2026-01-01,2026-01-31,5,x,y"]
    )


def test_a_file_that_is_no_text_or_not_there_says_what_to_do(files: Files) -> None:
    path = files.write("settlements", [SETTLEMENTS])
    for data, words in ((b"PK\x03\x04rest", "save the sheet as CSV"), (b"\xff\xff\xff", "neither UTF-8 nor GBK")):
        invoices = files.folder / "invoices.csv"
        invoices.write_bytes(data)
        given = ["--invoices", str(invoices), "--settlements", str(path), "--as-of", "2026-02-10"]
        result = files.invoke(given)
        assert result.exit_code == 2
        assert words in result.stderr
    result = files.invoke([*given[:1], str(files.folder / "none.csv"), *given[2:]])
    assert (result.exit_code, "cannot be read" in result.stderr) == (2, True)


def test_currencies_without_a_rate_are_refused_where_they_would_be_added(files: Files) -> None:
    invoices = [*ONE, "INV2,c1,USD,2026-01-01,2026-01-31,5"]
    said = files.refused(invoices=invoices, limits=[LIMITS, "c1,900,CNY"])
    assert "customer c1 is in USD, his limit in CNY" in said
    assert "no rate of USD on or before 2026-02-10" in files.refused(
        invoices=invoices, limits=[LIMITS, "c1,900,CNY"], rates=[RATES, "USD,7,2026-02-11", "CNY,1,"]
    )


def test_a_day_that_is_none_is_refused(files: Files) -> None:
    result = files.run(as_of="2026-02-30")
    assert result.exit_code == 2
    assert "does not exist in the calendar" in result.stderr


def test_a_place_that_cannot_be_written_leaves_nothing_behind(files: Files) -> None:
    blocked = files.write("blocked", ["a file where a folder should be"])
    result = files.run("--out", str(blocked.with_suffix("")) + ".csv/deeper")
    assert result.exit_code == 1
    assert "choose another --out" in result.stderr
    (files.folder / "out" / "exposure.csv").mkdir(parents=True)
    assert files.run("--out", str(files.folder / "out")).exit_code == 1
    assert not list((files.folder / "out").glob("*.part")) + list((files.folder / "out").glob(".*"))

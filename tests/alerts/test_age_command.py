"""`rapport age` on plain files: the agreed columns, and the ways in which files may be written."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.alerts.test_age_command_files import INVOICES, LIMITS, ONE, SETTLEMENTS, Files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_the_three_tables_have_the_agreed_columns_in_order_and_amounts_as_text(files: Files) -> None:
    found = files.json(limits=[LIMITS, "c1,80,CNY"])
    assert found["open_items"] == [
        {
            "invoice": "INV1",
            "customer": "c1",
            "currency": "CNY",
            "due_date": "2026-01-31",
            "open": "100.00",
            "days_past_due": 10,
            "bucket": "1-30",
        }
    ]
    (ageing,) = found["ageing"]
    assert ",".join(ageing) == (
        "customer,currency,current,1-30,31-60,61-90,91+,open_total,overdue,unapplied_credit,net"
    )
    assert found["exposure"] == [
        {
            "customer": "c1",
            "limit": "80.00",
            "gross": "100.00",
            "net": "100.00",
            "overdue": "100.00",
            "utilisation": "1.2500",
            "over_limit": True,
        }
    ]


def test_out_writes_a_file_for_each_table_into_a_folder_or_under_a_name(files: Files) -> None:
    folder = files.folder / "made" / "here"
    assert files.run("--out", str(folder)).exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["ageing.csv", "exposure.csv", "open_items.csv"]
    assert (folder / "open_items.csv").read_text(encoding="utf-8") == (
        "invoice,customer,currency,due_date,open,days_past_due,bucket\nINV1,c1,CNY,2026-01-31,100.00,10,1-30\n"
    )
    assert files.run("--out", str(files.folder / "june.csv")).exit_code == 0
    assert (files.folder / "june-ageing.csv").exists()


def test_csv_and_json_say_the_same(files: Files) -> None:
    invoices = [*ONE, "INV2,c2,JPY,2026-01-01,2026-03-31,700", "INV3,c2,USD,2026-01-01,2026-03-31,7"]
    out = files.folder / "out"
    found = files.json("--out", str(out), invoices=invoices, limits=[LIMITS, "c1,80,CNY", "c3,0,CNY"])
    for name, rows in found.items():
        with (out / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            written = list(csv.DictReader(file))
        assert written == [{column: shown(value) for column, value in row.items()} for row in rows]


def shown(value: object) -> str:
    """How CSV writes what JSON says."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def test_without_out_and_json_a_summary_is_shown_with_no_amount_cut_short(files: Files) -> None:
    invoices = [INVOICES, *(f"INV{n},customer {n},CNY,2026-01-01,2026-01-31,12345678901.{n:02}" for n in range(30))]
    result = files.run(invoices=invoices, limits=[LIMITS, "customer 7,5,CNY"])
    assert result.exit_code == 0
    assert "370370367034.35" in result.stdout
    assert "10 more" in result.stdout
    assert "over limit: customer 7 owes 12345678901.07 CNY net, limit 5.00" in result.stdout


def test_a_bare_invoice_takes_what_it_can_and_the_last_named_the_rest(files: Files) -> None:
    invoices = [*ONE, "INV2,c1,CNY,2026-01-02,2026-01-31,50.00", "INV3,c1,CNY,2026-01-02,2026-01-31,50.00"]
    settlements = [
        SETTLEMENTS,
        "P2,payment,c1,CNY,2026-02-02,120.00,INV1;INV2:10.00;INV3",
        "P1,payment,c1,CNY,2026-02-01,30.00,INV1",
    ]
    found = files.json(invoices=invoices, settlements=settlements)
    assert [(row["invoice"], row["open"]) for row in found["open_items"]] == [("INV2", "40.00"), ("INV3", "10.00")]


def test_the_same_line_twice_counts_once(files: Files) -> None:
    row = "P1,payment,c1,CNY,2026-02-01,30.00,INV1:30"
    found = files.json(invoices=[*ONE, ONE[1]], settlements=[SETTLEMENTS, row, row])
    assert [row["open"] for row in found["open_items"]] == ["70.00"]


def test_invoices_of_two_companies_may_share_a_number(files: Files) -> None:
    invoices = [f"{INVOICES},company", f"{ONE[1]},a", "INV1,c1,CNY,2026-01-01,2026-01-31,60.00,b"]
    settlements = [f"{SETTLEMENTS},company", "P1,payment,c1,CNY,2026-02-01,60.00,INV1,b"]
    found = files.json(invoices=invoices, settlements=settlements)
    assert [(row["invoice"], row["open"]) for row in found["open_items"]] == [("INV1", "100.00")]


def test_ids_that_hold_a_colon_are_known_by_the_invoices(files: Files) -> None:
    invoices = [INVOICES, "2026:17,c1,CNY,2026-01-01,2026-01-31,100.00", "17,c1,CNY,2026-01-01,2026-01-31,5.00"]
    settlements = [
        SETTLEMENTS,
        "P1,payment,c1,CNY,2026-02-01,60.00,2026:17",
        "P2,payment,c1,CNY,2026-02-01,2,2026:17:2",
    ]
    found = files.json(invoices=invoices, settlements=settlements)
    assert [row["open"] for row in found["open_items"]] == ["5.00", "38.00"]


def test_odd_but_possible_rows_are_taken_with_a_note(files: Files) -> None:
    settlements = [
        SETTLEMENTS,
        "P1,payment,c1,CNY,2026-02-01,30.00,INV404",
        "P2,payment,c1,USD,2026-02-01,30.00,INV1",
        "W1,write_off,c1,CNY,2026-02-01,30.00,",
    ]
    result = files.run("--json", settlements=settlements)
    assert result.exit_code == 0
    for words in ("P1 waits for invoice INV404", "P2 is in USD, invoice INV1 in CNY", "W1 writes off more"):
        assert words in result.stderr
    credit = {row["currency"]: row["unapplied_credit"] for row in json.loads(result.stdout)["ageing"]}
    assert credit == {"CNY": "30.00", "USD": "30.00"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_files_in_the_usual_encodings_are_read(files: Files, encoding: str, newline: str) -> None:
    path = files.write("settlements", [SETTLEMENTS])
    text_ = newline.join([INVOICES, "发票1,上海客户,CNY,2026-01-01,2026-01-31,100.00", "", ""])
    invoices = files.folder / "invoices.csv"
    invoices.write_bytes(text_.encode(encoding))
    given = ["--invoices", str(invoices), "--settlements", str(path), "--as-of", "2026-02-10", "--json"]
    result = files.invoke(given)
    assert [row["customer"] for row in json.loads(result.stdout)["open_items"]] == ["上海客户"]


def test_columns_may_stand_in_any_order_with_others_beside_them_and_semicolons_between(files: Files) -> None:
    invoices = [
        "amount;Customer ;note;invoice;due_date;issue_date;CURRENCY",
        '"5.5000";c1;"a;b";INV1;2026-01-31;2026-01-01;cny',
    ]
    assert [row["open"] for row in files.json(invoices=invoices)["open_items"]] == ["5.50"]


def test_the_command_needs_no_broker_no_database_and_no_web_server() -> None:
    heavy = ["faststream", "aiokafka", "motor", "pymongo", "fastapi", "pydantic", "uvicorn", "httpx", "rich.table"]
    code = f"import sys, services.alerts.plain.age; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"

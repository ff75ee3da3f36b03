"""`rapport metrics receivables` on plain files: columns, reasons, by customer, chart, refusals."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from services.alerts.plain.metrics import metrics_app
from tests.alerts.test_age_command_files import INVOICES, SETTLEMENTS

app = typer.Typer()
app.add_typer(metrics_app, name="metrics")

COLUMNS = (
    "currency,from,to,begin_total,sales,end_total,end_current,dso,best_possible_dso,average_days_delinquent,"
    "collection_effectiveness,note"
)
BOOKS = [
    INVOICES,
    "OLD,c1,CNY,2025-12-01,2025-12-31,1000.00",
    "JAN,c1,CNY,2026-01-10,2026-02-09,4000.00",
    "FEB,c2,CNY,2026-02-01,2026-03-03,3500.00",
    "MAR,c2,CNY,2026-03-15,2026-04-14,1500.00",
    "USD,c3,USD,2025-12-15,2026-01-14,700.00",
]
PAID = [
    SETTLEMENTS,
    "P1,payment,c1,CNY,2026-01-20,1000.00,OLD",
    "P2,payment,c1,CNY,2026-02-20,3400.00,JAN",
    "P3,payment,c2,CNY,2026-03-31,2000.00,FEB:2000.00",
    "P4,payment,c2,CNY,2026-03-31,25.00,",
]
CNY = {
    "currency": "CNY",
    "from": "2026-01-01",
    "to": "2026-03-31",
    "begin_total": "1000.00",
    "sales": "9000.00",
    "end_total": "3600.00",
    "end_current": "1500.00",
    "dso": "36.0000",
    "best_possible_dso": "15.0000",
    "average_days_delinquent": "21.0000",
    "collection_effectiveness": "75.2941",
    "note": None,
}


class Run:
    """The command on two files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self, *more: str, books: list[str] = BOOKS, paid: list[str] = PAID, first: str = "2026-01-01",
        last: str = "2026-03-31",
    ) -> Result:  # fmt: skip
        given = ["metrics", "receivables", "--from", first, "--to", last, *more]
        for name, lines in (("invoices", books), ("settlements", paid)):
            path = self.folder / f"{name}.csv"
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
            given += [f"--{name}", str(path)]
        return CliRunner().invoke(app, given, terminal_width=200)

    def json(self, *more: str, **files: Any) -> list[dict[str, str | None]]:
        result = self("--json", *more, **files)
        assert result.exit_code == 0, result.output
        found: dict[str, list[dict[str, str | None]]] = json.loads(result.stdout)
        return found["receivables"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_each_currency_has_a_row_with_the_agreed_columns_and_exact_texts(run: Run) -> None:
    cny, usd = run.json()
    assert ",".join(cny) == COLUMNS
    assert cny == CNY
    assert (usd["dso"], usd["best_possible_dso"], usd["average_days_delinquent"]) == (None, None, None)
    assert (usd["collection_effectiveness"], usd["sales"]) == ("0.0000", "0.00")
    assert "nothing was invoiced in the period" in (usd["note"] or "")


@pytest.mark.parametrize("by", [(), ("--by", "customer")])
def test_out_writes_a_file_or_into_a_folder_and_says_what_json_says(run: Run, by: tuple[str, ...]) -> None:
    for out, path in (("june.csv", "june.csv"), ("made/here", "made/here/receivables.csv")):
        found = run.json("--out", str(run.folder / out), *by)
        with (run.folder / path).open(encoding="utf-8", newline="") as file:
            assert list(csv.DictReader(file)) == [{name: value or "" for name, value in row.items()} for row in found]


def test_customers_have_rows_of_their_own_that_add_up(run: Run) -> None:
    rows = run.json("--by", "customer")
    assert [(row["customer"], row["currency"]) for row in rows] == [("c1", "CNY"), ("c2", "CNY"), ("c3", "USD")]
    assert [row["dso"] for row in rows] == ["13.5000", "54.0000", None]  # 600/4000*90, 3000/5000*90
    assert next(iter(rows[0])) == "customer"


def test_the_summary_says_it_in_words_and_shows_every_amount_whole(run: Run) -> None:
    result = run()
    assert result.exit_code == 0
    for words in (
        "2026-01-01 to 2026-03-31, 90 days",
        "CNY: 36.0 days of sales are outstanding. If all had paid when due it would be 15.0; the other 21.0 days",
        "75.3 % of what came up for collection was settled.",
        "USD: 0.0 % of what came up for collection was settled. Nothing was invoiced in the period",
        "Not taken off: 25.00 CNY of credit",
    ):
        assert words in result.stdout
    many = [INVOICES, *(f"I{n},customer {n},CNY,2026-01-01,2026-01-31,12345678901.{n:02}" for n in range(30))]
    shown = run("--by", "customer", books=many, paid=[SETTLEMENTS]).stdout
    assert "12345678901.29" in shown and "10 more" in shown


def test_a_period_without_invoices_says_so(run: Run) -> None:
    result = run("--chart", str(run.folder / "a.svg"), first="2020-01-01", last="2020-12-31")
    assert (result.exit_code, (run.folder / "a.svg").exists()) == (0, True)
    assert "No invoice was open or issued in that time." in result.stdout
    assert run.json(first="2020-01-01", last="2020-12-31") == []


def test_a_chart_shows_the_months_and_is_always_the_same(run: Run) -> None:
    from services.alerts.plain.metrics_chart import months  # noqa: PLC0415 - matplotlib only where it draws

    assert months(date(2025, 12, 31), date(2026, 2, 10)) == [
        (date(2025, 12, 31), date(2025, 12, 31)),
        (date(2026, 1, 1), date(2026, 1, 31)),
        (date(2026, 2, 1), date(2026, 2, 10)),
    ]
    svg, again = run.folder / "a.svg", run.folder / "b.svg"
    for path in (svg, again):
        assert run("--chart", str(path)).exit_code == 0
    assert svg.read_bytes() == again.read_bytes()
    assert svg.read_text("utf-8").rstrip().endswith("</svg>")


def test_a_bad_row_is_named_and_nothing_is_written(run: Run) -> None:
    out, chart = run.folder / "out.csv", run.folder / "chart.svg"
    bad = [*BOOKS, "X,c1,CNY,2026-13-01,2026-01-31,1.00"]
    result = run("--out", str(out), "--chart", str(chart), books=bad)
    assert (result.exit_code, out.exists(), chart.exists(), result.stdout) == (2, False, False, "")
    assert "invoices.csv, line 7, column issue_date:" in result.stderr


def test_a_period_that_ends_before_it_begins_is_refused(run: Run) -> None:
    result = run(first="2026-04-01")
    assert (result.exit_code, "before it begins on 2026-04-01" in result.stderr) == (2, True)


def test_what_looks_odd_is_taken_with_a_note(run: Run) -> None:
    result = run("--json", paid=[*PAID, "P9,payment,c1,CNY,2026-01-21,5.00,NONE"])
    assert result.exit_code == 0
    assert "P9 waits for invoice NONE" in result.stderr


def test_a_place_that_cannot_be_written_is_named(run: Run) -> None:
    (run.folder / "file").write_text("in the way")
    for option, name in (("--out", "out.csv"), ("--chart", "chart.svg")):
        result = run(option, str(run.folder / "file" / name))
        assert (result.exit_code, "choose another place" in result.stderr) == (1, True)

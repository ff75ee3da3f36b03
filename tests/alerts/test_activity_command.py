"""`rapport activity` on plain files: the agreed columns, what is seen and what is not, the summary, chart, refusals."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from services.alerts.model.activity.fit import fit
from services.alerts.model.activity.rate import expected, folded, p_none
from services.alerts.plain.activity import activity
from services.alerts.plain.activity_report import COLUMNS

app = typer.Typer()
app.command()(activity)
AS_OF = date(2026, 6, 30)
HEADER = "customer,date,amount,currency"
DAYS = {  # by customer, days before AS_OF
    "weekly": range(0, 170, 7),
    "stopped": range(90, 170, 7),
    "monthly": range(5, 170, 30),
    "once": (150,),
    "lately": (10, 2),
}


def lines(amount: str = "10.00,CNY") -> list[str]:
    return [HEADER, *(f"{who},{AS_OF - timedelta(days=ago)},{amount}" for who, all_ in DAYS.items() for ago in all_)]


class Run:
    """The command on a file of purchases in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *more: str, rows: list[str] | None = None, as_of: str = AS_OF.isoformat()) -> Result:
        path = self.folder / "purchases.csv"
        path.write_text("\n".join(rows or lines()) + "\n", encoding="utf-8")
        given = ["--purchases", str(path), "--as-of", as_of, "--horizon-days", "60", *more]
        return CliRunner().invoke(app, given, terminal_width=200)

    def json(self, *more: str, rows: list[str] | None = None) -> dict[str, Any]:
        result = self("--json", *more, rows=rows)
        assert result.exit_code == 0, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def refused(self, rows: list[str], as_of: str = AS_OF.isoformat()) -> str:
        out, chart = self.folder / "out.csv", self.folder / "chart.svg"
        result = self("--out", str(out), "--chart", str(chart), rows=rows, as_of=as_of)
        assert (result.exit_code, out.exists(), chart.exists(), result.stdout) == (2, False, False, "")
        return result.stderr


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_each_customer_has_the_figures_of_the_model(run: Run) -> None:
    held = {who: [AS_OF - timedelta(days=ago) for ago in all_] for who, all_ in DAYS.items()}
    params = fit(held.values(), AS_OF, 60)
    rows = run.json()["activity"]
    assert [row["customer"] for row in rows] == sorted(DAYS)
    for row in rows:
        days = held[row["customer"]]
        state = folded(days, params.decay)
        assert (row["purchases"], row["last_purchase"]) == (len(days), max(days).isoformat())
        assert row["expected"] == pytest.approx(expected(state, params, AS_OF, 60), abs=1e-6)
        assert row["p_none"] == pytest.approx(p_none(state, params, AS_OF, 60), abs=1e-6)


def test_the_rows_have_the_agreed_columns_in_a_file_or_a_folder_and_json_says_the_same(run: Run) -> None:
    assert ",".join(COLUMNS) == "customer,purchases,last_purchase,expected,p_none"
    for out, path in (("out.csv", "out.csv"), ("made/here", "made/here/activity.csv")):
        found = run.json("--out", str(run.folder / out))
        with (run.folder / path).open(encoding="utf-8", newline="") as file:
            written = list(csv.DictReader(file))
        assert tuple(written[0]) == COLUMNS
        for row, said in zip(written, found["activity"], strict=True):
            assert [row[column] for column in COLUMNS[:3]] == [str(said[column]) for column in COLUMNS[:3]]
            assert (float(row["expected"]), float(row["p_none"])) == (said["expected"], said["p_none"])


def test_who_bought_lately_and_often_is_expected_and_who_stopped_is_not(run: Run) -> None:
    p = {row["customer"]: row["p_none"] for row in run.json()["activity"]}
    assert p["weekly"] < p["monthly"] < p["stopped"]
    assert p["weekly"] < 0.1


def test_what_is_bought_after_the_day_and_twice_a_day_changes_nothing(run: Run) -> None:
    plain = run.json()
    more = [*lines(), "weekly,2026-07-01,5,CNY", "later,2026-07-02,5,CNY"]
    assert run.json(rows=more)["activity"] == plain["activity"]
    assert "note: 2 purchases after 2026-06-30 are not seen" in run(rows=more).stderr
    assert run.json(rows=[*lines(), *lines()[1:]])["activity"] == plain["activity"]


def test_amounts_are_not_needed_and_change_the_summary_alone(run: Run) -> None:
    spent = run.json()
    bare = run.json(rows=["customer,date", *(",".join(line.split(",")[:2]) for line in lines()[1:])])
    assert bare["activity"] == spent["activity"]
    assert (spent["summary"]["valuable"]["by"], bare["summary"]["valuable"]["by"]) == ("amount", "purchases")
    mixed = [*lines(), "weekly,2026-06-30,5,USD"]
    assert run.json(rows=mixed)["summary"]["valuable"]["by"] == "purchases", "currencies are never added up"


def test_the_summary_names_the_most_valuable_who_are_likely_lost(run: Run) -> None:
    # Ten regular customers, every other one stopped at some time: the valuable fifth is the two who spent most.
    rows = [HEADER]
    for n in range(10):
        ago = range(n, 360, 20) if n % 2 else range(160 + 20 * n // 2, 360, 20)
        rows += [f"c{n},{AS_OF - timedelta(days=day)},{100 if n < 2 else 1},CNY" for day in ago]
    result = run(rows=rows)
    assert result.exit_code == 0
    assert "10 customers who bought by 2026-06-30" in result.stdout
    assert "The most valuable fifth of those who came back, by what they spent, are 2. 1 of them" in result.stdout
    assert "1000.00" in result.stdout and "spent CNY" in result.stdout
    assert "Fitted on" in result.stdout and "counts half" in result.stdout
    valuable = run.json(rows=rows)["summary"]["valuable"]
    assert valuable == {"by": "amount", "customers": 2, "likely_lost": 1, "most_valuable_lost": ["c0"]}


def test_little_to_learn_from_is_said(run: Run) -> None:
    few = [HEADER, "a,2026-05-01,,", "a,2026-06-20,,", "b,2026-06-01,,"]
    assert "take the figures as rough" in run(rows=few).stdout


def test_sums_of_the_summary_are_those_of_the_rows(run: Run) -> None:
    found = run.json()
    assert found["summary"]["customers"] == len(found["activity"])
    assert found["summary"]["expected_purchases"] == round(sum(row["expected"] for row in found["activity"]), 1)
    assert found["summary"]["expected_buyers"] == round(sum(1 - row["p_none"] for row in found["activity"]), 1)


def test_a_chart_is_drawn_as_its_ending_says_and_always_the_same(run: Run) -> None:
    svg, again, png = (run.folder / name for name in ("a.svg", "b.svg", "deeper/c.PNG"))
    for path in (svg, again, png):
        assert run("--chart", str(path)).exit_code == 0
    assert svg.read_text("utf-8").rstrip().endswith("</svg>")
    assert svg.read_bytes() == again.read_bytes()
    assert png.read_bytes().startswith(b"\x89PNG")
    result = run("--chart", str(run.folder / "chart.pdf"))
    assert (result.exit_code, "expected such as chart.svg" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (",2026-01-01,1,CNY", "customer", "is empty"),
        ("a,01.02.2026,1,CNY", "date", "expected year-month-day such as 2026-01-31"),
        ("a,2026-02-30,1,CNY", "date", "does not exist"),
        ("a,2026-02-01,1.234,CNY", "amount", "more decimals than CNY has"),
        ("a,2026-02-01,-1,CNY", "amount", "leave out rows of returned goods"),
        ("a,2026-02-01,one,", "amount", "is not an amount"),
        ("a,2026-02-01,1,RMB", "currency", "not a currency in use"),
    ],
)
def test_a_bad_cell_is_named_by_file_line_and_column_and_nothing_is_written(
    run: Run, row: str, column: str, words: str
) -> None:
    said = run.refused([*lines(), row])
    assert f"purchases.csv, line {len(lines()) + 1}, column {column}:" in said
    assert words in said


def test_a_day_without_a_past_is_refused_and_the_files_own_days_are_named(run: Run) -> None:
    said = run.refused(lines(), as_of="2026-01-11")
    assert "expected a past of weeks at least" in said
    assert "(the file goes from 2026-01-13 to 2026-06-30)" in said
    assert "the file has no rows" in run.refused([HEADER])
    assert "lacks date" in run.refused(["customer,day", "a,2026-01-01"])


@pytest.mark.parametrize("given", [("--horizon-days", "0"), ("--horizon-days", "4000"), ("--as-of", "2026-02-30")])
def test_a_horizon_or_day_that_is_none_is_refused(run: Run, given: tuple[str, str]) -> None:
    assert run(*given).exit_code == 2


def test_a_place_that_cannot_be_written_is_named(run: Run) -> None:
    (run.folder / "file").write_text("in the way")
    for option, name in (("--out", "out.csv"), ("--chart", "chart.svg")):
        result = run(option, str(run.folder / "file" / name))
        assert (result.exit_code, "choose another place" in result.stderr) == (1, True)


def test_the_command_starts_without_the_libraries_that_it_may_need_later() -> None:
    heavy = ["numpy", "scipy", "matplotlib", "rich.table", "fastapi", "aiokafka", "motor"]
    code = f"import sys, services.alerts.commands; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"

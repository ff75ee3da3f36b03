"""`rapport backtest cadence` on plain files."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.alerts.plain.backtest import backtest_app
from services.alerts.plain.backtest_report import COLUMNS
from tests.alerts.cadence.cadencekit import day, days_of

HEADER = "customer,date"
STEADY = [10] * 30
BEGIN, UNTIL = day(200), day(400)


@pytest.fixture(scope="module")
def purchases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty customers who buy every ten days; `gone` stops after 300 days, the others go on to day 400."""
    path = tmp_path_factory.mktemp("cadence") / "purchases.csv"
    rows = [HEADER]
    for n in range(60):
        rows += [f"c{n:02d},{one}" for one in days_of([10 + (n + i) % 3 for i in range(36)]) if one <= day(400)]
    rows += [f"gone,{one}" for one in days_of(STEADY)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def run(path: Path, *more: str, begin: date = BEGIN, until: date = UNTIL) -> Result:
    given = ["cadence", "--purchases", str(path), "--from", begin.isoformat(), "--to", until.isoformat(), *more]
    return CliRunner().invoke(backtest_app, given, terminal_width=200)


def found_in(path: Path, *more: str, begin: date = BEGIN, until: date = UNTIL) -> dict[str, Any]:
    result = run(path, "--json", *more, begin=begin, until=until)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_who_stops_is_found_and_who_goes_on_is_not(purchases: Path) -> None:
    found = found_in(purchases)
    (alarm,) = found["alarms"]
    assert tuple(alarm) == COLUMNS
    assert (alarm["customer"], alarm["kind"], alarm["last_purchase"]) == ("gone", "stop", day(300).isoformat())
    assert alarm["ended_on"] is None
    assert alarm["mean_gap"] == 10
    assert day(310) < date.fromisoformat(alarm["raised_on"]) < day(350)
    summary = found["summary"]
    assert (summary["customers"], summary["customers_watched"], summary["alarms"]) == (61, 61, 1)
    assert summary["alarms_per_customer_year"] == pytest.approx(1 / summary["customer_years"], abs=1e-4)
    assert summary["unfounded"] == summary["unfounded_per_customer_year"] == 0


def test_csv_goes_to_the_file_or_to_stdout_and_says_what_json_says(purchases: Path, tmp_path: Path) -> None:
    rows = found_in(purchases)["alarms"]
    plain = run(purchases)
    assert run(purchases, "--out", str(tmp_path / "made" / "here.csv")).exit_code == 0
    assert (tmp_path / "made" / "here.csv").read_text("utf-8") == plain.stdout
    written = list(csv.DictReader(plain.stdout.splitlines()))
    assert [list(row) for row in written] == [list(COLUMNS)]
    for row, said in zip(written, rows, strict=True):
        assert row["ended_on"] == ""
        assert float(row["p"]) == said["p"]
        assert float(row["statistic"]) == said["statistic"]
    assert "61 of 61 customers were watched" in plain.stderr
    assert "How early" not in plain.stdout


def test_only_alarms_of_the_period_count(purchases: Path) -> None:
    raised = date.fromisoformat(found_in(purchases)["alarms"][0]["raised_on"])
    assert len(found_in(purchases, begin=raised)["alarms"]) == 1
    assert found_in(purchases, begin=date.fromordinal(raised.toordinal() + 1))["alarms"] == []
    assert found_in(purchases, until=date.fromordinal(raised.toordinal() - 1))["alarms"] == []
    assert len(found_in(purchases, until=raised)["alarms"]) == 1


def test_purchases_after_the_period_are_not_seen(purchases: Path, tmp_path: Path) -> None:
    until = day(350)
    cut = tmp_path / "cut.csv"
    lines = purchases.read_text("utf-8").splitlines()
    cut.write_text("\n".join([lines[0], *(line for line in lines[1:] if line[-10:] <= until.isoformat())]), "utf-8")
    assert found_in(purchases, until=until) == found_in(cut, until=until)
    assert "are not seen" in run(purchases, until=until).stderr


def test_a_larger_budget_warns_no_later(purchases: Path) -> None:
    early, late = (found_in(purchases, "--budget", budget)["alarms"] for budget in ("2", "0.01"))
    assert min(one["raised_on"] for one in early) <= min((one["raised_on"] for one in late), default="9")


@pytest.mark.parametrize("name", ["chart.svg", "chart.png"])
def test_a_chart_is_drawn_and_the_same_figures_give_the_same_file(purchases: Path, tmp_path: Path, name: str) -> None:
    for folder in ("one", "two"):
        assert run(purchases, "--chart", str(tmp_path / folder / name)).exit_code == 0
    assert (tmp_path / "one" / name).stat().st_size > 5_000
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_period_that_ends_before_it_begins_is_refused(purchases: Path) -> None:
    result = run(purchases, begin=day(200), until=day(199))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "lies before --from" in result.stderr
    assert run(purchases, begin=day(200), until=day(200)).exit_code == 0


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([HEADER], "has no purchases"),
        ([HEADER, "a,2030-01-01"], "has no purchase up to"),
        ([HEADER, "a,2024-02-30", "b,1.2.2024"], "line 3, column date"),
        (["customer,day", "a,2024-01-01"], "lacks date"),
    ],
)
def test_what_cannot_be_taken_is_named_and_nothing_is_written(lines: list[str], said: str, tmp_path: Path) -> None:
    path, out = tmp_path / "bad.csv", tmp_path / "out.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    result = run(path, "--out", str(out))
    assert (result.exit_code, result.stdout, out.exists()) == (2, "", False)
    assert said in result.stderr


def test_no_budget_and_no_picture_of_another_kind_are_refused(purchases: Path) -> None:
    assert run(purchases, "--budget", "0").exit_code == 2
    assert run(purchases, "--chart", "chart.pdf").exit_code == 2


def test_too_few_customers_are_said_and_judged_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text("\n".join([HEADER, *(f"a,{one}" for one in days_of(STEADY))]) + "\n", "utf-8")
    result = run(path, "--json")
    assert len(json.loads(result.stdout)["alarms"]) == 1
    assert "only 1 customers are watched" in result.stderr
    assert "everyone counts as silent" in result.stderr


def test_a_base_in_which_nobody_can_be_judged_says_so(tmp_path: Path) -> None:
    path = tmp_path / "once.csv"
    path.write_text(f"{HEADER}\na,{day(0)}\nb,{day(9)}\nb,{day(60)}\n", "utf-8")
    result = run(path, "--json", begin=day(0))
    summary = json.loads(result.stdout)["summary"]
    assert (summary["customers_watched"], summary["alarms"], summary["alarms_per_customer_year"]) == (0, 0, None)
    assert "nobody is watched" in result.stderr
    assert "before 2024-07-01 there was no past to learn from" in result.stderr


def test_the_command_is_part_of_rapport(purchases: Path) -> None:
    given = [
        "backtest",
        "cadence",
        "--purchases",
        str(purchases),
        "--from",
        "2024-09-01",
        "--to",
        "2025-01-31",
        "--json",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", *given], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout)["summary"]["customers"] == 61

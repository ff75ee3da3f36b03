"""That each case of `make bench` runs and yields figures. Not how large they are: this machine may be busy."""

from __future__ import annotations

import pytest

from tests.bench.__main__ import bench
from tests.bench.cases import CASES, QUICK, RULES
from tests.bench.table import Line, Table

pytestmark = [pytest.mark.long, pytest.mark.stack]


@pytest.fixture(scope="module")
def measured() -> tuple[str, Table]:
    return bench(QUICK, [*CASES, RULES])


def test_every_case_yields_figures(measured: tuple[str, Table]) -> None:
    _, table = measured
    assert set(table.parts) == {
        "Throughput",
        "Memory of the service's process",
        "Latency",
        "The clock's query",
        "The gateway",
        "A file of invoices",
    }
    lines = [line for lines in table.parts.values() for line in lines]
    assert {line.unit for line in lines} >= {"events/s", "rows/s", "ratio", "MB", "ms", "empty commits", "keys"}
    assert all(min(line.values) > 0 for line in lines if line.unit in ("events/s", "ratio", "empty commits"))


def test_the_clock_examines_no_more_than_is_due(measured: tuple[str, Table]) -> None:
    _, table = measured
    looked = [line for line in table.parts["The clock's query"] if line.unit == "keys"]
    assert looked and all(line.met for line in looked)


def test_the_page_shows_median_range_and_what_was_wanted() -> None:
    line = Line("service / limit", "ratio", (0.6, 0.9, 0.8), ("≥", 0.7), 2)
    assert line.row() == "| service / limit | ratio | 0.80 | 0.60 to 0.90 | ≥ 0.7 | yes |"
    assert Line("same", "ratio", (0.5,), ("≥", 0.7), 2).met is False
    assert Line("same", "ratio", (0.5,)).met is None


def test_the_page_names_no_folder_and_no_host(measured: tuple[str, Table]) -> None:
    page, _ = measured
    assert "rapport-bench-" not in page and "127.0.0.1" not in page

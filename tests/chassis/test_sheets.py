"""Tables for a spreadsheet: what looks like a formula is text, and numbers stay numbers."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.sheets import MARK, harmless, lines, restored


@pytest.mark.parametrize("cell", ["=1+1", "+86", "-12.50", "@x", "\tx", "\rx"])
def test_what_a_spreadsheet_would_reckon_is_text(cell: str) -> None:
    assert harmless(cell) == "'" + cell and restored(harmless(cell)) == cell


def test_a_number_below_zero_is_no_formula() -> None:
    (row,) = csv.reader(io.StringIO(lines([["-1", Decimal("-1.50"), "=x"]]).decode()))
    assert row == ["'-1", "-1.50", "'=x"]
    assert MARK.decode("utf-8-sig") == ""


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1))
def test_every_text_comes_back(row: list[str]) -> None:
    (back,) = csv.reader(io.StringIO(lines([row]).decode(), newline=""))
    assert [restored(cell) if cell != before else cell for cell, before in zip(back, row, strict=True)] == row

"""Cells and headings: what people and programs write means what they mean, or is refused."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.money import parse_amount
from contracts.refusal import Refused
from services.gateway.model import cells
from services.gateway.model.cells import Mark
from services.gateway.model.columns import match, normal
from services.gateway.model.kinds import KINDS

DAYS = st.dates(date(1980, 1, 1), date(2099, 12, 31))
SMALLEST = st.integers(-(10**14), 10**14)
FULL_WIDTH = str.maketrans("0123456789,.", "０１２３４５６７８９，．")


@given(DAYS, st.sampled_from(["{0}-{1:02}-{2:02}", "{0}/{1}/{2}", "{0}.{1}.{2}", "{0}年{1}月{2}日", "{0}{1:02}{2:02}",
                              "{2}.{1}.{0}", "{0}-{1}-{2} 08:30:00", " {0}-{1:02}-{2:02}T00:00:00 "]))  # fmt: skip
def test_a_date_is_read_back_however_it_is_written(day: date, form: str) -> None:
    assert cells.day(form.format(day.year, day.month, day.day)) == day.isoformat()


@given(DAYS)
def test_a_date_is_read_back_from_a_spreadsheets_serial_and_from_full_width_digits(day: date) -> None:
    assert cells.day(str((day - date(1899, 12, 30)).days)) == day.isoformat()
    assert cells.day(str((day - date(1904, 1, 1)).days), epoch_1904=True) == day.isoformat()
    assert cells.day(f"{day:%Y/%m/%d}".translate(FULL_WIDTH)) == day.isoformat()


def test_the_serials_of_known_days_are_those_a_spreadsheet_shows() -> None:
    assert cells.day("45292") == "2024-01-01"
    assert cells.day("36526.75") == "2000-01-01"


@pytest.mark.parametrize("wrong", ["03/04/2026", "3/4/26", "2026-02-30", "20261301", "1234", "soon", "2026-1", "99999"])
def test_a_date_that_could_be_two_or_none_is_refused(wrong: str) -> None:
    with pytest.raises(Refused, match="expected") as refused:
        cells.day(wrong)
    assert refused.value.reason == "bad_cell"


@given(SMALLEST, st.integers(0, 2), st.sampled_from(["point", "comma"]), st.booleans(),
       st.sampled_from(["{}", "¥{}", "{}元", "CNY {}", "{} CNY", " {} ", "￥{}"]), st.booleans())  # fmt: skip
def test_an_amount_is_read_back_however_it_is_written(
    units: int, decimals: int, mark: Mark, grouped: bool, form: str, wide: bool
) -> None:
    value = Decimal(units).scaleb(-decimals)
    text = f"{abs(value):{',' if grouped else ''}.{decimals}f}"
    if mark == "comma":
        text = text.translate(str.maketrans(",.", ".,"))
    written = form.format(text.translate(FULL_WIDTH) if wide else text)
    for signed in [written] if value >= 0 else [f"-{written}", f"{written}-", f"({written})"]:
        read = cells.amount(signed, mark)
        assert parse_amount(read.text) == value
        assert read.currencies is None or "CNY" in read.currencies


@given(st.lists(SMALLEST, min_size=1), st.sampled_from(["point", "comma"]), st.booleans())
def test_the_mark_of_decimals_is_found_in_amounts_that_have_them(units: list[int], mark: Mark, grouped: bool) -> None:
    texts = [f"{Decimal(one).scaleb(-2):{',' if grouped else ''}.2f}" for one in units]
    if mark == "comma":
        texts = [text.translate(str.maketrans(",.", ".,")) for text in texts]
    assert cells.mark_of([*texts, "合计", "", "12"]) == mark


@pytest.mark.parametrize(
    ("texts", "mark"),
    [(["1,234"], None), (["1,234,567"], "point"), (["1.234.567"], "comma"), (["0,500"], "comma"), (["12,5"], "comma"),
     (["1,234", "1,5"], "comma"), (["12", "x"], None), (["31.12.2026x", "2.5"], "point")],
)  # fmt: skip
def test_an_amount_that_could_be_either_shows_nothing(texts: list[str], mark: Mark | None) -> None:
    assert cells.mark_of(texts) == mark


@pytest.mark.parametrize(
    "wrong", ["1.234,50", "12,34.5", "1,23", "abc", "¥", "-", "1.5E+5", "12 34", "1..2", "#N/A", "CNY 5 USD"]
)
def test_what_is_no_amount_with_a_point_is_refused(wrong: str) -> None:
    with pytest.raises(Refused) as refused:
        cells.amount(wrong, "point")
    assert refused.value.reason == "bad_cell" and "expected" in refused.value.message


@pytest.mark.parametrize(
    ("text", "code"), [("人民币", "CNY"), ("rmb", "CNY"), ("usd", "USD"), ("港币", "HKD"), ("ＣＮＹ", "CNY")]
)
def test_a_currency_is_known_by_its_code_and_its_names(text: str, code: str) -> None:
    assert cells.currency(text) == code


@given(st.integers(10**11, 10**20))
def test_a_number_that_a_spreadsheet_has_shortened_is_no_id(number: int) -> None:
    assert cells.identifier(f" {number} ") == str(number)
    with pytest.raises(Refused, match="shortened"):
        cells.identifier(f"{number:.5E}")


@given(DAYS, st.text(max_size=30))
def test_no_text_breaks_a_reader(day: date, text: str) -> None:
    for read in (cells.day, cells.flag, cells.currency, lambda cell: cells.amount(cell, "point"), cells.identifier):
        for cell in (text, f"{day + timedelta(1)}{text}", f"{text}12,5"):
            try:
                read(cell)
            except Refused as refused:
                assert refused.reason == "bad_cell"


def test_headings_are_known_in_chinese_and_english_whatever_their_form() -> None:
    columns = KINDS["invoices"].columns
    found = match(["Invoice No.", "客户编号", "币 种", "ISSUE_DATE", "到期日期", "价税合计（元）", "备注"], columns)
    assert found.places == {"invoice": 0, "customer": 1, "currency": 2, "issue_date": 3, "due_date": 4, "amount": 5}
    assert normal("Ａｍｏｕｎｔ (CNY)") == normal("amount")


def test_a_heading_that_could_be_either_is_not_guessed_and_a_mapping_settles_it() -> None:
    columns = KINDS["purchases"].columns
    headings = ["客户编号", "日期", "金额", "价税合计", "币种"]
    assert match(headings, columns).twice == {"amount": ("金额", "价税合计")}
    settled = match(headings, columns, {"amount": "价税合计"})
    assert settled.whole and settled.places["amount"] == 3
    assert match(headings, columns, {"amount": "净额"}).missing == ("amount",)
    assert match(headings, columns, None, {"amount": "价税合计"}).whole, "remembered"
    assert not match(headings, columns, None, {"amount": "净额"}).whole, "remembered, and gone from this file"


def test_its_own_name_wins_over_others() -> None:
    found = match(["customer", "客户", "date", "amount", "total", "currency"], KINDS["purchases"].columns)
    assert found.whole and (found.places["customer"], found.places["amount"]) == (0, 3)

"""Files as other systems export them, all of them made here: no row is of a real customer."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from openpyxl import Workbook

CHINESE = ("发票号码", "客户编号", "客户名称", "币种", "开票日期", "到期日", "价税合计", "是否争议")
ENGLISH = ("invoice", "customer", "currency", "issue_date", "due_date", "amount")


def csv_bytes(
    heading: Sequence[str], rows: Iterable[Sequence[str]], encoding: str = "utf-8", delimiter: str = ","
) -> bytes:
    """A CSV file."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows([heading, *rows])
    return text.getvalue().encode(encoding)


def chinese_rows(customer: str, count: int) -> list[list[str]]:
    """Invoices as a Chinese ERP writes them."""
    return [
        [f"FP{n:05d}", customer, "上海某某贸易有限公司", "人民币", "2026年1月5日", "2026/2/4", f"￥1,{n:03d}.50", "否"]
        for n in range(1, count + 1)
    ]


def english_rows(customers: Sequence[str], count: int) -> list[list[str]]:
    """Plain invoices, shared out among customers."""
    return [
        [f"INV-{n}", customers[n % len(customers)], "CNY", "2026-01-05", "2026-02-04", f"{n}.25"]
        for n in range(1, count + 1)
    ]


def titled_workbook(customer: str, count: int) -> bytes:
    """A workbook with two merged title rows over the headings, a sheet of notes before it, dates as dates, amounts as
    numbers, and the sum below.
    """
    book = Workbook()
    notes = book.active
    assert notes is not None
    notes.title = "说明"
    notes.append(["本表由系统导出"])
    sheet = book.create_sheet("应收")
    rows: list[list[Any]] = [["应收账款明细表"], ["截止日期：2026年6月30日"], []]
    rows.append(["发票号", "客户编码", "开票日期", "到期日期", "金额（元）", "备注"])
    rows += [
        [f"XL-{n}", customer, datetime(2026, 1, 5), datetime(2026, 2, 4), 1000 + n / 10, "=1+1"]  # noqa: DTZ001
        for n in range(1, count + 1)
    ]
    rows.append(["合计", None, None, None, 99999.9])
    for row in rows:
        sheet.append(row)
    sheet.merge_cells("A1:F1")
    sheet.merge_cells("A2:F2")
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()

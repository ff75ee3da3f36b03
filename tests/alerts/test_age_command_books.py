"""Made books of four currencies through `rapport age`, worked out a second time in integers and fractions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from math import ceil
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.alerts.test_age_command_files import LIMITS, RATES, Files

UNITS = {"CNY": 100, "USD": 100, "JPY": 1, "KWD": 1000}
WORTH = {"CNY": Fraction(1), "USD": Fraction("7.1234"), "JPY": Fraction("0.0471"), "KWD": Fraction("23.19")}
FIRST = date(2026, 1, 1)
BUCKETS = ["current", "1-30", "31-60", "61-90", "91+"]
Rows = list[dict[str, str]]


def text(minor: int, currency: str) -> str:
    places = len(str(UNITS[currency])) - 1
    sign, digits = "-" if minor < 0 else "", str(abs(minor)).rjust(places + 1, "0")
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)


def minor(amount: str, currency: str) -> int:
    return int(Fraction(amount) * UNITS[currency])


def made_books(seed: int) -> tuple[Rows, Rows]:
    chance = Random(seed)
    invoices: Rows = []
    settlements: Rows = []
    for n in range(60):
        issued = FIRST + timedelta(days=chance.randrange(150))
        currency = chance.choice(list(UNITS))
        invoices.append(
            {
                "invoice": f"INV{n}",
                "customer": f"客户{chance.randrange(6)}",
                "currency": currency,
                "issue_date": issued.isoformat(),
                "due_date": (issued + timedelta(days=chance.choice([0, 30, 60]))).isoformat(),
                "amount": text(chance.randrange(1, 300_000), currency),
                "disputed": chance.choice(["", "true", "no"]),
            }
        )
    for n in range(90):
        settlements.append(made_settlement(chance, n, invoices))
    return invoices, settlements


def made_settlement(chance: Random, n: int, invoices: Rows) -> dict[str, str]:
    aimed = chance.choice(invoices)
    currency = aimed["currency"] if chance.random() < 0.8 else chance.choice(list(UNITS))
    total = chance.randrange(10, 200_000)
    own = [one["invoice"] for one in invoices if one["customer"] == aimed["customer"] and one is not aimed]
    named = [aimed["invoice"], *chance.sample(own, min(len(own), chance.randrange(3)))]
    style = chance.choice(["none", "bare", "stated", "mixed", "unknown"])
    tokens = [] if style == "none" else ["INV404"] if style == "unknown" else named
    if style in ("stated", "mixed"):
        each = total // (len(tokens) + 1)
        whole = len(tokens) if style == "stated" else len(tokens) - 1
        tokens = [f"{one}:{text(each, currency)}" if at < whole else one for at, one in enumerate(tokens)]
    return {
        "doc": f"D{n}",
        "type": chance.choice(["payment", "payment", "credit_note", "write_off"]),
        "customer": aimed["customer"],
        "currency": currency,
        "date": (FIRST + timedelta(days=chance.randrange(190))).isoformat(),
        "amount": text(total, currency),
        "applied_to": ";".join(tokens),
        "rate": chance.choice(["", "", "3.3333"]),
    }


@dataclass
class Independent:
    """The books in minor units: what reduced each invoice; per customer and currency five buckets and the credit."""

    invoices: Rows
    as_of: date
    reduced: dict[Any, int] = field(default_factory=lambda: defaultdict(int))
    moneyed: dict[Any, int] = field(default_factory=lambda: defaultdict(int))
    sums: dict[Any, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0] * 6))
    rows: list[list[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.held = {(one["customer"], one["invoice"]): one for one in self.invoices}
        self.room = {at: minor(one["amount"], one["currency"]) for at, one in self.held.items()}

    def settle(self, doc: dict[str, str]) -> None:
        credit = left = minor(doc["amount"], doc["currency"])
        tokens = [one.partition(":") for one in doc["applied_to"].split(";") if one]
        left -= sum(minor(amount, doc["currency"]) for _, colon, amount in tokens if colon)
        bare = [name for name, colon, _ in tokens if not colon]
        for name, colon, amount in tokens:
            at = (doc["customer"], name)
            factor = exchange(doc, self.held.get(at))
            if colon:
                used = minor(amount, doc["currency"])
            else:
                can = ceil(max(self.room.get(at, 0), 0) / factor) if factor else 0
                used = left if name == bare[-1] else min(left, can)
                left -= used
            if not factor:
                continue
            came = round(used * factor)
            self.room[at] -= came
            if self.held[at]["issue_date"] <= self.as_of.isoformat():
                self.reduced[at] += came
                self.moneyed[at] += 0 if doc["type"] == "write_off" else came
                credit -= used
        if doc["type"] != "write_off":
            self.sums[doc["customer"], doc["currency"]][5] += credit

    def close(self) -> None:
        for at, one in self.held.items():
            if one["issue_date"] > self.as_of.isoformat():
                continue
            rest = minor(one["amount"], one["currency"]) - self.reduced[at]
            late = (self.as_of - date.fromisoformat(one["due_date"])).days
            which = sum(1 for first in (1, 31, 61, 91) if late >= first)
            numbers = self.sums[at[0], one["currency"]]
            if rest > 0:
                numbers[which] += rest
                amount = text(rest, one["currency"])
                self.rows.append([at[0], one["currency"], one["due_date"], at[1], amount, late, BUCKETS[which]])
            else:
                numbers[5] += min(-rest, self.moneyed[at])


def independent(invoices: Rows, settlements: Rows, as_of: date) -> tuple[list[list[Any]], dict[Any, list[int]]]:
    books = Independent(invoices, as_of)
    order = sorted(range(len(settlements)), key=lambda at: (settlements[at]["date"], at))
    for doc in (settlements[at] for at in order):
        if date.fromisoformat(doc["date"]) <= as_of:
            books.settle(doc)
    books.close()
    return sorted(books.rows), {at: numbers for at, numbers in books.sums.items() if any(numbers)}


def exchange(doc: dict[str, str], invoice: dict[str, str] | None) -> Fraction:
    """Minor units of the invoice for one of the document; 0 where there is no rate."""
    if invoice is None:
        return Fraction(0)
    if invoice["currency"] == doc["currency"]:
        return Fraction(1)
    rate = Fraction(doc["rate"]) if doc["rate"] else WORTH[doc["currency"]] / WORTH[invoice["currency"]]
    return rate * UNITS[invoice["currency"]] / UNITS[doc["currency"]]


def lines(rows: Rows) -> list[str]:
    return [",".join(rows[0]), *(",".join(row.values()) for row in rows)]


RATE_LINES = [RATES, "USD,7.1234,2025-12-01", "JPY,0.0471,", "KWD,23.19,2026-01-01", "USD,9.9,2027-01-01"]


@pytest.mark.parametrize("seed", range(6))
def test_made_books_of_four_currencies_agree_to_the_cent_with_a_second_computation(tmp_path: Path, seed: int) -> None:
    files = Files(tmp_path)
    invoices, settlements = made_books(seed)
    limits = [LIMITS, "客户0,1000.00,CNY", "客户1,0,CNY", "客户2,500.00,USD", "客户3,,"]
    for as_of in (date(2026, 3, 15), date(2026, 7, 31)):
        found = files.json(
            as_of=as_of.isoformat(),
            invoices=lines(invoices),
            settlements=lines(settlements),
            limits=limits,
            rates=RATE_LINES,
        )
        rows, sums = independent(invoices, settlements, as_of)
        assert [
            [
                *(
                    row[name]
                    for name in ("customer", "currency", "due_date", "invoice", "open", "days_past_due", "bucket")
                )
            ]
            for row in found["open_items"]
        ] == rows
        assert [list(row.values()) for row in found["ageing"]] == [
            [*at, *(text(number, at[1]) for number in ageing_numbers(numbers))] for at, numbers in sorted(sums.items())
        ]
        check_exposure(found["exposure"], sums)


def ageing_numbers(numbers: list[int]) -> list[int]:
    total = sum(numbers[:5])
    return [*numbers[:5], total, sum(numbers[1:5]), numbers[5], total - numbers[5]]


def check_exposure(rows: list[dict[str, Any]], sums: dict[Any, list[int]]) -> None:
    found = {row["customer"]: row for row in rows}
    for customer, (limit, currency) in {"客户0": (100000, "CNY"), "客户1": (0, "CNY"), "客户2": (50000, "USD")}.items():
        gross = net = overdue = 0
        for (who, owed), numbers in sums.items():
            if who == customer:
                factor = WORTH[owed] / WORTH[currency] * UNITS[currency] / UNITS[owed]
                gross += round(sum(numbers[:5]) * factor)
                net += round((sum(numbers[:5]) - numbers[5]) * factor)
                overdue += round(sum(numbers[1:5]) * factor)
        used = f"{float(round(Fraction(net, limit), 4)):.4f}" if limit else None
        expected = [text(number, currency) for number in (limit, gross, net, overdue)]
        assert list(found[customer].values()) == [customer, *expected, used, net > limit]
    assert (found["客户3"]["limit"], found["客户3"]["over_limit"]) == (None, None)

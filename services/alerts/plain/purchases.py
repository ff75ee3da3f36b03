"""Purchases from a CSV file: who bought on which day, and for how much where that is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final

from contracts.money import parse_amount
from contracts.refusal import Refused
from services.alerts.plain.tables import Row, read_table

PURCHASE_COLUMNS: Final = ("customer", "date")


@dataclass(frozen=True, slots=True)
class Purchase:
    """A line of the purchases. Without a currency an amount is in the one the reader knows of."""

    customer: str
    day: date
    amount: Decimal | None = None
    currency: str | None = None


def read_purchases(path: Path) -> list[Purchase]:
    """All purchases of a file with `customer,date[,amount][,currency]`, in its order.

    Raises:
        Unreadable: the file, its header or any of its rows; all bad rows are named.
    """
    return read_table(path, PURCHASE_COLUMNS, _purchase)


def days_by_customer(purchases: Iterable[Purchase], until: date | None = None) -> dict[str, list[date]]:
    """Each customer's distinct purchase days in order, without those after `until`; who has none is left out."""
    days: dict[str, set[date]] = {}
    for purchase in purchases:
        if until is None or purchase.day <= until:
            days.setdefault(purchase.customer, set()).add(purchase.day)
    return {customer: sorted(held) for customer, held in days.items()}


def _purchase(row: Row) -> Purchase:
    currency = row.currency() if row.optional("currency") else None
    return Purchase(row.text("customer"), row.day("date"), _amount(row, currency), currency)


def _amount(row: Row, currency: str | None) -> Decimal | None:
    text = row.optional("amount")
    if not text:
        return None
    if text.startswith("-"):
        raise row.refuse("amount", f"{text} is below zero; expected 0 or more (leave out rows of returned goods)")
    if currency is not None:
        return row.amount("amount", currency)
    try:
        return parse_amount(text)
    except Refused as refused:
        raise row.refuse("amount", refused.message) from None

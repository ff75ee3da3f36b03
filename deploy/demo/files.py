"""The same books as the CSV files of `rapport age` and `rapport backtest`: what stands in them at the end, without how
it came about.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from contracts.envelope import Event
from contracts.events.customers import CreditLimitSet
from contracts.events.sales import PurchaseMade
from contracts.events.trade import (
    AppliedTo,
    CreditNoteIssued,
    DebtWrittenOff,
    InvoiceCancelled,
    InvoiceDisputed,
    InvoiceIssued,
    PaymentApplied,
    PaymentReceived,
    PaymentReversed,
    Settlement,
)
from contracts.money import Money, amount_text
from deploy.demo.data import CURRENCY

INVOICES: Final = ("invoice", "customer", "currency", "issue_date", "due_date", "amount", "disputed")
LIMITS: Final = ("customer", "limit", "currency")
PURCHASES: Final = ("customer", "date", "amount", "currency")
SETTLEMENTS: Final = ("doc", "type", "customer", "currency", "date", "amount", "applied_to")
KINDS: Final[dict[type[Settlement], str]] = {
    PaymentReceived: "payment",
    CreditNoteIssued: "credit_note",
    DebtWrittenOff: "write_off",
}


class Files(NamedTuple):
    """Where the books lie as files."""

    invoices: Path
    settlements: Path
    limits: Path
    purchases: Path


@dataclass(slots=True)
class FinalBooks:
    """Invoices and settlements as they stand after the events taken so far.

    A cancelled invoice and a reversed settlement are gone, a corrected invoice is as corrected, a dispute is as last
    said, money on account is where it was applied, and of a customer's limits the last one holds.
    """

    invoices: dict[str, tuple[str, InvoiceIssued]] = field(default_factory=dict)
    disputed: dict[str, bool] = field(default_factory=dict)
    settlements: dict[str, tuple[str, Settlement, list[AppliedTo]]] = field(default_factory=dict)
    limits: dict[str, Money | None] = field(default_factory=dict)
    purchases: list[tuple[str, PurchaseMade]] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Follow an event; those that are not about money pass."""
        data = event.data
        if isinstance(data, InvoiceIssued):
            self.invoices[data.invoice_id] = event.subject, data
        elif isinstance(data, InvoiceCancelled):
            del self.invoices[data.invoice_id]
        elif isinstance(data, InvoiceDisputed):
            self.disputed[data.invoice_id] = data.disputed
        elif isinstance(data, Settlement):
            self.settlements[data.document_id] = event.subject, data, list(data.applied_to or ())
        elif isinstance(data, PaymentApplied):
            self.settlements[data.document_id][2].extend(data.applied_to)
        elif isinstance(data, PaymentReversed):
            self._reverse(data)
        elif isinstance(data, CreditLimitSet):
            self.limits[event.subject] = data.limit
        elif isinstance(data, PurchaseMade):
            self.purchases.append((event.subject, data))

    def _reverse(self, data: PaymentReversed) -> None:
        if data.amount is not None:
            raise ValueError(f"{data.document_id} is reversed in part, which these files cannot say")
        del self.settlements[data.document_id]

    def invoice_rows(self) -> list[Sequence[str]]:
        """Rows of invoices.csv."""
        return [
            (
                invoice_id,
                customer,
                data.total.currency,
                data.issued_on.isoformat(),
                data.due_on.isoformat(),
                amount_text(data.total.amount, data.total.currency),
                "true" if self.disputed.get(invoice_id) else "false",
            )
            for invoice_id, (customer, data) in self.invoices.items()
        ]

    def settlement_rows(self) -> list[Sequence[str]]:
        """Rows of settlements.csv; `applied_to` as INVOICE:AMOUNT;INVOICE:AMOUNT."""
        return [
            (
                document,
                KINDS[type(data)],
                customer,
                data.total.currency,
                data.dated_on.isoformat(),
                amount_text(data.total.amount, data.total.currency),
                ";".join(f"{one.invoice_id}:{amount_text(one.amount.value, data.total.currency)}" for one in applied),
            )
            for document, (customer, data, applied) in self.settlements.items()
        ]

    def limit_rows(self) -> list[Sequence[str]]:
        """Rows of limits.csv; an empty limit is not checked."""
        return [
            (customer, amount_text(limit.amount, limit.currency) if limit is not None else "", CURRENCY)
            for customer, limit in self.limits.items()
        ]

    def purchase_rows(self) -> list[Sequence[str]]:
        """Rows of purchases.csv."""
        return [
            (
                customer,
                data.purchased_on.isoformat(),
                amount_text(data.total.amount, data.total.currency),
                data.total.currency,
            )
            for customer, data in self.purchases
        ]

    def open_amounts(self) -> dict[str, Decimal]:
        """What is open of each invoice, by invoice; only those with something open."""
        left = {invoice_id: data.total.amount for invoice_id, (_, data) in self.invoices.items()}
        for _, _, applied in self.settlements.values():
            for one in applied:
                left[one.invoice_id] -= one.amount.value
        return {invoice_id: amount for invoice_id, amount in left.items() if amount}

    def overdue(self, as_of: date, grace_days: int = 0) -> frozenset[str]:
        """The invoices for which a receivable_overdue alert stands at the end of `as_of`: open, late, not disputed."""
        return frozenset(
            invoice_id
            for invoice_id in self.open_amounts()
            if (as_of - self.invoices[invoice_id][1].due_on).days > grace_days and not self.disputed.get(invoice_id)
        )

    def write(self, folder: Path) -> Files:
        """Writes the four files into `folder` and returns their paths. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        files = Files(*(folder / f"{name}.csv" for name in Files._fields))
        _write(files.invoices, INVOICES, self.invoice_rows())
        _write(files.settlements, SETTLEMENTS, self.settlement_rows())
        _write(files.limits, LIMITS, self.limit_rows())
        _write(files.purchases, PURCHASES, self.purchase_rows())
        return files


def final_books(events: Iterable[Event]) -> FinalBooks:
    """The books after all of the events."""
    books = FinalBooks()
    for event in events:
        books.take(event)
    return books


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)

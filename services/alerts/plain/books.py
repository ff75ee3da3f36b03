"""Invoices and settlements from files put into the very model that the stream of events feeds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import ROUND_CEILING, Decimal
from typing import Final

from services.alerts.model.exchange import convert, ratio, to_minor
from services.alerts.model.facts import FactKey
from services.alerts.model.open_item import InvoiceFacts, OpenItem, with_dispute, with_issued
from services.alerts.model.rates import RateMissing, Rates
from services.alerts.model.settlement import Part, Receipt, Settlement, reenter, with_receipt
from services.alerts.plain.sources import InvoiceRow, Key, SettlementRow, Sources

_ZERO: Final = Decimal(0)


@dataclass(slots=True)
class Books:
    """Items with their entries, settlements, and notes on what was taken but looks odd."""

    items: list[OpenItem]
    settlements: list[Settlement]
    notes: list[str] = field(default_factory=list)


def open_books(sources: Sources) -> Books:
    """The items and settlements that the rows make.

    Invoices named without an amount are served in the order of the settlements' dates and lines: each takes up to what
    it still has open, the last one named takes what is left (what it cannot use is unapplied credit).
    """
    items = {key: _item(row) for key, row in sources.invoices.items()}
    room = {key: row.total for key, row in sources.invoices.items()}
    books = Books([], [])
    for row in sorted(sources.settlements.values(), key=lambda one: (one.dated_on, one.line)):
        customer, company, document = row.key
        parts = _parts(row, sources, room, books.notes)
        receipt = Receipt(
            key=_fact_key(row.file, row.line, row.dated_on),
            kind=row.kind,
            dated_on=row.dated_on,
            total=row.total,
            currency=row.currency,
            applied_to=tuple(parts),
        )
        settlement = with_receipt(Settlement(subject=customer, company=company, document_id=document), receipt)
        books.settlements.append(settlement)
        touched = {part.invoice_id: (customer, company, part.invoice_id) for part in parts}
        own = {invoice: items[key] for invoice, key in touched.items() if key in items}
        for invoice, item in reenter(own, None, settlement).items():
            items[touched[invoice]] = item
        if row.kind == "write_off" and sum((part.amount for part in parts), _ZERO) < row.total:
            books.notes.append(f"{row.file}, line {row.line}: {document} writes off more than it is applied to")
    books.items = list(items.values())
    return books


def _item(row: InvoiceRow) -> OpenItem:
    customer, company, invoice = row.key
    key = _fact_key(row.file, row.line, row.issued_on)
    facts = InvoiceFacts(key=key, issued_on=row.issued_on, due_on=row.due_on, total=row.total, currency=row.currency)
    item = with_issued(OpenItem(subject=customer, company=company, invoice_id=invoice), facts)
    return with_dispute(item, key, row.issued_on, True) if row.disputed else item


def _parts(row: SettlementRow, sources: Sources, room: dict[Key, Decimal], notes: list[str]) -> list[Part]:
    rest = row.total - sum((amount for _, amount in row.applied_to if amount is not None), _ZERO)
    shared = [invoice for invoice, amount in row.applied_to if amount is None]
    parts: list[Part] = []
    for invoice, stated in row.applied_to:
        key = (row.key[0], row.key[1], invoice)
        known = sources.invoices.get(key)
        rate = _rate_for(row, known, sources.rates)
        amount = stated
        if amount is None:
            shared.pop()
            amount = min(rest, _room(row, known, room.get(key, _ZERO), rate)) if shared else rest
            rest -= amount
        if not amount:
            continue
        parts.append(Part(invoice_id=invoice, amount=amount, rate=rate))
        odd = _oddity(row, invoice, known, rate)
        if odd:
            notes.append(f"{row.file}, line {row.line}: {row.key[2]} {odd}")
        elif known is not None:
            room[key] -= amount if rate is None else convert(amount, rate, known.currency)
    return parts


def _oddity(row: SettlementRow, invoice: str, known: InvoiceRow | None, rate: Decimal | None) -> str:
    """Why money applied to the invoice cannot reduce it; empty where it can."""
    if known is None:
        return f"waits for invoice {invoice} of customer {row.key[0]}, which is not among the invoices"
    if known.currency != row.currency and rate is None:
        return (
            f"is in {row.currency}, invoice {invoice} in {known.currency}, and no rate is known: it stays unapplied; "
            "add a column rate, or --rates with one dated on or before it"
        )
    return ""


def _room(row: SettlementRow, known: InvoiceRow | None, left: Decimal, rate: Decimal | None) -> Decimal:
    """What an invoice can still take, in the settlement's currency; rounded up, so that no cent of it stays open."""
    if known is None or left <= 0:
        return _ZERO
    if known.currency == row.currency:
        return left
    return _ZERO if rate is None else to_minor(ratio(left, rate), row.currency, ROUND_CEILING)


def _rate_for(row: SettlementRow, known: InvoiceRow | None, rates: Rates) -> Decimal | None:
    """Units of the invoice's currency for one of the settlement's: from the row, or else from the rates of its day."""
    if known is None:
        return row.rate
    if known.currency == row.currency:
        return None
    if row.rate is not None:
        return row.rate
    try:
        return rates.between(row.currency, known.currency, row.dated_on)
    except RateMissing:
        return None


def _fact_key(file: str, line: int, day: date) -> FactKey:
    return FactKey(time=datetime.combine(day, time(), UTC), source=file, id=f"line {line:09d}")

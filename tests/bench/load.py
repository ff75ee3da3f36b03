"""Made events for the measurements: invoices and their payments, 379 bytes a record, spread evenly over the customers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from contracts.envelope import Event
from contracts.events import trade
from contracts.money import Amount, Money

SUM = Decimal("1234.50")
DAY = date(2026, 3, 2)


def events(run: str, count: int, customers: int) -> Iterator[Event]:
    """`count` events in rounds over all customers: an invoice each, then its payment, then the next invoice."""
    at = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    for n in range(count):
        turn, customer = divmod(n, customers)
        data = _invoice(turn) if turn % 2 == 0 else _payment(turn)
        yield Event(
            id=f"{run}-{n:09d}",
            source="erp.example/books",
            type=data.TYPE,
            subject=f"C-{run}-{customer:07d}",
            time=at + timedelta(milliseconds=n),
            data=data,
        )


def _invoice(turn: int) -> trade.InvoiceIssued:
    return trade.InvoiceIssued(
        invoice_id=f"INV-2026-{turn:06d}",
        issued_on=DAY,
        due_on=DAY + timedelta(days=36_000 // 100),
        total=Money(SUM, "CNY"),
        order_id="ORD-2026-000000001234567890",
        lines=[trade.Line(product_id="PRODUCT-0001", quantity=Decimal(10), amount=Amount.from_wire(str(SUM)))],
    )


def _payment(turn: int) -> trade.PaymentReceived:
    return trade.PaymentReceived(
        document_id=f"PAY-2026-{turn:06d}",
        dated_on=DAY,
        total=Money(SUM, "CNY"),
        company="HEAD-OFFICE-CN-000000000000001",
        applied_to=[trade.AppliedTo(invoice_id=f"INV-2026-{turn - 1:06d}", amount=Amount.from_wire(str(SUM)))],
    )

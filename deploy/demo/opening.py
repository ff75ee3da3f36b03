"""What the books carry over from the year before: a few open invoices (made), two months overdue on the first day. Such
an alert waits for no digest, so the first mails are there while the first month is still being replayed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from contracts.envelope import Event
from contracts.events.trade import AppliedTo, InvoiceIssued, PaymentReceived
from contracts.money import Amount, Money
from contracts.payload import Payload
from deploy.demo.books import ERP, Books, account
from deploy.demo.courses import NET_DAYS

CUSTOMERS: Final = 5
SUM: Final = Decimal("48.00")
AT: Final = time(10, 0)
LATE: Final = timedelta(days=NET_DAYS * 2 + 5)


def carried_over(books: Books) -> dict[date, list[Event]]:
    """By day: invoices entered on the eve of the first day, long due by then, and their payments some weeks later."""
    first = min(purchase.bought_on for purchase in books.purchases)
    buyers = sorted({purchase.customer for purchase in books.purchases if purchase.bought_on == first})
    days: dict[date, list[Event]] = {}
    for nth, customer in enumerate(buyers[:CUSTOMERS]):
        for event in _story(books, customer, nth):
            days.setdefault(event.time.date(), []).append(event)
    return days


def _story(books: Books, customer: str, nth: int) -> Iterator[Event]:
    eve, invoice = books.first_day, f"OPEN-{customer}"
    money = Money(SUM + nth, "USD")
    due = eve - LATE
    issued = InvoiceIssued(invoice_id=invoice, issued_on=due - timedelta(days=NET_DAYS), due_on=due, total=money)
    yield _event(books, customer, eve, f"{invoice}/issued", issued)
    paid_on = eve + timedelta(days=10 + 5 * nth)
    paid = PaymentReceived(
        document_id=f"PAY-{invoice}",
        dated_on=paid_on,
        total=money,
        applied_to=[AppliedTo(invoice_id=invoice, amount=Amount(money.amount))],
    )
    yield _event(books, customer, paid_on, f"{invoice}/paid", paid)


def _event(books: Books, customer: str, day: date, id_: str, data: Payload) -> Event:
    moment = datetime.combine(day, AT, books.zone)
    return Event(id=id_, source=ERP, type=data.TYPE, subject=account(customer), time=moment, data=data)

"""Made events for the measurements: invoices and the payments that settle them, each with a value of 379 bytes.

The 379 bytes are the record's value alone; its key and its headers (the CloudEvents attributes) come on top, some 195
bytes more. One invoice in ten is past its due date when it comes: the clock raises an alert about it (two outgoing
events, `alert.raised` and `notification.suppressed`, for nobody answers for these customers), and its payment resolves
it (one more). So 100 events make 15 outgoing ones and 5 ticks of the clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from contracts.envelope import Event, Record, encode
from contracts.events import trade
from contracts.money import Amount, Money
from contracts.payload import Payload

VALUE_BYTES: Final = 379
OVERDUE_EVERY: Final = 10
SOURCE: Final = "erp.example/books"
SUM: Final = Decimal("1234.50")
MOST_BETWEEN: Final = 30_000
SCATTER: Final = 999_983  # a prime: neighbours in the stream are strangers in the database


@dataclass(frozen=True)
class Load:
    """A stream of events. `name` tells its customers from those of other streams; `today` is the day it is made on."""

    name: str
    customers: int
    today: date

    @property
    def between(self) -> int:
        """How many invoices come between one and its payment. So many that the clock has passed it, although a process
        reads its partitions unevenly; and of many customers so many that the first is no longer held in memory.
        """
        return min(MOST_BETWEEN, self.customers * 3 // 2)

    def events(self, start: int, count: int) -> Iterator[Event]:
        """`count` events from the `start`-th on: `between` invoices, from then on an invoice and a payment in turn."""
        for n in range(start, start + count):
            turn, pays = divmod(n - self.between, 2)
            number = n if turn < 0 else turn if pays else self.between + turn
            data = self._payment(number) if turn >= 0 and pays else self._invoice(number)
            yield self.event(f"{n:09d}", self.subject(number * SCATTER % self.customers), data, n)

    def before(self) -> Iterable[Event]:
        """What is said in other topics before the stream begins."""
        return ()

    @property
    def prelude(self) -> int:
        """How many events come before those that are measured, beside what warms up."""
        return 0

    def event(self, name: str, subject: str, data: Payload, n: int) -> Event:
        """An event of the stream, so many ms after it has begun."""
        at = datetime.combine(self.today, datetime.min.time(), UTC) - timedelta(days=1)
        return Event(
            id=f"{self.name}-{name}",
            source=SOURCE,
            type=data.TYPE,
            subject=subject,
            time=at + timedelta(milliseconds=n),
            data=data,
        )

    def subject(self, customer: int) -> str:
        """The customer's account."""
        return f"C-{self.name}-{customer:07d}"

    def _invoice(self, number: int) -> trade.InvoiceIssued:
        overdue = number % OVERDUE_EVERY == 0
        line = trade.Line(product_id="PRODUCT-0001", quantity=Decimal(5), amount=Amount.from_wire("617.25"))
        return trade.InvoiceIssued(
            company="CN-01",
            invoice_id=f"INV-{number:07d}",
            issued_on=self.today - timedelta(days=40),
            due_on=self.today + timedelta(days=-10 if overdue else 60),
            total=Money(SUM, "CNY"),
            order_id=f"ORD-{number:07d}",
            lines=[line, line],
        )

    def _payment(self, number: int) -> trade.PaymentReceived:
        return trade.PaymentReceived(
            company="CN-01",
            document_id=f"PAY-{number:07d}",
            dated_on=self.today - timedelta(days=1),
            total=Money(SUM, "CNY"),
            applied_to=[trade.AppliedTo(invoice_id=f"INV-{number:07d}", amount=Amount.from_wire(str(SUM)))],
        )


def record(event: Event) -> Record:
    """The event's record, brought to its size by a field that only its sender knows, as senders' events have them."""
    made = encode(event)
    return made._replace(value=sized(made.value))


def sized(value: bytes) -> bytes:
    """The JSON object with a memo at its end that makes it `VALUE_BYTES` long."""
    frame = b',"memo":""}'
    return value[:-1] + frame[:-2] + b"x" * (VALUE_BYTES - len(value) + 1 - len(frame)) + frame[-2:]

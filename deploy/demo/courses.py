"""The made part of the demo's money: what happens to an invoice between its issue and its end.

Each invoice draws its course from its own seeded numbers, so that a subset of customers has the very same books, and a
second run too. Shares are chosen to show every kind of document, not measured anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Final

from contracts.events.trade import (
    AppliedTo,
    CreditNoteIssued,
    DebtWrittenOff,
    InvoiceCancelled,
    InvoiceCorrected,
    InvoiceDisputed,
    InvoiceIssued,
    PaymentApplied,
    PaymentReceived,
    PaymentReversed,
)
from contracts.money import Amount, Money
from contracts.payload import Payload
from deploy.demo.data import CURRENCY, Purchase

NET_DAYS: Final = 30
CENT: Final = Decimal("0.01")

# Within a day: issue, then changes to it, then money in, then what is done with that money.
ISSUE, CHANGE, RECEIVE, SETTLE = range(1, 5)


@dataclass(frozen=True, slots=True)
class Step:
    """A fact of a course: on which day, in which part of that day, and what the books say. `id` is the event's."""

    day: date
    part: int
    id: str
    data: Payload


@dataclass(slots=True)
class Invoice:
    """An invoice in the making, and the numbers it draws."""

    id: str
    number: str
    issued_on: date
    due_on: date
    total: Decimal
    draw: Random

    def day(self, low: int, high: int) -> date:
        """A day `low` to `high` days from the due date; not before the day after the issue."""
        drawn = self.due_on + timedelta(days=self.draw.randint(low, high))
        return max(drawn, self.issued_on + timedelta(days=1))

    def on_time(self) -> date:
        """On the due date, or a few days before."""
        return self.day(-6, 0)

    def late(self) -> date:
        """1 to 100 days late, mostly less than a month."""
        days = min(100, 1 + int(self.draw.expovariate(1 / 18)))
        return self.day(days, days)

    def share(self, low: int, high: int) -> Decimal | None:
        """`low` to `high` per cent of the total, or None where that leaves a part without a cent."""
        part = (self.total * self.draw.randint(low, high) / 100).quantize(CENT)
        return part if 0 < part < self.total else None


Course = Callable[[Invoice], list[Step]]


def invoice_for(seed: int, purchase: Purchase) -> Invoice:
    """The invoice of a purchase, at 30 days net."""
    number = f"{purchase.customer}-{purchase.nth:03}"
    return Invoice(
        id=f"INV-{number}",
        number=number,
        issued_on=purchase.bought_on,
        due_on=purchase.bought_on + timedelta(days=NET_DAYS),
        total=purchase.amount,
        draw=Random(f"{seed}/course/{number}"),
    )


def course_of(invoices: Sequence[Invoice]) -> list[Step]:
    """What happens to the invoices of one customer and one day, the issues first.

    What changes, uses or undoes an earlier step never comes before it, in the list and in time.
    """
    first = invoices[0]
    steps = [_issued(invoice) for invoice in invoices]
    if len(invoices) > 1 and first.draw.random() < JOINT:
        day = first.late() if first.draw.random() < JOINT_LATE else first.on_time()
        return [*steps, _joint_payment(invoices, day)]
    for invoice in invoices:
        course = invoice.draw.choices(_COURSES, _WEIGHTS)[0]
        steps += course(invoice)
    return steps


def _issued(invoice: Invoice) -> Step:
    data = InvoiceIssued(
        invoice_id=invoice.id,
        issued_on=invoice.issued_on,
        due_on=invoice.due_on,
        total=Money(invoice.total, CURRENCY),
    )
    return Step(invoice.issued_on, ISSUE, f"{invoice.id}/issued", data)


def punctual(invoice: Invoice) -> list[Step]:
    return [_payment(invoice, invoice.on_time(), invoice.total)]


def late(invoice: Invoice) -> list[Step]:
    return [_payment(invoice, invoice.late(), invoice.total)]


def instalments(invoice: Invoice) -> list[Step]:
    """A first part on time, the rest from two days before the due date to two months after it."""
    first = invoice.share(30, 70)
    if first is None:
        return punctual(invoice)
    begun = invoice.on_time()
    rest = max(begun, invoice.day(-2, 60))
    return [_payment(invoice, begun, first), _payment(invoice, rest, invoice.total - first, "b")]


def credited(invoice: Invoice) -> list[Step]:
    """A credit note for a part of it, the rest paid."""
    credit = invoice.share(5, 30)
    if credit is None:
        return punctual(invoice)
    paid_on = invoice.on_time() if invoice.draw.random() < 0.7 else invoice.late()
    return [_credit(invoice, invoice.day(-15, -3), credit), _payment(invoice, paid_on, invoice.total - credit)]


def returned(invoice: Invoice) -> list[Step]:
    """Everything was sent back: a credit note for the whole."""
    return [_credit(invoice, invoice.day(-20, 10), invoice.total)]


def written_off(invoice: Invoice) -> list[Step]:
    day = invoice.day(60, 120)
    data = DebtWrittenOff(
        document_id=f"WO-{invoice.number}",
        dated_on=day,
        total=Money(invoice.total, CURRENCY),
        applied_to=_whole(invoice),
    )
    return [Step(day, RECEIVE, f"{data.document_id}/written-off", data)]


def disputed(invoice: Invoice) -> list[Step]:
    """A dispute from shortly before or after the due date; some end in a credit note and a payment, some stay."""
    begun = invoice.day(-10, 15)
    steps = [_dispute(invoice, begun, True)]
    credit = invoice.share(10, 50)
    if invoice.draw.random() < 0.3 or credit is None:
        return steps
    settled = begun + timedelta(days=invoice.draw.randint(15, 60))
    paid = settled + timedelta(days=invoice.draw.randint(1, 20))
    return [
        *steps,
        _dispute(invoice, settled, False),
        _credit(invoice, settled, credit),
        _payment(invoice, paid, invoice.total - credit),
    ]


def corrected(invoice: Invoice) -> list[Step]:
    """Another total or another month to pay, said within a week; then paid."""
    day = invoice.issued_on + timedelta(days=invoice.draw.randint(1, 7))
    if invoice.draw.random() < 0.4:
        invoice.due_on += timedelta(days=NET_DAYS)
    else:
        change = invoice.share(5, 25) or CENT
        invoice.total += change if invoice.draw.random() < 0.3 or change == invoice.total else -change
    data = InvoiceCorrected(
        invoice_id=invoice.id,
        issued_on=invoice.issued_on,
        due_on=invoice.due_on,
        total=Money(invoice.total, CURRENCY),
    )
    paid_on = invoice.on_time() if invoice.draw.random() < 0.8 else invoice.late()
    return [Step(day, CHANGE, f"{invoice.id}/corrected", data), _payment(invoice, paid_on, invoice.total)]


def cancelled(invoice: Invoice) -> list[Step]:
    day = invoice.issued_on + timedelta(days=invoice.draw.randint(1, 20))
    data = InvoiceCancelled(invoice_id=invoice.id, cancelled_on=day)
    return [Step(day, CHANGE, f"{invoice.id}/cancelled", data)]


def never_paid(invoice: Invoice) -> list[Step]:
    return []


def on_account(invoice: Invoice) -> list[Step]:
    """Money that names no invoice, sometimes more than was owed; applied one to twelve days later."""
    paid_on = invoice.on_time()
    more = (invoice.total * Decimal("0.1")).quantize(CENT) if invoice.draw.random() < 0.2 else Decimal(0)
    document = f"PAY-{invoice.number}a"
    received = PaymentReceived(
        document_id=document, dated_on=paid_on, total=Money(invoice.total + more, CURRENCY), applied_to=None
    )
    day = paid_on + timedelta(days=invoice.draw.randint(1, 12))
    applied = PaymentApplied(document_id=document, applied_to=_whole(invoice), applied_on=day)
    return [
        Step(paid_on, RECEIVE, f"{document}/received", received),
        Step(day, SETTLE, f"{document}/applied", applied),
    ]


def bounced(invoice: Invoice) -> list[Step]:
    """A cheque that the bank gives back; most pay again."""
    first = _payment(invoice, invoice.on_time(), invoice.total)
    document = f"PAY-{invoice.number}a"
    back = first.day + timedelta(days=invoice.draw.randint(3, 12))
    reversed_ = PaymentReversed(document_id=document, dated_on=back, reason="cheque returned unpaid")
    steps = [first, Step(back, SETTLE, f"{document}/reversed", reversed_)]
    if invoice.draw.random() < 0.75:
        again = back + timedelta(days=invoice.draw.randint(5, 40))
        steps.append(_payment(invoice, again, invoice.total, "b"))
    return steps


def _joint_payment(invoices: Sequence[Invoice], day: date) -> Step:
    document = f"PAY-{invoices[0].number}j"
    data = PaymentReceived(
        document_id=document,
        dated_on=day,
        total=Money(sum((invoice.total for invoice in invoices), Decimal(0)), CURRENCY),
        applied_to=[part for invoice in invoices for part in _whole(invoice)],
    )
    return Step(day, RECEIVE, f"{document}/received", data)


def _payment(invoice: Invoice, day: date, amount: Decimal, suffix: str = "a") -> Step:
    data = PaymentReceived(
        document_id=f"PAY-{invoice.number}{suffix}",
        dated_on=day,
        total=Money(amount, CURRENCY),
        applied_to=[AppliedTo(invoice_id=invoice.id, amount=Amount(amount))],
    )
    return Step(day, RECEIVE, f"{data.document_id}/received", data)


def _credit(invoice: Invoice, day: date, amount: Decimal) -> Step:
    data = CreditNoteIssued(
        document_id=f"CN-{invoice.number}",
        dated_on=day,
        total=Money(amount, CURRENCY),
        applied_to=[AppliedTo(invoice_id=invoice.id, amount=Amount(amount))],
    )
    return Step(day, RECEIVE, f"{data.document_id}/issued", data)


def _dispute(invoice: Invoice, day: date, begins: bool) -> Step:
    data = InvoiceDisputed(invoice_id=invoice.id, disputed=begins, stated_on=day)
    return Step(day, CHANGE, f"{invoice.id}/{'disputed' if begins else 'settled'}", data)


def _whole(invoice: Invoice) -> list[AppliedTo]:
    return [AppliedTo(invoice_id=invoice.id, amount=Amount(invoice.total))]


# Of invoices bought by one customer on one day, how many sets are paid together, and how many of those late.
JOINT: Final = 0.6
JOINT_LATE: Final = 0.17

# In thousandths of the invoices.
SHARES: Final[dict[Course, int]] = {
    punctual: 700,
    late: 140,
    instalments: 45,
    credited: 20,
    returned: 5,
    written_off: 8,
    disputed: 15,
    corrected: 20,
    cancelled: 6,
    never_paid: 10,
    on_account: 20,
    bounced: 11,
}
_COURSES: Final = tuple(SHARES)
_WEIGHTS: Final = tuple(SHARES.values())

"""What may become of an invoice: each story writes one course of events with a customer's hand."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from contracts.events import trade
from tests.faults.hand import Hand

CENT: Final = Decimal("0.01")
TERMS: Final = (2, 3, 4, 5, 7, 10)


def begin(hand: Hand) -> tuple[int, int, Decimal]:
    """Day of issue, due day and total of a new invoice."""
    day = hand.draw.randrange(hand.size.days - 1)
    return day, day + hand.draw.choice(TERMS), hand.amount()


def some(hand: Hand, total: Decimal) -> Decimal:
    """A part of a sum, at least a cent and less than all of it."""
    return (total * Decimal(hand.draw.randrange(20, 80)) / 100).quantize(CENT)


def paid(hand: Hand) -> None:
    """Paid within its time."""
    day, due, total = begin(hand)
    invoice = hand.invoice(day, due, total)
    hand.settle(hand.draw.randint(day, due), total, {invoice: total})


def paid_in_parts(hand: Hand) -> None:
    """Two payments, the second perhaps after the due day."""
    day, due, total = begin(hand)
    invoice, first = hand.invoice(day, due, total), some(hand, total)
    hand.settle(hand.draw.randint(day, due), first, {invoice: first})
    hand.settle(due + hand.draw.choice((-1, 0, 0, 0, 2)), total - first, {invoice: total - first})


def paid_after(hand: Hand) -> None:
    """Overdue for some days, then paid: an alert that resolves by itself."""
    day, due, total = begin(hand)
    invoice = hand.invoice(day, due, total)
    hand.settle(due + hand.draw.randint(1, 5), total, {invoice: total})


def unpaid(hand: Hand) -> None:
    """Never paid: an alert that stands."""
    hand.invoice(*begin(hand))


def credited(hand: Hand) -> None:
    """Taken back by a credit note."""
    day, due, total = begin(hand)
    invoice = hand.invoice(day, due, total)
    hand.settle(hand.draw.randint(day, due), total, {invoice: total}, kind=trade.CreditNoteIssued)


def written_off(hand: Hand) -> None:
    """Overdue, partly paid, the rest given up."""
    day, due, total = begin(hand)
    invoice, first = hand.invoice(day, due, total), some(hand, total)
    hand.settle(due + 1, first, {invoice: first})
    hand.settle(due + 3, total - first, {invoice: total - first}, kind=trade.DebtWrittenOff)


def cancelled(hand: Hand) -> None:
    """Written by mistake."""
    day, due, total = begin(hand)
    hand.cancelled(hand.draw.randint(day, due + 1), hand.invoice(day, due, total))


def disputed(hand: Hand) -> None:
    """Disputed before it is due; the dispute may end, and what is open is overdue from then on."""
    day, due, total = begin(hand)
    invoice = hand.invoice(day, due, total)
    hand.disputed(hand.draw.randint(day, due), invoice, disputed=True)
    if hand.draw.random() < 0.5:
        hand.disputed(due + 2, invoice, disputed=False)
        hand.settle(due + hand.draw.randint(2, 4), total, {invoice: total})


def corrected(hand: Hand) -> None:
    """Corrected in its sum or its due day, and paid as corrected."""
    day, due, total = begin(hand)
    invoice = hand.invoice(day, due, total)
    better, later = some(hand, total), due + hand.draw.choice((0, 0, 2, 4))
    hand.corrected(hand.draw.randint(day, due + 1), invoice, day, later, better)
    if hand.draw.random() < 0.8:
        hand.settle(hand.draw.randint(due, later), better, {invoice: better})


def on_account(hand: Hand) -> None:
    """Money comes without a word and is used later, for two invoices."""
    day, due, total = begin(hand)
    first, second = hand.invoice(day, due, total), hand.invoice(day, due + 1, total)
    document = hand.settle(hand.draw.randint(day, due), total * 2 + CENT, None)
    hand.applied(hand.draw.randint(day, due), document, {first: total}, dated=hand.draw.random() < 0.5)
    hand.applied(due, document, {second: total})


def bounced(hand: Hand) -> None:
    """Paid in time, taken back after the due day, and paid again by most."""
    day, due, total = begin(hand)
    invoice = hand.invoice(day, due, total)
    document = hand.settle(hand.draw.randint(day, due), total, {invoice: total})
    hand.reversed(due + 2, document, None if hand.draw.random() < 0.7 else some(hand, total))
    if hand.draw.random() < 0.6:
        hand.settle(due + 4, total, {invoice: total})


def before_invoice(hand: Hand) -> None:
    """The payment is told before its invoice."""
    day, due, total = begin(hand)
    invoice = hand.invoice(day, due, total, late=hand.draw.randint(1, 2))
    hand.settle(day, total, {invoice: total})


def told_late(hand: Hand) -> None:
    """Paid in time, but told after the due day: a lawful alert that is withdrawn."""
    day, due, total = begin(hand)
    invoice = hand.invoice(day, due, total)
    hand.settle(due, total, {invoice: total}, late=hand.draw.randint(1, 4))


def foreign(hand: Hand) -> None:
    """An invoice in euro, paid in yuan at a rate that leaves nothing open."""
    day, due, total = begin(hand)
    invoice = hand.invoice(day, due, total, "EUR")
    yuan = (total * 8).quantize(CENT)
    hand.settle(hand.draw.randint(day, due), yuan, {invoice: yuan}, rate=Decimal("0.125"))


STORIES: Final[tuple[tuple[Callable[[Hand], None], int], ...]] = (
    (paid, 46),
    (paid_in_parts, 12),
    (paid_after, 4),
    (unpaid, 3),
    (credited, 5),
    (written_off, 2),
    (cancelled, 4),
    (disputed, 4),
    (corrected, 5),
    (on_account, 6),
    (bounced, 3),
    (before_invoice, 4),
    (told_late, 2),
    (foreign, 3),
)

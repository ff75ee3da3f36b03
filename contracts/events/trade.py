"""Intake topic rapport.trade, the money side: invoices, what settles them, and what the books say of both.

A document is known by (subject, company, its id) for ever. The sales side is in contracts.events.sales.
"""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from contracts.money import Amount, Money
from contracts.payload import (
    DoneOn,
    DueOn,
    Id,
    Moment,
    Number,
    Part,
    Payload,
    Text,
    Withdrawal,
    above_zero,
    is_positive,
    not_negative,
    positive,
)
from contracts.refusal import Refused


class TradeFact(Payload, frozen=True, kw_only=True):
    """Every trade fact may name the legal entity whose books it is from."""

    company: Id | None = None


class Line(Part, frozen=True, kw_only=True):
    """A line of a purchase, order, return or invoice; `amount` in the document's currency."""

    product_id: Id
    quantity: Number
    amount: Amount | None = None
    serial: Id | None = None


class AppliedTo(Part, frozen=True, kw_only=True):
    """A part of a settlement used for an invoice.

    `amount` is in the settlement's currency; `rate` is how many units of the invoice's currency one of those buys,
    needed when the two differ.
    """

    invoice_id: Id
    amount: Amount
    rate: Number | None = None


class InvoiceIssued(TradeFact, frozen=True, kw_only=True):
    """An invoice to the customer, open from `issued_on`, unpaid after `due_on`."""

    TYPE: ClassVar[str] = "rapport.invoice.issued.v1"
    invoice_id: Id
    issued_on: DoneOn
    due_on: DueOn
    total: Money
    order_id: Id | None = None
    lines: list[Line] | None = None

    def check(self) -> None:
        not_negative(self.total, "$.total")
        check_lines(self.lines, self.total.currency)


class InvoiceCorrected(InvoiceIssued, frozen=True, kw_only=True):
    """The invoice as it should have been; replaces what was said of it before."""

    TYPE: ClassVar[str] = "rapport.invoice.corrected.v1"


class InvoiceCancelled(TradeFact, frozen=True, kw_only=True):
    """The invoice no longer counts."""

    TYPE: ClassVar[str] = "rapport.invoice.cancelled.v1"
    invoice_id: Id
    cancelled_on: DoneOn | None = None


class InvoiceDisputed(TradeFact, frozen=True, kw_only=True):
    """The customer disputes the invoice (true), or no longer does (false)."""

    TYPE: ClassVar[str] = "rapport.invoice.disputed.v1"
    invoice_id: Id
    disputed: bool
    stated_on: DoneOn | None = None
    reason: Text | None = None


class Settlement(TradeFact, frozen=True, kw_only=True):
    """A document that settles invoices; what it does not apply stays on account until `payment.applied`."""

    document_id: Id
    dated_on: DoneOn
    total: Money
    applied_to: list[AppliedTo] | None = None

    def check(self) -> None:
        above_zero(self.total, "$.total")
        used = check_applied(self.applied_to or (), self.total.currency)
        if used > self.total.amount:
            raise Refused(
                "over_applied",
                f"{used} {self.total.currency} is applied, but the document is of {self.total.amount}; "
                "expected the parts to come to the total at most",
                "$.applied_to",
            )


class PaymentReceived(Settlement, frozen=True, kw_only=True):
    """Money came in."""

    TYPE: ClassVar[str] = "rapport.payment.received.v1"


class CreditNoteIssued(Settlement, frozen=True, kw_only=True):
    """The company owes the customer, or takes back part of an invoice."""

    TYPE: ClassVar[str] = "rapport.credit_note.issued.v1"


class DebtWrittenOff(Settlement, frozen=True, kw_only=True):
    """The company gives up what is owed."""

    TYPE: ClassVar[str] = "rapport.debt.written_off.v1"


class PaymentApplied(TradeFact, frozen=True, kw_only=True):
    """What lay on account of a settlement is used for invoices."""

    TYPE: ClassVar[str] = "rapport.payment.applied.v1"
    document_id: Id
    applied_to: list[AppliedTo]
    applied_on: DoneOn | None = None

    def check(self) -> None:
        if not self.applied_to:
            raise Refused("bad_field", "nothing is applied; expected at least one invoice", "$.applied_to")
        check_applied(self.applied_to, None)


class PaymentReversed(TradeFact, frozen=True, kw_only=True):
    """A settlement is taken back (a cheque bounced), wholly or, with `amount` in its currency, in part."""

    TYPE: ClassVar[str] = "rapport.payment.reversed.v1"
    document_id: Id
    dated_on: DoneOn
    amount: Amount | None = None
    reason: Text | None = None

    def check(self) -> None:
        if self.amount is not None and self.amount.value <= 0:
            raise Refused(
                "bad_money", f"{self.amount.value} is not above zero; expected what is taken back", "$.amount"
            )


class PaymentPromised(TradeFact, frozen=True, kw_only=True):
    """The customer promised to pay by a day."""

    TYPE: ClassVar[str] = "rapport.payment.promised.v1"
    amount: Money
    by: DueOn
    invoice_ids: list[Id] | None = None

    def check(self) -> None:
        above_zero(self.amount, "$.amount")


class BalanceStated(TradeFact, frozen=True, kw_only=True):
    """What the books say is open at the end of a day, a sum for each currency; for reconciliation."""

    TYPE: ClassVar[str] = "rapport.balance.stated.v1"
    as_of: DoneOn
    open: list[Money]

    def check(self) -> None:
        currencies = [money.currency for money in self.open]
        if len(currencies) != len(set(currencies)):
            raise Refused("bad_money", "a currency is stated twice; expected one sum for each currency", "$.open")


class SourceCompleted(TradeFact, frozen=True, kw_only=True):
    """The named system has delivered everything up to that moment."""

    TYPE: ClassVar[str] = "rapport.source.completed.v1"
    source: Id
    up_to: Moment


class TradeWithdrawn(Withdrawal, frozen=True, kw_only=True):
    """Facts of this topic were sent by mistake: a file of another company, or of another year."""

    TYPE: ClassVar[str] = "rapport.trade.withdrawn.v1"
    reason: Text | None = None


def check_lines(lines: list[Line] | None, currency: str) -> None:
    """Quantities above zero and amounts of the document's currency. Raises Refused."""
    for at, line in enumerate(lines or ()):
        if not is_positive(line.quantity):
            positive(line.quantity, f"$.lines[{at}].quantity")
        if line.amount is not None:
            try:
                line.amount.check(currency)
            except Refused as refused:
                raise refused.at(f"$.lines[{at}].amount") from None


def check_applied(parts: list[AppliedTo] | tuple[AppliedTo, ...], currency: str | None) -> Decimal:
    """The sum of the parts, in the document's currency if that is known. Raises Refused."""
    used = Decimal(0)
    for at, part in enumerate(parts):
        if part.amount.value <= 0:
            raise Refused(
                "bad_money",
                f"{part.amount.value} is applied; expected more than zero, payment.reversed takes back",
                f"$.applied_to[{at}].amount",
            )
        if currency is not None:
            try:
                part.amount.check(currency)
            except Refused as refused:
                raise refused.at(f"$.applied_to[{at}].amount") from None
        if part.rate is not None and not is_positive(part.rate):
            positive(part.rate, f"$.applied_to[{at}].rate")
        used += part.amount.value
    return used

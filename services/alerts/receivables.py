"""What a customer owes on a day, by the very functions of `rapport age`, and the money that found no invoice. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from pydantic import BaseModel

from services.alerts.model.ageing import AgeingRow, age
from services.alerts.model.open_item import BUCKETS, OpenItem, excess_on, unusable
from services.alerts.model.settlement import Settlement, credit_on, misfits, on_account, over_applied
from services.alerts.money_view import MoneyView
from services.alerts.views import EntryView, OpenItemView
from services.alerts.why import entry_view
from services.alerts.why_over_limit import open_items


class AgeingView(BaseModel):
    """What is owed in one currency. The buckets add up to `open_total`; `net` is that less the unapplied credit."""

    currency: str
    buckets: dict[str, MoneyView]
    open_total: MoneyView
    overdue: MoneyView
    unapplied_credit: MoneyView
    net: MoneyView


class CreditView(BaseModel):
    """A payment or credit note of which `left` lies on account; below zero where more was applied than there was."""

    document: str
    company: str | None = None
    kind: str
    dated_on: date
    total: MoneyView
    left: MoneyView
    over_applied: bool


class WaitingInvoice(BaseModel):
    """An invoice that is not known yet, on which something was settled: the money is unapplied credit until then."""

    invoice: str
    company: str | None = None
    entries: list[EntryView]


class WaitingDocument(BaseModel):
    """A document that was applied or reversed and is not known yet: nothing of it counts until it comes."""

    document: str
    company: str | None = None
    invoices: list[str]


class UnusableView(BaseModel):
    """Money that reduces nothing although its invoice is known.

    `why`: `no_rate` (the invoice is in another currency) or `other_currency` (than its own document's).
    """

    document: str
    company: str | None = None
    invoice: str
    amount: MoneyView
    why: str


class OverpaidView(BaseModel):
    """An invoice on which more was settled than it is for; the excess is the customer's again."""

    invoice: str
    company: str | None = None
    excess: MoneyView


class ReceivablesView(BaseModel):
    """A customer's receivables at the end of `as_of`, as they are known now."""

    customer: str
    customer_name: str | None = None
    as_of: date
    ageing: list[AgeingView]
    open_items: list[OpenItemView]
    unapplied: list[CreditView]
    overpaid: list[OverpaidView]
    waiting_invoices: list[WaitingInvoice]
    waiting_documents: list[WaitingDocument]
    unusable: list[UnusableView]


def receivables(
    customer: str, name: str, items: Sequence[OpenItem], settlements: Sequence[Settlement], as_of: date
) -> ReceivablesView:
    """A customer's receivables from all his invoices and settlements."""
    aged = age(items, settlements, as_of)
    return ReceivablesView(
        customer=customer,
        customer_name=name or None,
        as_of=as_of,
        ageing=[_ageing(row) for row in aged.ageing],
        open_items=sorted(open_items(items, as_of), key=lambda one: (one.total.currency, one.due_on, one.invoice)),
        unapplied=list(_unapplied(settlements, as_of)),
        overpaid=list(_overpaid(items, as_of)),
        waiting_invoices=list(_waiting(items, as_of)),
        waiting_documents=[_waiting_document(one) for one in settlements if one.waiting],
        unusable=[*_without_rate(items, as_of), *_misfits(settlements)],
    )


def _ageing(row: AgeingRow) -> AgeingView:
    buckets = zip(BUCKETS, row.buckets, strict=True)
    return AgeingView(
        currency=row.currency,
        buckets={name: MoneyView.of(amount, row.currency) for name, amount in buckets},
        open_total=MoneyView.of(row.open_total, row.currency),
        overdue=MoneyView.of(row.overdue, row.currency),
        unapplied_credit=MoneyView.of(row.unapplied_credit, row.currency),
        net=MoneyView.of(row.net, row.currency),
    )


def _unapplied(settlements: Iterable[Settlement], as_of: date) -> Iterator[CreditView]:
    for settlement in settlements:
        receipt, beyond = settlement.receipt, over_applied(settlement)
        left = on_account(settlement, as_of) if beyond else credit_on(settlement, as_of)
        if receipt is not None and receipt.dated_on <= as_of and (left or beyond):
            yield CreditView(
                document=settlement.document_id,
                company=settlement.company or None,
                kind=receipt.kind,
                dated_on=receipt.dated_on,
                total=MoneyView.of(receipt.total, receipt.currency),
                left=MoneyView.of(left, receipt.currency),
                over_applied=beyond,
            )


def _overpaid(items: Iterable[OpenItem], as_of: date) -> Iterator[OverpaidView]:
    for item in items:
        facts, excess = item.invoice, excess_on(item, as_of)
        if facts is not None and excess:
            left = MoneyView.of(excess, facts.currency)
            yield OverpaidView(invoice=item.invoice_id, company=item.company or None, excess=left)


def _waiting(items: Iterable[OpenItem], as_of: date) -> Iterator[WaitingInvoice]:
    for item in items:
        entries = [entry_view(entry, usable=False) for entry in item.entries if entry.on <= as_of]
        if item.waiting and entries:
            yield WaitingInvoice(invoice=item.invoice_id, company=item.company or None, entries=entries)


def _waiting_document(settlement: Settlement) -> WaitingDocument:
    invoices = {part.invoice_id for one in settlement.applications for part in one.parts}
    return WaitingDocument(
        document=settlement.document_id, company=settlement.company or None, invoices=sorted(invoices)
    )


def _without_rate(items: Iterable[OpenItem], as_of: date) -> Iterator[UnusableView]:
    for item in items:
        for entry in unusable(item):
            if entry.on <= as_of:
                yield UnusableView(
                    document=entry.document_id,
                    company=item.company or None,
                    invoice=item.invoice_id,
                    amount=MoneyView.of(entry.amount, entry.currency),
                    why="no_rate",
                )


def _misfits(settlements: Iterable[Settlement]) -> Iterator[UnusableView]:
    for settlement in settlements:
        for part in misfits(settlement):
            if part.currency is not None:
                yield UnusableView(
                    document=settlement.document_id,
                    company=settlement.company or None,
                    invoice=part.invoice_id,
                    amount=MoneyView.of(part.amount, part.currency),
                    why="other_currency",
                )

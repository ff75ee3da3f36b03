"""Events of the books in: invoices, and what settles them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import msgspec

from contracts.envelope import Event
from contracts.events import trade
from contracts.payload import Payload
from services.alerts.folds.admit import admitted
from services.alerts.folds.balances import restate
from services.alerts.model import open_item, settlement
from services.alerts.model.balance import net_of_item, net_of_settlement
from services.alerts.model.credit import owed_by_item, owed_by_settlement
from services.alerts.model.facts import FactKey
from services.alerts.model.open_item import InvoiceFacts, OpenItem, SettlementKind
from services.alerts.model.settlement import Application, Part, Receipt, Reversal, Settlement
from services.alerts.rules import Rules
from services.alerts.store import (
    ITEMS,
    SETTLEMENTS,
    Item,
    document_key,
    invoice_key,
)
from services.alerts.watch.credit import count, fact_of, judge
from services.alerts.watch.invoice import watch
from services.chassis.aggregate import Desk, Kind, cause_of
from services.chassis.service import Needs

Change = Callable[[OpenItem], OpenItem]
BOOKS = (
    trade.InvoiceIssued,
    trade.InvoiceCorrected,
    trade.InvoiceCancelled,
    trade.PaymentReceived,
    trade.CreditNoteIssued,
    trade.DebtWrittenOff,
    trade.PaymentApplied,
    trade.PaymentReversed,
)


def _invoice_named(event: Event) -> list[tuple[Kind, str]]:
    data = cast("trade.InvoiceCancelled", event.data)
    return [(ITEMS, invoice_key(data.company, data.invoice_id))]


def _documents_named(event: Event) -> list[tuple[Kind, str]]:
    data = cast("trade.PaymentApplied", event.data)
    items = [(ITEMS, invoice_key(data.company, one.invoice_id)) for one in data.applied_to or ()]
    return [(SETTLEMENTS, document_key(data.company, data.document_id)), *items]


NEEDS: dict[type[Payload], Needs] = {
    **dict.fromkeys((trade.InvoiceIssued, trade.InvoiceCorrected, trade.InvoiceCancelled), _invoice_named),
    **dict.fromkeys((trade.PaymentReceived, trade.CreditNoteIssued, trade.DebtWrittenOff), _documents_named),
    trade.InvoiceDisputed: _invoice_named,
    trade.PaymentApplied: _documents_named,
}


def _invoice(desk: Desk, rules: Rules, event: Event, company: str | None, invoice_id: str, change: Change) -> None:
    _enter(desk, rules, event, company, invoice_id, change)
    judge(desk, rules, fact_of(event))


def _enter(desk: Desk, rules: Rules, event: Event, company: str | None, invoice_id: str, change: Change) -> None:
    key = invoice_key(company, invoice_id)
    card = desk.get(ITEMS, key) or Item(
        item=OpenItem(subject=desk.subject, company=company or "", invoice_id=invoice_id)
    )
    item = admitted(change, card.item, "$.invoice_id")
    if item is not card.item:
        today = rules.day(desk.now)
        count(desk, rules, item.company, owed_by_item(card.item, today), owed_by_item(item, today))
        restate(desk, rules, item.company, net_of_item(card.item), net_of_item(item))
        watch(desk, rules, key, msgspec.structs.replace(card, item=item), cause_of(event))


def _facts(desk: Desk, event: Event, data: trade.InvoiceIssued) -> InvoiceFacts:
    return InvoiceFacts(
        key=FactKey.of(event),
        account=desk.came_with,
        issued_on=data.issued_on,
        due_on=data.due_on,
        total=data.total.amount,
        currency=data.total.currency,
    )


def invoice_issued(rules: Rules, desk: Desk, event: Event) -> None:
    """An invoice is there."""
    data = cast("trade.InvoiceIssued", event.data)
    facts = _facts(desk, event, data)
    _invoice(desk, rules, event, data.company, data.invoice_id, lambda item: open_item.with_issued(item, facts))


def invoice_corrected(rules: Rules, desk: Desk, event: Event) -> None:
    """An invoice as it should have been."""
    data = cast("trade.InvoiceCorrected", event.data)
    facts = _facts(desk, event, data)
    _invoice(desk, rules, event, data.company, data.invoice_id, lambda item: open_item.with_corrected(item, facts))


def invoice_cancelled(rules: Rules, desk: Desk, event: Event) -> None:
    """An invoice no longer counts."""
    data = cast("trade.InvoiceCancelled", event.data)
    key, on = FactKey.of(event), data.cancelled_on or rules.day(event.time)
    _invoice(desk, rules, event, data.company, data.invoice_id, lambda item: open_item.with_cancelled(item, key, on))


def invoice_disputed(rules: Rules, desk: Desk, event: Event) -> None:
    """A dispute begins or ends."""
    data = cast("trade.InvoiceDisputed", event.data)
    key, on = FactKey.of(event), data.stated_on or rules.day(event.time)
    change = partial(open_item.with_dispute, key=key, on=on, disputed=data.disputed)
    _invoice(desk, rules, event, data.company, data.invoice_id, change)


def _settle(
    desk: Desk,
    rules: Rules,
    event: Event,
    company: str | None,
    document_id: str,
    change: Callable[[Settlement], Settlement],
) -> None:
    key = document_key(company, document_id)
    before = desk.get(SETTLEMENTS, key)
    held = before or Settlement(subject=desk.subject, company=company or "", document_id=document_id)
    after = admitted(change, held, "$.document_id")
    if after is held:
        return
    old = settlement.entries_for(before) if before is not None else {}
    new = settlement.entries_for(after)
    for invoice_id in sorted(old.keys() | new.keys()):
        if old.get(invoice_id) != new.get(invoice_id):
            entries = new.get(invoice_id, ())
            enter = partial(open_item.with_entries, document_id=document_id, entries=entries)
            _enter(desk, rules, event, company, invoice_id, enter)
    desk.put(SETTLEMENTS, after, key)
    today = rules.day(desk.now)
    count(desk, rules, after.company, owed_by_settlement(before, today), owed_by_settlement(after, today))
    restate(desk, rules, after.company, net_of_settlement(before), net_of_settlement(after))
    judge(desk, rules, fact_of(event))  # once all of it is entered: in between money is nowhere


def _parts(applied: list[trade.AppliedTo] | None) -> tuple[Part, ...]:
    return tuple(
        Part(invoice_id=one.invoice_id, amount=one.amount.value, rate=one.rate, currency=one.amount.currency)
        for one in applied or ()
    )


def document(rules: Rules, desk: Desk, event: Event, *, kind: SettlementKind) -> None:
    """A payment, credit note or write-off."""
    data = cast("trade.Settlement", event.data)
    receipt = Receipt(
        key=FactKey.of(event),
        kind=kind,
        dated_on=data.dated_on,
        total=data.total.amount,
        currency=data.total.currency,
        applied_to=_parts(data.applied_to),
    )
    _settle(desk, rules, event, data.company, data.document_id, lambda held: settlement.with_receipt(held, receipt))


def payment_applied(rules: Rules, desk: Desk, event: Event) -> None:
    """What lay on account is used."""
    data = cast("trade.PaymentApplied", event.data)
    applied = Application(
        key=FactKey.of(event), on=data.applied_on or rules.day(event.time), parts=_parts(data.applied_to)
    )
    _settle(desk, rules, event, data.company, data.document_id, lambda held: settlement.with_application(held, applied))


def payment_reversed(rules: Rules, desk: Desk, event: Event) -> None:
    """A settlement is taken back, wholly or in part."""
    data = cast("trade.PaymentReversed", event.data)
    amount = data.amount.value if data.amount is not None else None
    back = Reversal(key=FactKey.of(event), dated_on=data.dated_on, amount=amount)
    _settle(desk, rules, event, data.company, data.document_id, lambda held: settlement.with_reversal(held, back))


def item_due(rules: Rules, desk: Desk, key: str, card: Item) -> None:
    """The day has come on which waiting alone changes something about this invoice."""
    watch(desk, rules, key, card, "", by_clock=True)

"""Events in: each is turned into a fact of the model and laid where it belongs; watch.py sees to what follows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import msgspec

from contracts.envelope import Event
from contracts.events import lifecycle, profiles, staff, trade
from contracts.payload import Payload
from contracts.refusal import Refused
from services.alerts import decided
from services.alerts.model import open_item, settlement
from services.alerts.model.account import Account, Grace, with_grace, with_owner, with_snapshot
from services.alerts.model.account import Owned as OwnerFact
from services.alerts.model.facts import Conflict, FactKey
from services.alerts.model.open_item import InvoiceFacts, OpenItem, SettlementKind
from services.alerts.model.settlement import Application, Part, Receipt, Reversal, Settlement
from services.alerts.model.staff import Colleague, Way, latest, leaves
from services.alerts.privacy import export
from services.alerts.refolding import compare
from services.alerts.rules import Rules
from services.alerts.store import (
    ACCOUNTS,
    ALERTS,
    ITEMS,
    NOTES,
    NOTIFICATIONS,
    SETTLEMENTS,
    STAFF,
    Item,
    document_key,
    invoice_key,
)
from services.alerts.watch import hand_over, keep, watch
from services.chassis.aggregate import Desk, Kind, cause_of
from services.chassis.service import Needs, Service

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


def alerts_service(rules: Rules) -> Service:
    """The alerts service under the given rules."""
    service = Service("alerts", feeds=("rapport.trade",), books=tuple(payload.TYPE for payload in BOOKS))
    service.stores(ACCOUNTS, STAFF, ITEMS, SETTLEMENTS, ALERTS, NOTIFICATIONS, NOTES)
    folds: dict[type[Payload], Callable[[Rules, Desk, Event], None]] = {
        trade.InvoiceIssued: invoice_issued,
        trade.InvoiceCorrected: invoice_corrected,
        trade.InvoiceCancelled: invoice_cancelled,
        trade.InvoiceDisputed: invoice_disputed,
        trade.PaymentReceived: partial(document, kind="payment"),
        trade.CreditNoteIssued: partial(document, kind="credit_note"),
        trade.DebtWrittenOff: partial(document, kind="write_off"),
        trade.PaymentApplied: payment_applied,
        trade.PaymentReversed: payment_reversed,
        lifecycle.OwnerChanged: owner_changed,
        lifecycle.LimitChanged: limit_changed,
        lifecycle.ProfileErased: profile_erased,
    }
    for payload, fold in folds.items():
        service.on(payload, ACCOUNTS, needs=NEEDS.get(payload))(partial(fold, rules))
    service.on(profiles.ProfileChanged, ACCOUNTS, keep=False)(partial(profile_changed, rules))
    service.on(staff.StaffRegistered, STAFF)(staff_told)
    service.on(staff.StaffChanged, STAFF)(staff_told)
    service.on(staff.StaffLeft, STAFF)(staff_left)
    decided.register(service)
    service.due(ITEMS)(partial(item_due, rules))
    service.due(ACCOUNTS)(partial(account_due, rules))
    service.after_refold(ACCOUNTS)(partial(compare, rules))
    service.eraser = partial(profile_erased, rules)
    service.exporter = export
    return service


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


def key_of(event: Event) -> FactKey:
    """How the model names and orders this event."""
    return FactKey(time=event.time, source=event.source, id=event.id)


def _invoice(desk: Desk, rules: Rules, event: Event, company: str | None, invoice_id: str, change: Change) -> None:
    key = invoice_key(company, invoice_id)
    card = desk.get(ITEMS, key) or Item(
        item=OpenItem(subject=desk.subject, company=company or "", invoice_id=invoice_id)
    )
    try:
        item = change(card.item)
    except Conflict as conflict:
        raise Refused("conflict", str(conflict), "$.invoice_id") from conflict
    if item is not card.item:
        watch(desk, rules, key, msgspec.structs.replace(card, item=item), cause_of(event))


def _facts(event: Event, data: trade.InvoiceIssued) -> InvoiceFacts:
    return InvoiceFacts(
        key=key_of(event),
        issued_on=data.issued_on,
        due_on=data.due_on,
        total=data.total.amount,
        currency=data.total.currency,
    )


def invoice_issued(rules: Rules, desk: Desk, event: Event) -> None:
    """An invoice is there."""
    data = cast("trade.InvoiceIssued", event.data)
    facts = _facts(event, data)
    _invoice(desk, rules, event, data.company, data.invoice_id, lambda item: open_item.with_issued(item, facts))


def invoice_corrected(rules: Rules, desk: Desk, event: Event) -> None:
    """An invoice as it should have been."""
    data = cast("trade.InvoiceCorrected", event.data)
    facts = _facts(event, data)
    _invoice(desk, rules, event, data.company, data.invoice_id, lambda item: open_item.with_corrected(item, facts))


def invoice_cancelled(rules: Rules, desk: Desk, event: Event) -> None:
    """An invoice no longer counts."""
    data = cast("trade.InvoiceCancelled", event.data)
    key, on = key_of(event), data.cancelled_on or rules.day(event.time)
    _invoice(desk, rules, event, data.company, data.invoice_id, lambda item: open_item.with_cancelled(item, key, on))


def invoice_disputed(rules: Rules, desk: Desk, event: Event) -> None:
    """A dispute begins or ends."""
    data = cast("trade.InvoiceDisputed", event.data)
    key, on = key_of(event), data.stated_on or rules.day(event.time)
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
    try:
        after = change(held)
    except Conflict as conflict:
        raise Refused("conflict", str(conflict), "$.document_id") from conflict
    if after is held:
        return
    old = settlement.entries_for(before) if before is not None else {}
    new = settlement.entries_for(after)
    for invoice_id in sorted(old.keys() | new.keys()):
        if old.get(invoice_id) != new.get(invoice_id):
            entries = new.get(invoice_id, ())
            enter = partial(open_item.with_entries, document_id=document_id, entries=entries)
            _invoice(desk, rules, event, company, invoice_id, enter)
    desk.put(SETTLEMENTS, after, key)


def _parts(applied: list[trade.AppliedTo] | None) -> tuple[Part, ...]:
    return tuple(
        Part(invoice_id=one.invoice_id, amount=one.amount.value, rate=one.rate, currency=one.amount.currency)
        for one in applied or ()
    )


def document(rules: Rules, desk: Desk, event: Event, *, kind: SettlementKind) -> None:
    """A payment, credit note or write-off."""
    data = cast("trade.Settlement", event.data)
    receipt = Receipt(
        key=key_of(event),
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
    applied = Application(key=key_of(event), on=data.applied_on or rules.day(event.time), parts=_parts(data.applied_to))
    _settle(desk, rules, event, data.company, data.document_id, lambda held: settlement.with_application(held, applied))


def payment_reversed(rules: Rules, desk: Desk, event: Event) -> None:
    """A settlement is taken back, wholly or in part."""
    data = cast("trade.PaymentReversed", event.data)
    amount = data.amount.value if data.amount is not None else None
    back = Reversal(key=key_of(event), dated_on=data.dated_on, amount=amount)
    _settle(desk, rules, event, data.company, data.document_id, lambda held: settlement.with_reversal(held, back))


def item_due(rules: Rules, desk: Desk, key: str, card: Item) -> None:
    """The day has come on which waiting alone changes something about this invoice."""
    watch(desk, rules, key, card, "", by_clock=True)


def account_due(rules: Rules, desk: Desk, key: str, account: Account) -> None:
    """The day has come for which another owner or grace period was announced."""
    keep(desk, rules, account, by_clock=True)
    for item, card in desk.all(ITEMS).items() if account.graces else ():
        watch(desk, rules, item, card, "", by_clock=True)
    hand_over(desk, rules)


def owner_changed(rules: Rules, desk: Desk, event: Event) -> None:
    """Who answers for the customer, from a day on."""
    data = cast("lifecycle.OwnerChanged", event.data)
    fact = OwnerFact(valid_from=data.valid_from, key=key_of(event), owner_id=data.owner_id, deputy_id=data.deputy_id)
    keep(desk, rules, with_owner(desk.get(ACCOUNTS) or Account(), fact))
    hand_over(desk, rules)


def limit_changed(rules: Rules, desk: Desk, event: Event) -> None:
    """The customer's grace period travels with his limit; his invoices are judged by it from now on."""
    data = cast("lifecycle.LimitChanged", event.data)
    before = desk.get(ACCOUNTS) or Account()
    after = with_grace(before, Grace(valid_from=data.valid_from, key=key_of(event), days=data.grace_days))
    cards = desk.all(ITEMS) if data.grace_days is not None or before.graces else {}
    keep(desk, rules, after)
    for key, card in cards.items():
        watch(desk, rules, key, card, cause_of(event))


def profile_erased(rules: Rules, desk: Desk, event: Event) -> None:
    """The customer is forgotten; what law keeps stays in the ledger without him."""
    desk.erase_subject()


def profile_changed(rules: Rules, desk: Desk, event: Event) -> None:
    """The customer's name, for the mails about him."""
    data = cast("profiles.ProfileChanged", event.data)
    if data.kind not in ("person", "organisation"):
        return
    held = desk.get(ACCOUNTS) or Account()
    account = with_snapshot(held, data.name or "", data.revision)
    if account is not held:
        keep(desk, rules, account)


def staff_told(desk: Desk, event: Event) -> None:
    """How a colleague is reached."""
    data = cast("staff.StaffRegistered", event.data)
    told = Colleague(
        key=key_of(event),
        name=data.name,
        mail=data.mail or "",
        language=data.language or "zh-CN",
        zone=data.zone or "",
        deputy=data.deputy or "",
        supervisor=data.supervisor or "",
        token_subject=data.token_subject or "",
        ways=tuple(Way(kind=one.kind, address=one.address or "") for one in data.channels or ()),
    )
    desk.put(STAFF, latest(desk.get(STAFF), told, registers=event.type == staff.StaffRegistered.TYPE))


def staff_left(desk: Desk, event: Event) -> None:
    """A colleague goes; from that day on nothing is sent to him any more."""
    data = cast("staff.StaffLeft", event.data)
    desk.put(STAFF, leaves(desk.get(STAFF), key_of(event), data.left_on))

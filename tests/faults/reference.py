"""What the books must say in the end: a plain fold of the distinct accepted events, one after another, in one thread.

It uses the service's pure model and nothing of its machinery: no batches, no versions, no clock, no database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any, Final

import msgspec

from contracts.envelope import Event
from contracts.events import lifecycle, profiles, staff, trade
from contracts.payload import Payload
from services.alerts.model import open_item, settlement
from services.alerts.model.account import Account, Grace, Owned, with_grace, with_limit, with_owner, with_snapshot
from services.alerts.model.alert import alert_id
from services.alerts.model.credit import Granted, counted, settled
from services.alerts.model.episode import Episode
from services.alerts.model.facts import FactKey
from services.alerts.model.open_item import InvoiceFacts, OpenItem, SettlementKind
from services.alerts.model.rules import receivable_overdue
from services.alerts.model.settlement import Application, Part, Receipt, Reversal, Settlement
from services.alerts.model.staff import Colleague, Way, latest
from services.alerts.rules import Rules
from services.alerts.store import document_key, invoice_key
from tests.faults.probe import Tally

Key = tuple[str, str]  # subject, and the document's key within it
KINDS: Final[dict[type[Payload], SettlementKind]] = {
    trade.PaymentReceived: "payment",
    trade.CreditNoteIssued: "credit_note",
    trade.DebtWrittenOff: "write_off",
}


@dataclass
class Books:
    """Everything that is known, by subject."""

    rules: Rules
    items: dict[Key, OpenItem] = field(default_factory=dict)
    settlements: dict[Key, Settlement] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    staff: dict[str, Colleague] = field(default_factory=dict)
    tally: dict[str, Tally] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: Rules, events: Iterable[Event]) -> Books:
        """The books after these events."""
        books = cls(rules)
        for event in events:
            books.take(event)
        return books

    def take(self, event: Event) -> None:
        """One event. Raises services.alerts.model.facts.Conflict."""
        FOLDS[type(event.data)](self, event, event.data)
        tally = self.tally.get(event.subject, Tally())
        self.tally[event.subject] = tally.counting(f"{event.source}:{event.id}")

    def episodes(self, day: date) -> dict[str, Episode]:
        """Every episode of every invoice as known at the end of a day, by the id of its alert."""
        found: dict[str, Episode] = {}
        for (subject, _), item in self.items.items():
            params = self.rules.overdue_for(self.accounts.get(subject), day)
            for episode in receivable_overdue.episodes(item, params, day):
                found[alert_id(episode.rule, episode.subject, episode.cause, episode.opening_fact)] = episode
        return found

    def accounts_on(self, day: date) -> dict[str, Account]:
        """Every account with what its customer owes, counted from nothing."""
        subjects = {subject for subject, _ in (*self.items, *self.settlements)} | self.accounts.keys()
        items: dict[str, list[OpenItem]] = {subject: [] for subject in subjects}
        settlements: dict[str, list[Settlement]] = {subject: [] for subject in subjects}
        for (subject, _), item in self.items.items():
            items[subject].append(item)
        for (subject, _), one in self.settlements.items():
            settlements[subject].append(one)
        return {
            subject: msgspec.structs.replace(
                self.accounts.get(subject, Account()),
                owed=settled(counted(items[subject], settlements[subject], day), day),
            )
            for subject in subjects
        }

    def _item(self, event: Event, company: str | None, number: str, change: Callable[[OpenItem], OpenItem]) -> None:
        key = (event.subject, invoice_key(company, number))
        held = self.items.get(key)
        empty = OpenItem(subject=event.subject, company=company or "", invoice_id=number)
        changed = change(held or empty)
        if changed is not empty:
            self.items[key] = changed

    def _settlement(
        self, event: Event, company: str | None, number: str, change: Callable[[Settlement], Settlement]
    ) -> None:
        subject, key = event.subject, (event.subject, document_key(company, number))
        before = self.settlements.get(key)
        after = change(before or Settlement(subject=subject, company=company or "", document_id=number))
        held = _Invoices(self.items, subject, company)
        for invoice, item in settlement.reenter(held, before, after).items():
            self.items[(subject, invoice_key(company, invoice))] = item
        self.settlements[key] = after


class _Invoices(Mapping[str, OpenItem]):
    """A customer's items of one legal entity, by invoice number."""

    def __init__(self, items: dict[Key, OpenItem], subject: str, company: str | None) -> None:
        self.items_of, self.subject, self.company = items, subject, company

    def __getitem__(self, number: str) -> OpenItem:
        return self.items_of[(self.subject, invoice_key(self.company, number))]

    def __iter__(self) -> Any:
        raise TypeError("only asked for one at a time")

    def __len__(self) -> int:
        raise TypeError("only asked for one at a time")


def key_of(event: Event) -> FactKey:
    """How the model names and orders an event."""
    return FactKey(time=event.time, source=event.source, id=event.id)


def _facts(event: Event, data: trade.InvoiceIssued) -> InvoiceFacts:
    return InvoiceFacts(
        key=key_of(event),
        issued_on=data.issued_on,
        due_on=data.due_on,
        total=data.total.amount,
        currency=data.total.currency,
    )


def _parts(applied: list[trade.AppliedTo] | None) -> tuple[Part, ...]:
    return tuple(
        Part(invoice_id=one.invoice_id, amount=one.amount.value, rate=one.rate, currency=one.amount.currency)
        for one in applied or ()
    )


def _issued(books: Books, event: Event, data: trade.InvoiceIssued) -> None:
    change = partial(open_item.with_issued, facts=_facts(event, data))
    books._item(event, data.company, data.invoice_id, change)


def _corrected(books: Books, event: Event, data: trade.InvoiceCorrected) -> None:
    change = partial(open_item.with_corrected, facts=_facts(event, data))
    books._item(event, data.company, data.invoice_id, change)


def _cancelled(books: Books, event: Event, data: trade.InvoiceCancelled) -> None:
    on = data.cancelled_on or books.rules.day(event.time)
    books._item(event, data.company, data.invoice_id, partial(open_item.with_cancelled, key=key_of(event), on=on))


def _disputed(books: Books, event: Event, data: trade.InvoiceDisputed) -> None:
    on = data.stated_on or books.rules.day(event.time)
    change = partial(open_item.with_dispute, key=key_of(event), on=on, disputed=data.disputed)
    books._item(event, data.company, data.invoice_id, change)


def _document(books: Books, event: Event, data: trade.Settlement) -> None:
    receipt = Receipt(
        key=key_of(event),
        kind=KINDS[type(data)],
        dated_on=data.dated_on,
        total=data.total.amount,
        currency=data.total.currency,
        applied_to=_parts(data.applied_to),
    )
    books._settlement(event, data.company, data.document_id, partial(settlement.with_receipt, receipt=receipt))


def _applied(books: Books, event: Event, data: trade.PaymentApplied) -> None:
    applied = Application(
        key=key_of(event), on=data.applied_on or books.rules.day(event.time), parts=_parts(data.applied_to)
    )
    books._settlement(event, data.company, data.document_id, partial(settlement.with_application, application=applied))


def _reversed(books: Books, event: Event, data: trade.PaymentReversed) -> None:
    back = Reversal(key=key_of(event), dated_on=data.dated_on, amount=data.amount.value if data.amount else None)
    books._settlement(event, data.company, data.document_id, partial(settlement.with_reversal, reversal=back))


def _owner(books: Books, event: Event, data: lifecycle.OwnerChanged) -> None:
    owned = Owned(valid_from=data.valid_from, key=key_of(event), owner_id=data.owner_id, deputy_id=data.deputy_id)
    books.accounts[event.subject] = with_owner(books.accounts.get(event.subject, Account()), owned)


def _limit(books: Books, event: Event, data: lifecycle.LimitChanged) -> None:
    grace = Grace(valid_from=data.valid_from, key=key_of(event), days=data.grace_days)
    granted = Granted(
        valid_from=data.valid_from,
        key=key_of(event),
        company=data.company or "",
        amount=data.limit.amount if data.limit is not None else None,
        currency=data.limit.currency if data.limit is not None else "",
    )
    after = with_grace(books.accounts.get(event.subject, Account()), grace)
    books.accounts[event.subject] = with_limit(after, granted)


def _profile(books: Books, event: Event, data: profiles.ProfileChanged) -> None:
    held = books.accounts.get(event.subject, Account())
    books.accounts[event.subject] = with_snapshot(held, data.name or "", data.revision, data.external_role or "")


def _colleague(books: Books, event: Event, data: staff.StaffRegistered) -> None:
    told = Colleague(
        key=key_of(event),
        name=data.name,
        mail=data.mail or "",
        language=data.language or "zh-CN",
        zone=data.zone or "",
        ways=tuple(Way(kind=one.kind, address=one.address or "") for one in data.channels or ()),
        deputy=data.deputy or "",
        supervisor=data.supervisor or "",
    )
    books.staff[event.subject] = latest(books.staff.get(event.subject), told)


FOLDS: Final[dict[type[Payload], Callable[[Books, Event, Any], None]]] = {
    trade.InvoiceIssued: _issued,
    trade.InvoiceCorrected: _corrected,
    trade.InvoiceCancelled: _cancelled,
    trade.InvoiceDisputed: _disputed,
    trade.PaymentReceived: _document,
    trade.CreditNoteIssued: _document,
    trade.DebtWrittenOff: _document,
    trade.PaymentApplied: _applied,
    trade.PaymentReversed: _reversed,
    lifecycle.OwnerChanged: _owner,
    lifecycle.LimitChanged: _limit,
    profiles.ProfileChanged: _profile,
    staff.StaffRegistered: _colleague,
    staff.StaffChanged: _colleague,
}

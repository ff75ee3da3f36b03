"""What the books must say in the end: a plain fold of the distinct accepted events, one after another, in one thread.

It uses the service's pure model and nothing of its machinery: no batches, no versions, no clock, no database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import Any, Final

import msgspec

from contracts.envelope import Event
from contracts.events import lifecycle, profiles, sales, staff, trade
from contracts.payload import Payload
from services.alerts.model import open_item, order, purchase, settlement
from services.alerts.model.abroad import looked_over
from services.alerts.model.account import Account, Grace, Owned, with_grace, with_limit, with_owner, with_snapshot
from services.alerts.model.alert import alert_id
from services.alerts.model.cadence.course import Course, Stretch, retold, waiting
from services.alerts.model.credit import (
    NOTHING,
    Granted,
    Sum,
    counted,
    granted_on,
    owed_by_order,
    settled,
    shifted,
)
from services.alerts.model.episode import Episode
from services.alerts.model.facts import FactKey
from services.alerts.model.open_item import InvoiceFacts, OpenItem, SettlementKind
from services.alerts.model.order import Closed, Order, OrderFacts
from services.alerts.model.purchase import Purchase, PurchaseFacts, Return
from services.alerts.model.rules import purchase_slowdown, receivable_over_limit, receivable_overdue
from services.alerts.model.rules.receivable_over_limit import Weighed
from services.alerts.model.settlement import Application, Part, Receipt, Reversal, Settlement
from services.alerts.model.staff import Colleague, Way, latest
from services.alerts.rules import Rules
from services.alerts.store import document_key, invoice_key, order_key, purchase_key
from tests.faults.probe import Tally

Key = tuple[str, str]  # subject, and the document's key within it
KINDS: Final[dict[type[Payload], SettlementKind]] = {
    trade.PaymentReceived: "payment",
    trade.CreditNoteIssued: "credit_note",
    trade.DebtWrittenOff: "write_off",
}


class Rhythm(msgspec.Struct, frozen=True):
    """A customer's cadence told from all his purchases: every episode of it, and the first day that lies ahead."""

    course: Course
    stretches: tuple[Stretch, ...]
    ahead: date | None


@dataclass
class Books:
    """Everything that is known, by subject."""

    rules: Rules
    items: dict[Key, OpenItem] = field(default_factory=dict)
    settlements: dict[Key, Settlement] = field(default_factory=dict)
    orders: dict[Key, Order] = field(default_factory=dict)
    purchases: dict[Key, Purchase] = field(default_factory=dict)
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

    def episodes(self, day: date, rule: str = "") -> dict[str, Episode]:
        """Every episode that follows from the facts known and a day alone, by the id of its alert; of one rule or
        (empty) of both whose past can be told on any day.
        """
        found: list[Episode] = []
        if rule in ("", receivable_overdue.RULE):
            for (subject, _), item in self.items.items():
                params = self.rules.overdue_for(self.accounts.get(subject), day)
                found += receivable_overdue.episodes(item, params, day)
        if rule in ("", purchase_slowdown.RULE):
            for subject, rhythm in self.rhythms(day).items():
                found += [purchase_slowdown.episode(subject, one) for one in rhythm.stretches]
        return {alert_id(one.rule, one.subject, one.cause, one.opening_fact): one for one in found}

    def rhythms(self, day: date) -> dict[str, Rhythm]:
        """Every customer's cadence on a day, from all his purchases, with the alarm that waiting alone has raised by
        its morning.
        """
        bought: dict[str, list[purchase.Bought]] = {}
        for (subject, _), one in self.purchases.items():
            bought.setdefault(subject, [])
            bought[subject] += [one.bought] if one.bought is not None else []
        found, times = {}, self.rules.cadence.times
        for subject, days in bought.items():
            course, stretches = retold((one for one in days if one.on <= day), times)
            silent = waiting(course, day - timedelta(days=1), times)
            every = (*stretches, silent) if silent is not None else tuple(stretches)
            found[subject] = Rhythm(course, every, min((one.on for one in days if one.on > day), default=None))
        return found

    def weighed(self, day: date) -> dict[tuple[str, str], tuple[str, Weighed]]:
        """Every customer against each of his limits on a day, counted from nothing, by subject and cause of the alert,
        with the company whose limit it is. Where none is set nothing is weighed.
        """
        found = {}
        for subject, account in self.accounts_on(day).items():
            for company in {limit.company for limit in account.limits if limit.amount is not None}:
                limit = granted_on(account.limits, company, day)
                weighed = receivable_over_limit.weigh(account, limit, day, self.rules.credit)
                if weighed is not None:
                    found[subject, receivable_over_limit.cause(company)] = company, weighed
        return found

    def accounts_on(self, day: date) -> dict[str, Account]:
        """Every account with what its customer owes, counted from nothing."""
        subjects = {subject for subject, _ in (*self.items, *self.settlements, *self.orders)} | self.accounts.keys()
        items: dict[str, list[OpenItem]] = {subject: [] for subject in subjects}
        settlements: dict[str, list[Settlement]] = {subject: [] for subject in subjects}
        ordered: dict[str, tuple[Sum, ...]] = dict.fromkeys(subjects, ())
        for (subject, _), placed in self.orders.items():
            moves = owed_by_order(placed, day)
            ordered[subject] = shifted(ordered[subject], placed.company, NOTHING, moves, day)
        for (subject, _), item in self.items.items():
            items[subject].append(item)
        for (subject, _), one in self.settlements.items():
            settlements[subject].append(one)
        found = {
            subject: msgspec.structs.replace(
                self.accounts.get(subject, Account()),
                owed=settled(counted(items[subject], settlements[subject], day), day),
                ordered=settled(ordered[subject], day),
            )
            for subject in subjects
        }
        return {subject: looked_over(account, self.rules.credit.orders, day) for subject, account in found.items()}

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


def _bought(
    books: Books, event: Event, number: str, company: str | None, change: Callable[[Purchase], Purchase]
) -> None:
    key = (event.subject, purchase_key(company, number))
    empty = Purchase(subject=event.subject, company=company or "", purchase_id=number)
    books.purchases[key] = change(books.purchases.get(key) or empty)


def _bought_facts(event: Event, data: sales.PurchaseMade) -> PurchaseFacts:
    return PurchaseFacts(key=key_of(event), on=data.purchased_on, total=data.total.amount, currency=data.total.currency)


def _purchase_made(books: Books, event: Event, data: sales.PurchaseMade) -> None:
    change = partial(purchase.with_made, facts=_bought_facts(event, data))
    _bought(books, event, data.purchase_id, data.company, change)


def _purchase_corrected(books: Books, event: Event, data: sales.PurchaseCorrected) -> None:
    change = partial(purchase.with_corrected, facts=_bought_facts(event, data))
    _bought(books, event, data.purchase_id, data.company, change)


def _goods_returned(books: Books, event: Event, data: sales.GoodsReturned) -> None:
    if data.purchase_id is None:
        return
    back = Return(
        key=key_of(event),
        return_id=data.return_id,
        on=data.returned_on,
        total=data.total.amount,
        currency=data.total.currency,
    )
    _bought(books, event, data.purchase_id, data.company, partial(purchase.with_return, back=back))


def _ordered(books: Books, event: Event, number: str, company: str | None, change: Callable[[Order], Order]) -> None:
    key = (event.subject, order_key(company, number))
    books.orders[key] = change(books.orders.get(key) or Order(company=company or "", order_id=number))


def _order_facts(event: Event, data: sales.OrderPlaced) -> OrderFacts:
    return OrderFacts(
        key=key_of(event), ordered_on=data.ordered_on, total=data.total.amount, currency=data.total.currency
    )


def _order_placed(books: Books, event: Event, data: sales.OrderPlaced) -> None:
    _ordered(books, event, data.order_id, data.company, partial(order.with_placed, facts=_order_facts(event, data)))


def _order_changed(books: Books, event: Event, data: sales.OrderChanged) -> None:
    _ordered(books, event, data.order_id, data.company, partial(order.with_changed, facts=_order_facts(event, data)))


def _order_delivered(books: Books, event: Event, data: sales.OrderDelivered) -> None:
    _ordered(books, event, data.order_id, data.company, partial(order.with_delivered, on=data.delivered_on))


def _order_closed(books: Books, event: Event, data: sales.OrderClosed) -> None:
    closed = Closed(key=key_of(event), on=data.closed_on or books.rules.day(event.time), reason=data.reason)
    _ordered(books, event, data.order_id, data.company, partial(order.with_closed, closed=closed))


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
    sales.PurchaseMade: _purchase_made,
    sales.PurchaseCorrected: _purchase_corrected,
    sales.GoodsReturned: _goods_returned,
    sales.OrderPlaced: _order_placed,
    sales.OrderChanged: _order_changed,
    sales.OrderDelivered: _order_delivered,
    sales.OrderClosed: _order_closed,
    lifecycle.OwnerChanged: _owner,
    lifecycle.LimitChanged: _limit,
    profiles.ProfileChanged: _profile,
    staff.StaffRegistered: _colleague,
    staff.StaffChanged: _colleague,
}

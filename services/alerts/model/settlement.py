"""One payment, credit note or write-off: what it did to which invoices on which day, and what is left of it on account.

As with open items, a settlement is a set of facts, and all else is a function of them and a day. On every day
``total = applied + on account + reversed`` to the cent. Money cannot be used before the document is dated: what is said
to have been applied or reversed earlier counts from that date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final

import msgspec

from services.alerts.model.exchange import to_minor
from services.alerts.model.facts import Conflict, FactKey
from services.alerts.model.open_item import Entry, OpenItem, SettlementKind, with_entries

_ZERO: Final = Decimal(0)


class Part(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A part of a settlement used for an invoice: `amount` in the settlement's currency, `rate` as in Entry.

    `currency` is what the sender named beside the amount, if he did; a part in another currency than its document's is
    set aside (see `misfits`), for the document may not be known yet when the part comes.
    """

    invoice_id: str
    amount: Decimal
    rate: Decimal | None = None
    currency: str | None = None


class Application(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Money of the settlement is used for invoices from `on`."""

    key: FactKey
    on: date
    parts: tuple[Part, ...]


class Reversal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The settlement is taken back on a day: all of it, or `amount` in its currency."""

    key: FactKey
    dated_on: date
    amount: Decimal | None = None


class Receipt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The document itself; `applied_to` is what it was used for from the start."""

    key: FactKey
    kind: SettlementKind
    dated_on: date
    total: Decimal
    currency: str
    applied_to: tuple[Part, ...] = ()

    @property
    def content(self) -> tuple[object, ...]:
        """What two receipts must share to be the same one, sent twice."""
        parts = tuple(sorted((part.invoice_id, part.amount, part.rate or _ZERO) for part in self.applied_to))
        return self.kind, self.dated_on, self.total, self.currency, parts


class Settlement(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A settlement of a customer with all that is known of it. Made empty, it takes facts by the functions below."""

    subject: str
    company: str = ""
    document_id: str
    receipt: Receipt | None = None
    applications: tuple[Application, ...] = ()
    reversals: tuple[Reversal, ...] = ()

    @property
    def waiting(self) -> bool:
        """It was applied or reversed, but the document itself is not known yet: nothing counts until it comes."""
        return self.receipt is None and bool(self.applications or self.reversals)


def with_receipt(settlement: Settlement, receipt: Receipt) -> Settlement:
    """The settlement with its document. The same content again changes nothing.

    Raises:
        Conflict: the document came before with other content.
    """
    held = settlement.receipt
    if held is not None and held.content != receipt.content:
        raise Conflict(
            f"document {settlement.document_id} came before ({_said(held)}), now it came as {_said(receipt)}; "
            "expected the same content again; to use it for other invoices send payment.applied, to take it back "
            "payment.reversed"
        )
    if held is not None and held.key <= receipt.key:
        return settlement
    return msgspec.structs.replace(settlement, receipt=receipt)


def with_application(settlement: Settlement, application: Application) -> Settlement:
    """The settlement with what was applied later; the same fact again changes nothing."""
    if any(known.key == application.key for known in settlement.applications):
        return settlement
    merged = sorted((*settlement.applications, application), key=lambda one: one.key)
    return msgspec.structs.replace(settlement, applications=tuple(merged))


def with_reversal(settlement: Settlement, reversal: Reversal) -> Settlement:
    """The settlement with what was taken back; the same fact again changes nothing."""
    if any(known.key == reversal.key for known in settlement.reversals):
        return settlement
    merged = sorted((*settlement.reversals, reversal), key=lambda one: one.key)
    return msgspec.structs.replace(settlement, reversals=tuple(merged))


def entries_for(settlement: Settlement) -> dict[str, tuple[Entry, ...]]:
    """What the settlement does to which invoices, on all days; nothing while the document is not known."""
    found: dict[str, list[Entry]] = {}
    for invoice_id, entry in _walk(settlement).entries:
        found.setdefault(invoice_id, []).append(entry)
    return {invoice_id: tuple(entries) for invoice_id, entries in found.items()}


def on_account(settlement: Settlement, day: date) -> Decimal:
    """What was not applied by the end of the day, in the settlement's currency.

    Below zero where more was applied than there was (`over_applied`): the invoices are settled, the account owes it.
    """
    return _walk(settlement, day).account


def reversed_on(settlement: Settlement, day: date) -> Decimal:
    """What was taken back by the end of the day, in the settlement's currency; at most its total."""
    return _walk(settlement, day).reversed


def credit_on(settlement: Settlement, day: date) -> Decimal:
    """What lies on account as the customer's unapplied credit; nothing for a write-off, which brought no money."""
    receipt = settlement.receipt
    return _ZERO if receipt is None or receipt.kind == "write_off" else on_account(settlement, day)


def over_applied(settlement: Settlement) -> bool:
    """Whether at any time more of it was applied than there was."""
    return _walk(settlement).lowest < 0


def misfits(settlement: Settlement) -> tuple[Part, ...]:
    """Parts named in another currency than the document's: they are set aside, their money stays on account."""
    receipt = settlement.receipt
    if receipt is None:
        return ()
    parts = (*receipt.applied_to, *(part for one in settlement.applications for part in one.parts))
    return tuple(part for part in parts if not _fits(part, receipt))


def reenter(items: Mapping[str, OpenItem], before: Settlement | None, after: Settlement) -> dict[str, OpenItem]:
    """The items that a changed settlement changes, by invoice id; a missing one is made, to wait for its invoice.

    `items` must hold what is known of each invoice in `entries_for` of either state.
    """
    old = entries_for(before) if before is not None else {}
    new = entries_for(after)
    changed: dict[str, OpenItem] = {}
    for invoice_id in old.keys() | new.keys():
        if old.get(invoice_id) == new.get(invoice_id):
            continue
        item = items.get(invoice_id)
        if item is None:
            item = OpenItem(subject=after.subject, company=after.company, invoice_id=invoice_id)
        changed[invoice_id] = with_entries(item, after.document_id, new.get(invoice_id, ()))
    return changed


@dataclass(slots=True)
class _Piece:
    """What is left of one part after reversals."""

    invoice_id: str
    key: FactKey
    left: Decimal
    rate: Decimal | None


@dataclass(slots=True)
class _Walk:
    """The settlement's life, step by step. `lowest` is the least that ever lay on account."""

    receipt: Receipt | None
    document_id: str
    account: Decimal = _ZERO
    reversed: Decimal = _ZERO
    lowest: Decimal = _ZERO
    pieces: list[_Piece] = field(default_factory=list)
    entries: list[tuple[str, Entry]] = field(default_factory=list)

    def apply(self, receipt: Receipt, application: Application, on: date) -> None:
        for part in application.parts:
            if not _fits(part, receipt):
                continue
            amount = to_minor(part.amount, receipt.currency)
            piece = _Piece(part.invoice_id, application.key, amount, part.rate)
            self.pieces.append(piece)
            self.account -= amount
            self._enter(receipt, piece, amount, on, application.key)
        self.lowest = min(self.lowest, self.account)

    def reverse(self, receipt: Receipt, reversal: Reversal, on: date) -> None:
        standing = receipt.total - self.reversed
        asked = standing if reversal.amount is None else to_minor(reversal.amount, receipt.currency)
        taken = min(asked, standing)
        self.reversed += taken
        if taken == standing:
            # All is taken back, so nothing stays applied either, not even what was applied beyond the total.
            left = sum((piece.left for piece in self.pieces), _ZERO)
            self.account = _ZERO
        else:
            from_account = min(taken, max(_ZERO, self.account))
            self.account -= from_account
            left = taken - from_account
        for piece in reversed(self.pieces):
            back = min(left, piece.left)
            if back:
                piece.left -= back
                left -= back
                self._enter(receipt, piece, -back, on, reversal.key)

    def _enter(self, receipt: Receipt, piece: _Piece, amount: Decimal, on: date, key: FactKey) -> None:
        entry = Entry(
            document_id=self.document_id,
            kind=receipt.kind,
            on=on,
            amount=amount,
            currency=receipt.currency,
            rate=piece.rate,
            key=key,
            application=piece.key.ref,
        )
        self.entries.append((piece.invoice_id, entry))


def _walk(settlement: Settlement, until: date | None = None) -> _Walk:
    receipt = settlement.receipt
    walk = _Walk(receipt, settlement.document_id)
    if receipt is None or (until is not None and until < receipt.dated_on):
        return walk
    walk.account = receipt.total
    # What the document itself applied comes before all else of its day.
    walk.apply(receipt, Application(key=receipt.key, on=receipt.dated_on, parts=receipt.applied_to), receipt.dated_on)
    steps: list[tuple[date, FactKey, Application | Reversal]] = [
        *((max(one.on, receipt.dated_on), one.key, one) for one in settlement.applications),
        *((max(one.dated_on, receipt.dated_on), one.key, one) for one in settlement.reversals),
    ]
    for on, _, step in sorted(steps, key=lambda one: one[:2]):
        if until is not None and on > until:
            break
        if isinstance(step, Application):
            walk.apply(receipt, step, on)
        else:
            walk.reverse(receipt, step, on)
    return walk


def _fits(part: Part, receipt: Receipt) -> bool:
    return part.currency is None or part.currency == receipt.currency


def _said(receipt: Receipt) -> str:
    used = ", ".join(f"{part.invoice_id} {part.amount}" for part in receipt.applied_to) or "nothing"
    return f"{receipt.kind} of {receipt.total} {receipt.currency} dated {receipt.dated_on}, applied to {used}"

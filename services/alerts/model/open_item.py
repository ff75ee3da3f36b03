"""One invoice of one customer, and what was open of it on any day.

An item is a set of facts and nothing else: what the invoice says, whether it was cancelled or disputed, and the entries
that settlements made on it. Every figure is a function of those facts and a day. So it cannot matter in which order the
facts came, how often, or in which batches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Final, Literal

import msgspec

from services.alerts.model.exchange import convert
from services.alerts.model.facts import Conflict, FactKey

SettlementKind = Literal["payment", "credit_note", "write_off"]
BUCKETS: Final = ("current", "1-30", "31-60", "61-90", "91+")
_ZERO: Final = Decimal(0)


class InvoiceFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What an invoice says, and the event that said it. Days are the company's; `total` is not below zero. `account`:
    that of the customer's under which it came, where it is not his first.
    """

    key: FactKey
    issued_on: date
    due_on: date
    total: Decimal
    currency: str
    account: str = ""

    @property
    def content(self) -> tuple[date, date, Decimal, str]:
        """What two issues must share to be the same issue, sent twice."""
        return self.issued_on, self.due_on, self.total, self.currency


class Cancelled(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """From `on` the invoice no longer counts."""

    key: FactKey
    on: date


class Dispute(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The customer disputes the invoice, or no longer does; holds until the next one, by day and then by fact key."""

    key: FactKey
    on: date
    disputed: bool


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What a settlement did to an invoice on a day.

    `amount` is in `currency`, the settlement's; below zero where a reversal took it back. `rate`: how many units of the
    invoice's currency one of those buys. `key` is the event that did it, `application` the event (its ref) that applied
    the money in the first place, the same one unless this is a reversal.
    """

    document_id: str
    kind: SettlementKind
    on: date
    amount: Decimal
    currency: str
    rate: Decimal | None = None
    key: FactKey
    application: str


class OpenItem(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An invoice of a customer with all that is known of it. Made empty, it takes facts by the functions below."""

    subject: str
    company: str = ""
    invoice_id: str
    issued: InvoiceFacts | None = None
    corrected: InvoiceFacts | None = None
    cancelled: Cancelled | None = None
    disputes: tuple[Dispute, ...] = ()
    entries: tuple[Entry, ...] = ()

    @property
    def invoice(self) -> InvoiceFacts | None:
        """What holds of the invoice: the last correction, or else the issue; None while neither is known."""
        return self.corrected or self.issued

    @property
    def account(self) -> str:
        """The customer's account under which it was issued; empty for his first."""
        facts = self.issued or self.corrected
        return facts.account if facts is not None else ""

    @property
    def waiting(self) -> bool:
        """Something was settled on an invoice that is not known yet."""
        return self.invoice is None and bool(self.entries)

    @property
    def cause(self) -> str:
        """The invoice's key within the customer, as alerts name it."""
        company, invoice_id = (part.replace("%", "%25").replace("/", "%2F") for part in (self.company, self.invoice_id))
        return f"invoice/{company}/{invoice_id}"


def with_issued(item: OpenItem, facts: InvoiceFacts) -> OpenItem:
    """The item with its issue. The same content again changes nothing.

    Raises:
        Conflict: it was issued before with other content.
    """
    held = item.issued
    if held is not None and held.content != facts.content:
        raise Conflict(
            f"invoice {item.invoice_id} was issued before ({_said(held)}), now it came as {_said(facts)}; "
            "expected the same content again, or invoice.corrected to replace it"
        )
    if held is not None and held.key <= facts.key:
        return item
    return msgspec.structs.replace(item, issued=facts)


def with_corrected(item: OpenItem, facts: InvoiceFacts) -> OpenItem:
    """The item with a correction; of several the one with the latest fact key holds. It may come before the issue."""
    if item.corrected is not None and facts.key <= item.corrected.key:
        return item
    return msgspec.structs.replace(item, corrected=facts)


def with_cancelled(item: OpenItem, key: FactKey, on: date) -> OpenItem:
    """The item, cancelled from `on` for good; of several cancellations the earliest holds."""
    held = item.cancelled
    if held is not None and (held.on, held.key) <= (on, key):
        return item
    return msgspec.structs.replace(item, cancelled=Cancelled(key=key, on=on))


def with_dispute(item: OpenItem, key: FactKey, on: date, disputed: bool) -> OpenItem:
    """The item with a dispute begun (true) or ended (false) on a day."""
    if any(known.key == key for known in item.disputes):
        return item
    disputes = sorted((*item.disputes, Dispute(key=key, on=on, disputed=disputed)), key=lambda one: (one.on, one.key))
    return msgspec.structs.replace(item, disputes=tuple(disputes))


def with_entries(item: OpenItem, document_id: str, entries: Iterable[Entry]) -> OpenItem:
    """The item with all that one settlement did to it, in place of what was held of that settlement."""
    fresh = tuple(entries)
    kept = [entry for entry in item.entries if entry.document_id != document_id]
    if not fresh and len(kept) == len(item.entries):
        return item
    merged = sorted((*kept, *fresh), key=_entry_order)
    return msgspec.structs.replace(item, entries=tuple(merged))


def total_on(item: OpenItem, day: date) -> Decimal | None:
    """What the customer owed by this invoice before anything was settled; None on days when it does not count.

    It does not count while it is not known, before it is issued, and once it is cancelled.
    """
    facts = item.invoice
    if facts is None or day < facts.issued_on or (item.cancelled is not None and item.cancelled.on <= day):
        return None
    return facts.total


def applied_on(item: OpenItem, day: date) -> Decimal:
    """What had been settled by the end of the day, in the invoice's currency, whether or not the invoice could take it.

    Entries in another currency without a rate are left out (see `unusable`). A waiting item has none.
    """
    return _applied(item, day, write_offs=True)


def open_on(item: OpenItem, day: date) -> Decimal:
    """What was open at the end of the day, in the invoice's currency; zero where it does not count."""
    total = total_on(item, day)
    return _ZERO if total is None else max(_ZERO, total - applied_on(item, day))


def excess_on(item: OpenItem, day: date) -> Decimal:
    """What was settled beyond the total, in the invoice's currency: it is the customer's again, as unapplied credit.

    A write-off beyond the total is nobody's money, so the excess is at most what payments and credit notes brought.
    Zero on days when the invoice does not count: see `returned_on` for all that goes back to the account.
    """
    total = total_on(item, day)
    if total is None:
        return _ZERO
    beyond = applied_on(item, day) - total
    return max(_ZERO, min(beyond, _applied(item, day, write_offs=False)))


def returned_on(item: OpenItem, day: date) -> dict[str, Decimal]:
    """What the item could not use of payments and credit notes by the end of the day, by currency, without zeros.

    The excess in the invoice's currency; unusable entries, and all of them while the invoice does not count (not known,
    not issued yet, cancelled), in the settlement's own.
    """
    back: dict[str, Decimal] = defaultdict(Decimal)
    counts = total_on(item, day) is not None
    for entry in item.entries:
        if entry.on <= day and entry.kind != "write_off" and not (counts and _usable(item, entry)):
            back[entry.currency] += entry.amount
    facts = item.invoice
    if facts is not None:
        back[facts.currency] += excess_on(item, day)
    return {currency: amount for currency, amount in back.items() if amount}


def unusable(item: OpenItem) -> tuple[Entry, ...]:
    """Entries in another currency than the invoice's and without a rate: they reduce nothing until one is given."""
    if item.invoice is None:
        return ()
    return tuple(entry for entry in item.entries if not _usable(item, entry))


def disputed_on(item: OpenItem, day: date) -> bool:
    """Whether a dispute stood at the end of the day."""
    stands = False
    for dispute in item.disputes:
        if dispute.on > day:
            break
        stands = dispute.disputed
    return stands


def days_past_due(item: OpenItem, day: date) -> int | None:
    """Whole days from the due date to `day`, below zero before it; None while the invoice is not known."""
    return None if item.invoice is None else (day - item.invoice.due_on).days


def bucket(days: int) -> str:
    """The ageing bucket of so many days past due (methods.md, Trade)."""
    return BUCKETS[0 if days <= 0 else min(4, (days - 1) // 30 + 1)]


def converted(amounts: dict[tuple[str, str, Decimal], Decimal], currency: str) -> Decimal:
    """The sum, in `currency`, of what stands of each application in another: (document, application, rate) -> amount.

    Rounded once for what stands of an application, not for each step, so that an application and its reversal in parts
    come to nothing and not to a stray cent.
    """
    return sum((convert(amount, rate, currency) for (_, _, rate), amount in amounts.items()), _ZERO)


def _applied(item: OpenItem, day: date, *, write_offs: bool) -> Decimal:
    facts = item.invoice
    if facts is None:
        return _ZERO
    own = _ZERO
    foreign: dict[tuple[str, str, Decimal], Decimal] = {}
    for entry in item.entries:
        if entry.on > day or (entry.kind == "write_off" and not write_offs):
            continue
        if entry.currency == facts.currency:
            own += entry.amount
        elif entry.rate is not None:
            at = (entry.document_id, entry.application, entry.rate)
            foreign[at] = foreign.get(at, _ZERO) + entry.amount
    return own + converted(foreign, facts.currency) if foreign else own


def _usable(item: OpenItem, entry: Entry) -> bool:
    facts = item.invoice
    return facts is not None and (entry.currency == facts.currency or entry.rate is not None)


def _entry_order(entry: Entry) -> tuple[date, FactKey, str, str, Decimal, Decimal]:
    return entry.on, entry.key, entry.document_id, entry.application, entry.amount, entry.rate or _ZERO


def _said(facts: InvoiceFacts) -> str:
    return f"{facts.total} {facts.currency}, issued {facts.issued_on}, due {facts.due_on}"

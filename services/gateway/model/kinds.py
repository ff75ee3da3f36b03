"""The kinds of file that can be imported: their columns, and what a row of each says as events of the contracts.

A row is judged by the contracts' own checks, so that a refusal reads as it does everywhere else; what it is about is
told as the column in which it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from contracts.attributes import Attributes, read_attributes
from contracts.envelope import check_said
from contracts.events.customers import CustomerLinked, CustomerRegistered, local_account
from contracts.events.sales import PurchaseMade
from contracts.events.trade import CreditNoteIssued, DebtWrittenOff, InvoiceDisputed, InvoiceIssued, PaymentReceived
from contracts.money import minor_units
from contracts.refusal import Refused
from services.gateway.model import cells, headings
from services.gateway.model.cells import Mark
from services.gateway.model.columns import Column

_json: Final = msgspec.json.Encoder()
Data = dict[str, Any]
T = TypeVar("T")


class Reading(NamedTuple):
    """How the cells of a file are to be read; `currency` where the file has no column for it. `digest` names its
    bytes. `system`: whose own ids its customers are called by; None: the company's accounts. `source` is the events'.
    """

    mark: Mark
    currency: str | None
    epoch_1904: bool
    digest: str
    system: str | None = None
    source: str = ""


class Row(NamedTuple):
    """A row: its line, and its cells by column (those that the file has)."""

    line: int
    cells: Mapping[str, str]
    reading: Reading

    def optional(self, column: str) -> str | None:
        """An id or name; None where there is none."""
        text = self.cells.get(column)
        if not text or not text.strip():
            return None
        return self._read(column, cells.identifier)

    def text(self, column: str) -> str:
        """An id or name that must be there."""
        found = self.optional(column)
        if found is None:
            raise self._empty(column)
        return found

    def account(self) -> str:
        """The account the row is about. A file that has both ids of a customer says the company's as `customer`."""
        customer, system = self.text("customer"), self.reading.system
        return local_account(system, customer) if system and self.optional("local_id") is None else customer

    def day(self, column: str) -> str:
        """A date that must be there, as ISO 8601."""
        text = self._filled(column)
        try:
            return cells.day(text, self.reading.epoch_1904)
        except Refused as refused:
            raise refused.at(column) from None

    def flag(self, column: str) -> bool:
        """Yes or no; empty is no."""
        return self._read(column, cells.flag)

    def word(self, column: str, words: Mapping[str, str]) -> str:
        """One of the words, which must be there."""
        self._filled(column)
        return self._read(column, lambda text: cells.word(text, words))

    def currency(self) -> str:
        """The row's currency, else the file's."""
        if not self.cells.get("currency", "").strip() and self.reading.currency is not None:
            return self.reading.currency
        self._filled("currency")
        return self._read("currency", cells.currency)

    def money(self, column: str = "amount") -> Data:
        """An amount that must be there, in the row's currency, as money on the wire."""
        text = self._filled(column)
        code = self.currency()
        return {"amount": self.amount(column, text, code), "currency": code}

    def amount(self, column: str, text: str, code: str) -> str:
        """An amount in that currency, without zeros that are finer than it."""
        try:
            found = cells.amount(text, self.reading.mark)
        except Refused as refused:
            raise refused.at(column) from None
        if found.currencies is not None and code not in found.currencies:
            raise Refused("bad_cell", f"{text[:40]!r} is not in {code}; expected the currency of the row", column)
        whole, _, decimals = found.text.partition(".")
        fine = minor_units(code)
        kept = decimals[:fine] + decimals[fine:].rstrip("0")
        return f"{whole}.{kept}" if kept else whole

    def rate(self) -> str | None:
        """An exchange rate; None where there is none."""
        if not self.cells.get("rate", "").strip():
            return None
        return self._read("rate", lambda text: cells.amount(text, self.reading.mark).text)

    def _filled(self, column: str) -> str:
        text = self.cells.get(column, "")
        if not text.strip():
            raise self._empty(column)
        return text

    def _empty(self, column: str) -> Refused:
        return Refused("cell_missing", f"is empty; expected the {column.replace('_', ' ')}", column)

    def _read(self, column: str, read: Callable[[str], T]) -> T:
        try:
            return read(self.cells.get(column, ""))
        except Refused as refused:
            raise refused.at(column) from None


class Fact(NamedTuple):
    """An event of a row. `suffix` tells it from the others of the row; `data` is its payload as JSON."""

    suffix: str
    type: str
    subject: str
    data: bytes


class Kind(NamedTuple):
    """A kind of file. `fields` says which column the places in its events come from."""

    name: str
    columns: tuple[Column, ...]
    types: frozenset[str]
    read: Callable[[Row], Iterable[tuple[str, str, Data]]]
    fields: Mapping[str, str]

    def facts(self, row: Row) -> list[Fact]:
        """The events of a row. Raises Refused `bad_cell`, `cell_missing`, whose field is the column."""
        subject = row.account()
        return [
            Fact(suffix, event_type, subject, _json.encode({name: value for name, value in data.items() if value}))
            for suffix, event_type, data in self.read(row)
        ]

    def column_of(self, field: str | None) -> str | None:
        """The column that a place (`$.total.amount`, an attribute, or a column itself) is about."""
        if field is None or field in self.fields.values():
            return field
        parts = field.split("[")[0].split(".")
        return self.fields.get(parts[1] if len(parts) > 1 else parts[0])


def judge(kind: Kind, fact: Fact, source: str, event_id: str, said_at: str, now: datetime) -> Attributes:
    """The attributes of a fact that the contracts take. `said_at` is its time (ISO 8601), `now` the moment of sending.

    Raises Refused as the contracts do, with the column as its field.
    """
    given = {
        "ce_specversion": b"1.0",
        "ce_id": event_id.encode(),
        "ce_source": source.encode(),
        "ce_type": fact.type.encode(),
        "ce_subject": fact.subject.encode(),
        "ce_time": said_at.encode(),
    }
    try:
        attributes, data = read_attributes(given, fact.data)
        check_said(attributes, data, now)
    except Refused as refused:
        raise Refused(refused.reason, refused.message, kind.column_of(refused.field)) from None
    return attributes


def _customer(row: Row) -> Iterable[tuple[str, str, Data]]:
    intermediary = row.word("intermediary_kind", headings.INTERMEDIARIES) if row.optional("intermediary_kind") else None
    role = "intermediary" if intermediary else "consumer"
    data: Data = {
        "kind": row.word("kind", headings.PARTIES),
        "name": row.text("name"),
        "relation": row.word("relation", headings.RELATIONS) if row.optional("relation") else "current",
        "external_role": row.word("external_role", headings.ROLES) if row.optional("external_role") else role,
        "intermediary_kind": intermediary,
        "sales_channel": row.word("sales_channel", headings.CHANNELS) if row.optional("sales_channel") else None,
    }
    more = ("group", "territory", "parent_id", "owner_id", "timezone", "language")
    yield "", CustomerRegistered.TYPE, data | {name: row.optional(name) for name in more}
    if (own := row.optional("local_id")) is not None:
        yield "/linked", CustomerLinked.TYPE, {"system": row.reading.system or row.reading.source, "local_id": own}


def _invoice(row: Row) -> Iterable[tuple[str, str, Data]]:
    own = {"invoice_id": row.text("invoice"), "company": row.optional("company")}
    days = {"issued_on": row.day("issue_date"), "due_on": row.day("due_date")}
    yield "", InvoiceIssued.TYPE, own | days | {"total": row.money(), "order_id": row.optional("order")}
    if row.flag("disputed"):
        yield "/disputed", InvoiceDisputed.TYPE, own | {"disputed": True}


def _settlement(row: Row) -> Iterable[tuple[str, str, Data]]:
    types = {
        "payment": PaymentReceived.TYPE,
        "credit_note": CreditNoteIssued.TYPE,
        "write_off": DebtWrittenOff.TYPE,
    }
    total = row.money()
    yield (
        "",
        types[row.word("type", headings.SETTLEMENTS)],
        {
            "document_id": row.text("doc"),
            "dated_on": row.day("date"),
            "total": total,
            "applied_to": list(_applied(row, total)),
            "company": row.optional("company"),
        },
    )


def _applied(row: Row, total: Data) -> Iterable[Data]:
    """`INVOICE`, which gets all, or `INVOICE:AMOUNT`, several parted by a semicolon."""
    text = row.cells.get("applied_to", "")
    tokens = [token.strip() for token in headings.between(text) if token.strip()]
    rate = row.rate()
    for token in tokens:
        invoice, colon, part = token.replace("：", ":").rpartition(":")
        if not colon:
            invoice, part = token, total["amount"] if len(tokens) == 1 else ""
        if not invoice.strip() or not part.strip():
            said = f"{token[:60]!r} does not say how much; expected INVOICE:AMOUNT such as INV1:50.00;INV2:25.00"
            raise Refused("bad_cell", said, "applied_to")
        amount = row.amount("applied_to", part, total["currency"]) if colon else part
        yield {"invoice_id": invoice.strip(), "amount": amount} | ({"rate": rate} if rate else {})


def _purchase(row: Row) -> Iterable[tuple[str, str, Data]]:
    # Without a number of its own a purchase is known by its file and line: the same file again is the same purchases.
    own = row.optional("purchase") or f"{row.reading.digest}-{row.line}"
    more = {"channel": row.optional("channel"), "company": row.optional("company")}
    data = {"purchase_id": own, "purchased_on": row.day("date"), "total": row.money()}
    yield "", PurchaseMade.TYPE, data | more


_CUSTOMER_FIELDS: Final = {name.name: name.name for name in headings.CUSTOMERS}
KINDS: Final[Mapping[str, Kind]] = {
    "customers": Kind(
        "customers",
        headings.CUSTOMERS,
        frozenset({CustomerRegistered.TYPE}),
        _customer,
        _CUSTOMER_FIELDS | {"subject": "customer"},
    ),
    "invoices": Kind(
        "invoices",
        headings.INVOICES,
        frozenset({InvoiceIssued.TYPE, InvoiceDisputed.TYPE}),
        _invoice,
        {
            "subject": "customer",
            "invoice_id": "invoice",
            "issued_on": "issue_date",
            "due_on": "due_date",
            "total": "amount",
            "disputed": "disputed",
            "order_id": "order",
            "company": "company",
            "currency": "currency",
        },
    ),
    "settlements": Kind(
        "settlements",
        headings.SETTLEMENT_COLUMNS,
        frozenset({PaymentReceived.TYPE, CreditNoteIssued.TYPE, DebtWrittenOff.TYPE}),
        _settlement,
        {
            "subject": "customer",
            "document_id": "doc",
            "dated_on": "date",
            "total": "amount",
            "applied_to": "applied_to",
            "company": "company",
            "type": "type",
            "currency": "currency",
            "rate": "rate",
        },
    ),
    "purchases": Kind(
        "purchases",
        headings.PURCHASES,
        frozenset({PurchaseMade.TYPE}),
        _purchase,
        {
            "subject": "customer",
            "purchase_id": "purchase",
            "purchased_on": "date",
            "total": "amount",
            "channel": "channel",
            "company": "company",
            "currency": "currency",
        },
    ),
}

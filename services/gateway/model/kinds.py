"""The kinds of file that can be imported: their columns, and what a row of each says as events of the contracts.

A row is judged by the contracts' own checks, so that a refusal reads as it does everywhere else; what it is about is
told as the column in which it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from contracts.attributes import Attributes, read_attributes
from contracts.envelope import check_said
from contracts.events.customers import CustomerLinked, CustomerRegistered
from contracts.events.sales import PurchaseMade
from contracts.events.trade import (
    BalanceStated,
    CreditNoteIssued,
    DebtWrittenOff,
    InvoiceDisputed,
    InvoiceIssued,
    PaymentReceived,
)
from contracts.refusal import Refused
from services.gateway.model import headings
from services.gateway.model.columns import Column
from services.gateway.model.rows import Data, Row

_json: Final = msgspec.json.Encoder()


class Fact(NamedTuple):
    """An event of a row. `suffix` tells it from the others of the row; `data` is its payload as JSON."""

    suffix: str
    type: str
    subject: str
    data: bytes


class Kind(NamedTuple):
    """A kind of file. `fields` says which column the places in its events come from. Rows one below the other that are
    alike in the columns `together` make one event, with a list of them under the name `listed`.
    """

    name: str
    columns: tuple[Column, ...]
    types: frozenset[str]
    read: Callable[[Row], Iterable[tuple[str, str, Data]]]
    fields: Mapping[str, str]
    together: tuple[str, ...] = ()
    listed: str = ""

    def facts(self, row: Row) -> list[Fact]:
        """The events of a row. Raises Refused `bad_cell`, `cell_missing`, whose field is the column."""
        subject = row.account()
        return [
            Fact(suffix, event_type, subject, _json.encode({name: value for name, value in data.items() if value}))
            for suffix, event_type, data in self.read(row)
        ]

    def joined(self, facts: Sequence[Fact]) -> Fact:
        """The one event of rows that belong together, from those that each of them would be."""
        first = facts[0]
        if len(facts) == 1:
            return first
        data = [msgspec.json.decode(fact.data, type=Data) for fact in facts]
        listed = [part for one in data for part in one[self.listed]]
        return first._replace(data=_json.encode(data[0] | {self.listed: listed}))

    def column_of(self, field: str | None) -> str | None:
        """The column that a place (`$.total.amount`, an attribute, or a column itself) is about."""
        if field is None or field in self.fields.values():
            return field
        parts = field.split("[")[0].split(".")
        return self.fields.get(parts[1] if len(parts) > 1 else parts[0])


def judge(
    kind: Kind, fact: Fact, source: str, event_id: str, said_at: str, now: datetime, history: str | None = None
) -> Attributes:
    """The attributes of a fact that the contracts take. `said_at` is its time (ISO 8601), `now` the moment of sending,
    `history` the day of cut-over (ISO 8601) where it is of a load of the past.

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
    if history is not None:
        given["ce_history"] = history.encode()
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


def _balance(row: Row) -> Iterable[tuple[str, str, Data]]:
    data = {"as_of": row.day("as_of"), "open": [row.money("open")], "company": row.optional("company")}
    yield "", BalanceStated.TYPE, data


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
    "balances": Kind(
        "balances",
        headings.BALANCES,
        frozenset({BalanceStated.TYPE}),
        _balance,
        {
            "subject": "customer",
            "as_of": "as_of",
            "open": "open",
            "company": "company",
            "currency": "currency",
        },
        together=("customer", "as_of", "company"),
        listed="open",
    ),
}

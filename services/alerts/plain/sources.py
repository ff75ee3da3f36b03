"""What the CSV files of `rapport age` say, row by row, checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeVar

from services.alerts.model.ageing import Limit
from services.alerts.model.open_item import SettlementKind
from services.alerts.model.rates import NO_RATES, Rate, Rates
from services.alerts.plain.tables import Problem, Row, Unreadable, read_table

INVOICE_COLUMNS: Final = ("invoice", "customer", "currency", "issue_date", "due_date", "amount")
SETTLEMENT_COLUMNS: Final = ("doc", "type", "customer", "currency", "date", "amount", "applied_to")
LIMIT_COLUMNS: Final = ("customer", "limit", "currency")
RATE_COLUMNS: Final = ("currency", "rate")

_KINDS: Final[Mapping[str, SettlementKind]] = {
    "payment": "payment",
    "credit_note": "credit_note",
    "write_off": "write_off",
}
_ZERO: Final = Decimal(0)
_between = re.compile(r"[;；|]").split
_like_amount = re.compile(r"[-+.,0-9].*|").fullmatch

Key = tuple[str, str, str]  # customer, company, invoice or document
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """A line of the invoices."""

    file: str
    line: int
    key: Key
    currency: str
    issued_on: date
    due_on: date
    total: Decimal
    disputed: bool

    @property
    def content(self) -> tuple[object, ...]:
        """What makes a repeated line the same one."""
        return self.currency, self.issued_on, self.due_on, self.total, self.disputed


@dataclass(frozen=True, slots=True)
class SettlementRow:
    """A line of the settlements. In `applied_to` an amount of None means: as much as the invoice can take."""

    file: str
    line: int
    key: Key
    kind: SettlementKind
    currency: str
    dated_on: date
    total: Decimal
    applied_to: tuple[tuple[str, Decimal | None], ...]
    rate: Decimal | None

    @property
    def content(self) -> tuple[object, ...]:
        """What makes a repeated line the same one."""
        return self.kind, self.currency, self.dated_on, self.total, self.applied_to, self.rate


R = TypeVar("R", InvoiceRow, SettlementRow)


@dataclass(slots=True)
class Sources:
    """All that the files say, before it is put together."""

    invoices: dict[Key, InvoiceRow]
    settlements: dict[Key, SettlementRow]
    limits: dict[str, Limit] = field(default_factory=dict)
    rates: Rates = NO_RATES


def read_sources(invoices: Path, settlements: Path, limits: Path | None = None, rates: Path | None = None) -> Sources:
    """Read all files.

    Raises:
        Unreadable: with the problems of all of them.
    """
    problems: list[Problem] = []

    def attempt(read: Callable[[], T], nothing: T) -> T:
        try:
            return read()
        except Unreadable as unreadable:
            problems.extend(unreadable.problems)
            return nothing

    found = Sources({}, {})
    found.invoices = attempt(lambda: _read_invoices(invoices), {})
    known = {invoice for _, _, invoice in found.invoices}
    found.settlements = attempt(lambda: _read_settlements(settlements, known), {})
    if limits is not None:
        found.limits = attempt(lambda: _read_limits(limits), {})
    if rates is not None:
        found.rates = attempt(lambda: _read_rates(rates, found), NO_RATES)
    if problems:
        raise Unreadable(problems)
    return found


def _read_invoices(path: Path) -> dict[Key, InvoiceRow]:
    expected = "expected one row for each invoice"
    return _once(read_table(path, INVOICE_COLUMNS, _invoice), "invoice", expected)


def _read_settlements(path: Path, known: set[str]) -> dict[Key, SettlementRow]:
    expected = "expected one row for each document (applied_to takes several invoices, INV1:50.00;INV2:25.00)"
    return _once(read_table(path, SETTLEMENT_COLUMNS, lambda row: _settlement(row, known)), "doc", expected)


def _invoice(row: Row) -> InvoiceRow:
    key = row.text("customer"), row.optional("company"), row.text("invoice")
    currency = row.currency()
    return InvoiceRow(
        file=row.file,
        line=row.line,
        key=key,
        currency=currency,
        issued_on=row.day("issue_date"),
        due_on=row.day("due_date"),
        total=row.amount("amount", currency),
        disputed=row.flag("disputed"),
    )


def _settlement(row: Row, known: set[str]) -> SettlementRow:
    key = row.text("customer"), row.optional("company"), row.text("doc")
    kind = _KINDS.get(row.text("type").lower())
    if kind is None:
        raise row.refuse(
            "type", f"{row.optional('type')[:40]!r} is not known; expected payment, credit_note or write_off"
        )
    currency = row.currency()
    total = row.amount("amount", currency)
    if not total:
        raise row.refuse("amount", "is zero; expected more, a document settles something")
    applied = tuple(_applied(row, token.strip(), currency, known) for token in _tokens(row))
    used = sum((amount for _, amount in applied if amount is not None), _ZERO)
    if used > total:
        raise row.refuse("applied_to", f"comes to {used}, but the document is of {total}; expected the total at most")
    return SettlementRow(
        file=row.file,
        line=row.line,
        key=key,
        kind=kind,
        currency=currency,
        dated_on=row.day("date"),
        total=total,
        applied_to=applied,
        rate=row.rate("rate") if row.optional("rate") else None,
    )


def _tokens(row: Row) -> list[str]:
    return [token for token in _between(row.optional("applied_to")) if token.strip()]


def _applied(row: Row, token: str, currency: str, known: set[str]) -> tuple[str, Decimal | None]:
    """An invoice, or `INVOICE:AMOUNT`. An id that is known as it stands is one, whatever it looks like."""
    if token in known:
        return token, None
    invoice, colon, text = token.replace("：", ":").rpartition(":")
    if not colon or _like_amount(text.strip()) is None:
        if "," in token:
            message = f"{token[:60]!r} is no known invoice; expected INVOICE or INVOICE:AMOUNT, several parted by ;"
            raise row.refuse("applied_to", message)
        return token, None
    if not invoice.strip() or not text.strip():
        raise row.refuse("applied_to", f"{token[:60]!r}: expected INVOICE or INVOICE:AMOUNT such as INV1:50.00")
    amount = row.money("applied_to", text.strip(), currency)
    if not amount:
        raise row.refuse("applied_to", f"{token[:60]!r} applies nothing; expected an amount above zero, or none")
    return invoice.strip(), amount


def _once(rows: list[R], column: str, expected: str) -> dict[Key, R]:
    """The rows by key. The same line again is the same document; other content under its key is refused."""
    found: dict[Key, R] = {}
    problems: list[Problem] = []
    for row in rows:
        held = found.setdefault(row.key, row)
        if held.content != row.content:
            message = f"{row.key[2]} of {row.key[0]} stands on line {held.line} with other content; {expected}"
            problems.append(Problem(row.file, row.line, column, message))
    if problems:
        raise Unreadable(problems)
    return found


def _read_limits(path: Path) -> dict[str, Limit]:
    limits: dict[str, tuple[Limit, int]] = {}

    def take(row: Row) -> None:
        customer = row.text("customer")
        if row.optional("limit"):
            currency = row.currency()
            limit = Limit(amount=row.amount("limit", currency), currency=currency)
        else:
            limit = Limit()
        held, line = limits.setdefault(customer, (limit, row.line))
        if held != limit:
            raise row.refuse("customer", f"{customer} has another limit on line {line}; expected one")

    read_table(path, LIMIT_COLUMNS, take)
    return {customer: limit for customer, (limit, _) in limits.items()}


def _read_rates(path: Path, sources: Sources) -> Rates:
    held: dict[tuple[str, date | None], tuple[Decimal, int]] = {}

    def take(row: Row) -> Rate:
        on = row.day("date") if row.optional("date") else None
        rate = Rate(currency=row.currency(), rate=row.rate("rate"), on=on)
        known, line = held.setdefault((rate.currency, on), (rate.rate, row.line))
        if known != rate.rate:
            raise row.refuse("rate", f"line {line} gives {rate.currency} another rate for the same day; expected one")
        return rate

    return Rates(read_table(path, RATE_COLUMNS, take), _to_convert(sources))


def _to_convert(sources: Sources) -> set[str]:
    """Currencies that a limit or a settlement sets against another one: the base of the rates must be among them."""
    owed: dict[str, set[str]] = {}
    for customer, limit in sources.limits.items():
        if limit.currency is not None:
            owed[customer] = {limit.currency}
    rows: list[InvoiceRow | SettlementRow] = [*sources.invoices.values(), *sources.settlements.values()]
    for row in rows:
        if row.key[0] in owed:
            owed[row.key[0]].add(row.currency)
    met = [currencies for currencies in owed.values() if len(currencies) > 1]
    for settlement in sources.settlements.values():
        customer, company, _ = settlement.key
        for invoice, _ in settlement.applied_to:
            known = sources.invoices.get((customer, company, invoice))
            if known is not None and known.currency != settlement.currency:
                met.append({known.currency, settlement.currency})
    return set().union(*met)

"""A row of a file: its cells, read as what a column holds; what cannot be read is refused with its column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from contracts.events.customers import local_account
from contracts.money import minor_units
from contracts.refusal import Refused
from services.gateway.model import cells
from services.gateway.model.cells import Mark

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

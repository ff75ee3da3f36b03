"""How well a period's sales were turned into money: days sales outstanding and what of them is lateness.

Formulas as in methods.md, Trade. Receivables are what is open of invoices at the end of a day, exactly as in ageing:
unapplied credit is not taken off, for it reduces no bucket, and the current part must stay a part of the whole. Credit
sales are the totals of the invoices issued in the period, both its days included; whatever settles an invoice (payment,
credit note, write-off) makes it less open and leaves sales as they are; one cancelled within the period is no sale.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

import msgspec

from services.alerts.model.exchange import ratio
from services.alerts.model.open_item import OpenItem, days_past_due, open_on, total_on

_ZERO: Final = Decimal(0)
_PLACES: Final = Decimal("0.0001")
NO_SALES: Final = "nothing was invoiced in the period, so there are no days of sales"
NOTHING_DUE: Final = "nothing came up for collection in the period, so there is no rate of it"


class CollectionRow(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a currency, or of a customer in one (`customer` is empty where all are taken together).

    Money is exact. The four figures are rounded half to even to four places, each from exact values, so that in the
    last place the days delinquent may differ from the difference of the other two. None has its reason in `reasons`.
    """

    customer: str
    currency: str
    first: date
    last: date
    begin_total: Decimal
    sales: Decimal
    end_total: Decimal
    end_current: Decimal

    @property
    def days(self) -> int:
        """Days of the period, both ends included."""
        return (self.last - self.first).days + 1

    @property
    def dso(self) -> Decimal | None:
        """Days sales outstanding: end_total / sales * days. None without sales."""
        return self._days_of_sales(self.end_total)

    @property
    def best_possible_dso(self) -> Decimal | None:
        """The same with what is not overdue yet: what it would be if all paid in time. None without sales."""
        return self._days_of_sales(self.end_current)

    @property
    def average_days_delinquent(self) -> Decimal | None:
        """The difference of the two, the days of sales that are overdue. None without sales."""
        return self._days_of_sales(self.end_total - self.end_current)

    @property
    def collection_effectiveness(self) -> Decimal | None:
        """(begin + sales - end total) / (begin + sales - end current) * 100, in per cent.

        100: all that fell due was collected. None where nothing could be collected: all is current.
        """
        base = self.begin_total + self.sales
        due = base - self.end_current
        return None if due <= 0 else _rounded(ratio((base - self.end_total) * 100, due))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why figures are missing, as sentences without a full stop."""
        missing = (NO_SALES if self.dso is None else "", NOTHING_DUE if self.collection_effectiveness is None else "")
        return tuple(reason for reason in missing if reason)

    def _days_of_sales(self, amount: Decimal) -> Decimal | None:
        return None if not self.sales else _rounded(ratio(amount * self.days, self.sales))


@dataclass(slots=True)
class _Sum:
    begin: Decimal = _ZERO
    sales: Decimal = _ZERO
    end: Decimal = _ZERO
    current: Decimal = _ZERO


def collection(
    items: Iterable[OpenItem], first: date, last: date, *, by_customer: bool = False
) -> tuple[CollectionRow, ...]:
    """The figures of the period from `first` to `last`, by currency, sorted.

    Receivables at the beginning are those at the end of the day before `first`, so that of two periods that touch one
    ends with what the next begins with. A currency (or customer) without sales and with nothing open at either end has
    no row.

    Raises:
        ValueError: the period ends before it begins.
    """
    if last < first:
        raise ValueError(f"the period ends on {last}, before it begins on {first}")
    sums: dict[tuple[str, str], _Sum] = {}
    for item in items:
        if item.invoice is not None:
            key = item.subject if by_customer else "", item.invoice.currency
            _add(sums.setdefault(key, _Sum()), item, first, last)
    return tuple(
        CollectionRow(
            customer=customer,
            currency=currency,
            first=first,
            last=last,
            begin_total=one.begin,
            sales=one.sales,
            end_total=one.end,
            end_current=one.current,
        )
        for (customer, currency), one in sorted(sums.items())
        if one.begin or one.sales or one.end
    )


def _add(to: _Sum, item: OpenItem, first: date, last: date) -> None:
    facts, late = item.invoice, days_past_due(item, last)
    if facts is None or late is None:
        return
    left = open_on(item, last)
    to.begin += open_on(item, first - timedelta(days=1)) if first > date.min else _ZERO
    to.end += left
    to.current += left if late <= 0 else _ZERO
    if first <= facts.issued_on <= last:
        to.sales += total_on(item, last) or _ZERO


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(_PLACES, rounding=ROUND_HALF_EVEN)

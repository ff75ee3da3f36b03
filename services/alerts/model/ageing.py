"""Ageing and exposure of many customers at a day, from the same items and settlements as the alerts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

import msgspec

from services.alerts.model.exchange import convert, ratio
from services.alerts.model.open_item import BUCKETS, OpenItem, bucket, days_past_due, open_on, returned_on
from services.alerts.model.rates import NO_RATES, RateMissing, Rates
from services.alerts.model.settlement import Settlement, credit_on

_ZERO: Final = Decimal(0)
_UTILISATION: Final = Decimal("0.0001")


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's credit limit: an amount of 0 means no credit; no amount means that nothing is checked."""

    amount: Decimal | None = None
    currency: str | None = None


class OpenItemRow(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice with something open. `days_past_due` is below zero before the due date."""

    invoice: str
    customer: str
    currency: str
    due_date: date
    open: Decimal
    days_past_due: int
    bucket: str


class AgeingRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer owes in one currency. `buckets` in the order of BUCKETS; they add up to `open_total`.

    `overdue` is all but the first bucket. `unapplied_credit` reduces `net`, never a bucket; it is below zero where more
    was applied of a settlement than there was.
    """

    customer: str
    currency: str
    buckets: tuple[Decimal, ...]
    unapplied_credit: Decimal

    @property
    def open_total(self) -> Decimal:
        """All that is open."""
        return sum(self.buckets, _ZERO)

    @property
    def overdue(self) -> Decimal:
        """What is open past its due date."""
        return sum(self.buckets[1:], _ZERO)

    @property
    def net(self) -> Decimal:
        """What is open less unapplied credit."""
        return self.open_total - self.unapplied_credit


class ExposureRow(msgspec.Struct, frozen=True, kw_only=True):
    """A customer against his limit, all in `currency`, the limit's.

    `utilisation` is net / limit to four places, None for a limit of 0 or none; `over_limit` is None where none is set
    (not checked). A customer without a limit is shown in the one currency he owes in; with several there is none to add
    them in, and the figures are None.
    """

    customer: str
    limit: Decimal | None
    currency: str | None
    gross: Decimal | None
    net: Decimal | None
    overdue: Decimal | None
    utilisation: Decimal | None
    over_limit: bool | None


class Aged(msgspec.Struct, frozen=True, kw_only=True):
    """The three tables of `rapport age`, each sorted by customer and currency."""

    open_items: tuple[OpenItemRow, ...]
    ageing: tuple[AgeingRow, ...]
    exposure: tuple[ExposureRow, ...]


@dataclass(slots=True)
class _Account:
    """A customer's money of one currency while it is being added up."""

    buckets: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(BUCKETS, _ZERO))
    credit: Decimal = _ZERO


def age(
    items: Iterable[OpenItem],
    settlements: Iterable[Settlement],
    as_of: date,
    limits: Mapping[str, Limit] | None = None,
    rates: Rates = NO_RATES,
) -> Aged:
    """Open items, ageing and exposure at the end of `as_of`.

    Args:
        items: invoices with the entries that settlements made on them.
        settlements: the same settlements; what they hold on account is unapplied credit.
        limits: by customer; a customer who is not there is not checked.
        rates: needed only where a customer with a limit owes in another currency than the limit's; the sum of each
            currency is converted at the rate of the day and rounded half to even.

    Raises:
        RateMissing: exposure would need a rate that is not there.
    """
    rows: list[OpenItemRow] = []
    accounts: dict[tuple[str, str], _Account] = defaultdict(_Account)
    for item in items:
        row = _open_row(item, as_of)
        if row is not None:
            rows.append(row)
            accounts[row.customer, row.currency].buckets[row.bucket] += row.open
        for currency, amount in returned_on(item, as_of).items():
            accounts[item.subject, currency].credit += amount
    for settlement in settlements:
        if settlement.receipt is not None and (credit := credit_on(settlement, as_of)):
            accounts[settlement.subject, settlement.receipt.currency].credit += credit
    ageing = tuple(
        AgeingRow(
            customer=customer, currency=currency, buckets=tuple(one.buckets.values()), unapplied_credit=one.credit
        )
        for (customer, currency), one in sorted(accounts.items())
        if one.credit or any(one.buckets.values())
    )
    rows.sort(key=lambda row: (row.customer, row.currency, row.due_date, row.invoice))
    return Aged(open_items=tuple(rows), ageing=ageing, exposure=_exposure(ageing, limits or {}, rates, as_of))


def _open_row(item: OpenItem, as_of: date) -> OpenItemRow | None:
    amount = open_on(item, as_of)
    late = days_past_due(item, as_of)
    facts = item.invoice
    if not amount or facts is None or late is None:
        return None
    return OpenItemRow(
        invoice=item.invoice_id,
        customer=item.subject,
        currency=facts.currency,
        due_date=facts.due_on,
        open=amount,
        days_past_due=late,
        bucket=bucket(late),
    )


def _exposure(
    ageing: tuple[AgeingRow, ...], limits: Mapping[str, Limit], rates: Rates, as_of: date
) -> tuple[ExposureRow, ...]:
    owed: dict[str, list[AgeingRow]] = {customer: [] for customer in limits}
    for row in ageing:
        owed.setdefault(row.customer, []).append(row)
    return tuple(
        _exposure_row(customer, owed[customer], limits.get(customer, Limit()), rates, as_of)
        for customer in sorted(owed)
    )


def _exposure_row(customer: str, rows: list[AgeingRow], limit: Limit, rates: Rates, as_of: date) -> ExposureRow:
    currency = limit.currency if limit.amount is not None else None
    if currency is None:
        held = {row.currency for row in rows}
        currency = held.pop() if len(held) == 1 else None
    if currency is None:
        return ExposureRow(
            customer=customer,
            limit=None,
            currency=None,
            gross=None,
            net=None,
            overdue=None,
            utilisation=None,
            over_limit=None,
        )
    gross = net = overdue = _ZERO
    for row in rows:
        rate = _rate(customer, row.currency, currency, rates, as_of)
        gross += convert(row.open_total, rate, currency)
        net += convert(row.net, rate, currency)
        overdue += convert(row.overdue, rate, currency)
    return ExposureRow(
        customer=customer,
        limit=limit.amount,
        currency=currency,
        gross=gross,
        net=net,
        overdue=overdue,
        utilisation=_utilisation(net, limit.amount),
        over_limit=None if limit.amount is None else net > limit.amount,
    )


def _rate(customer: str, currency: str, other: str, rates: Rates, as_of: date) -> Decimal:
    try:
        return rates.between(currency, other, as_of)
    except RateMissing as missing:
        where = f"the exposure of customer {customer} is in {currency}, his limit in {other}"
        raise RateMissing(f"{where}: {missing}") from None


def _utilisation(net: Decimal, limit: Decimal | None) -> Decimal | None:
    return None if not limit else ratio(net, limit).quantize(_UTILISATION, rounding=ROUND_HALF_EVEN)

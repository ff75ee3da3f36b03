"""Credit limits by day, and what a customer owes against them as running sums.

A dealer may have ten thousand open items, and every event of his asks how much he owes. So his account holds the sums
by company and currency, and an event only moves the difference that it makes. What a document counts for is worked out
from its facts and a day, before and after the event, so that nothing has to be remembered beside it. A document may
count from a day ahead on (an invoice dated ahead, a cancellation); then the sum says so beside its amount: it is a
function of the day too, and no document has to be looked at again when that day comes.

On every day from the last change on, the sums equal what `model.ageing.age` makes of the same documents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Final

import msgspec

from services.alerts.model.facts import FactKey
from services.alerts.model.open_item import OpenItem, open_on, returned_on
from services.alerts.model.order import Order, ordered_on
from services.alerts.model.settlement import Settlement, credit_on

_ZERO: Final = Decimal(0)
# What a document counts for: amounts by currency and the day from which they count; None: they count now.
Moves = Mapping[tuple[str, date | None], Decimal]
NOTHING: Final[Moves] = {}
_NOW: Final = {None}


class Granted(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A credit limit from a day on; `amount` 0: no credit, None: not checked. Of one company, or of all (empty)."""

    valid_from: date
    key: FactKey
    company: str = ""
    amount: Decimal | None = None
    currency: str = ""


class Ahead(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """By so much a sum changes on a day that lies ahead."""

    on: date
    amount: Decimal


class Sum(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What is owed to a company in a currency, less unapplied credit; below zero where there is more of that."""

    company: str = ""
    currency: str
    amount: Decimal = _ZERO
    ahead: tuple[Ahead, ...] = ()


def granted_on(limits: Iterable[Granted], company: str, day: date) -> Granted | None:
    """The limit of a company (empty: the one of all) that holds on a day; None before the first. `limits` are sorted
    by day and fact.
    """
    held: Granted | None = None
    for limit in limits:
        if limit.valid_from > day:
            break
        if limit.company == company:
            held = limit
    return held


def owed_by_item(item: OpenItem | None, today: date) -> Moves:
    """What an invoice counts for from `today` on: what is open of it, less what it could not use of what was paid."""
    if item is None:
        return NOTHING
    days = {entry.on for entry in item.entries}
    if item.invoice is not None:
        days.add(item.invoice.issued_on)
    if item.cancelled is not None:
        days.add(item.cancelled.on)
    return _moves(days, today, lambda day: item_net(item, day))


def owed_by_settlement(settlement: Settlement | None, today: date) -> Moves:
    """What a document counts for from `today` on: below zero what of it lies on account."""
    if settlement is None or settlement.receipt is None:
        return NOTHING
    receipt = settlement.receipt
    days = {receipt.dated_on, *(one.on for one in settlement.applications)}
    days |= {one.dated_on for one in settlement.reversals}
    return _moves(days, today, lambda day: {receipt.currency: -credit_on(settlement, day)})


def owed_by_order(order: Order | None, today: date) -> Moves:
    """What an order counts for from `today` on."""
    facts = order.facts if order is not None else None
    if order is None or facts is None:
        return NOTHING
    days = {facts.ordered_on} | ({order.closed.on} if order.closed is not None else set())
    return _moves(days, today, lambda day: {facts.currency: ordered_on(order, day)})


def shifted(sums: tuple[Sum, ...], company: str, before: Moves, after: Moves, today: date) -> tuple[Sum, ...]:
    """The sums, when a document of the company that counted as `before` counts as `after`; days up to `today` have
    come.
    """
    difference: dict[tuple[str, date | None], Decimal] = dict(after)
    for at, amount in before.items():
        difference[at] = difference.get(at, _ZERO) - amount
    by_currency: dict[str, dict[date | None, Decimal]] = {}
    for (currency, on), amount in difference.items():
        if amount:
            by_currency.setdefault(currency, {})[on] = amount
    if not by_currency:
        return sums
    held = {(one.company, one.currency): one for one in sums}
    for currency, changes in by_currency.items():
        place = (company, currency)
        held[place] = _moved(held.get(place) or Sum(company=company, currency=currency), changes)
    return settled(tuple(held[place] for place in sorted(held)), today)


def settled(sums: tuple[Sum, ...], today: date) -> tuple[Sum, ...]:
    """The same sums in their one form on a day: what has come is in the amount, what comes to nothing is gone."""
    found = []
    for one in sums:
        if not one.ahead:
            found += [one] if one.amount else []
            continue
        come = sum((ahead.amount for ahead in one.ahead if ahead.on <= today), one.amount)
        left = tuple(ahead for ahead in one.ahead if ahead.on > today and ahead.amount)
        if come or left:
            found.append(msgspec.structs.replace(one, amount=come, ahead=left))
    return tuple(found)


def net_on(sums: Iterable[Sum], company: str, day: date) -> dict[str, Decimal]:
    """What the sums of a company (empty: of all) come to by the end of a day, by currency, without zeros."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for one in sums:
        if company in ("", one.company):
            found[one.currency] += sum((ahead.amount for ahead in one.ahead if ahead.on <= day), one.amount)
    return {currency: found[currency] for currency in sorted(found) if found[currency]}


def next_move(sums: Iterable[Sum], company: str, after: date) -> date | None:
    """The first day after `after` on which the sums of a company (empty: of all) change by waiting."""
    days = (ahead.on for one in sums if company in ("", one.company) for ahead in one.ahead)
    return min((day for day in days if day > after), default=None)


def counted(items: Iterable[OpenItem], settlements: Iterable[Settlement], today: date) -> tuple[Sum, ...]:
    """The sums from nothing: what `shifted` must have led to. For a check, and for accounts from before there were
    sums.
    """
    sums: tuple[Sum, ...] = ()
    for item in items:
        sums = shifted(sums, item.company, NOTHING, owed_by_item(item, today), today)
    for settlement in settlements:
        sums = shifted(sums, settlement.company, NOTHING, owed_by_settlement(settlement, today), today)
    return sums


def item_net(item: OpenItem, day: date) -> dict[str, Decimal]:
    net = {currency: -amount for currency, amount in returned_on(item, day).items()}
    if item.invoice is not None:
        currency = item.invoice.currency
        net[currency] = net.get(currency, _ZERO) + open_on(item, day)
    return net


def _moves(days: Iterable[date], today: date, net: Callable[[date], dict[str, Decimal]]) -> Moves:
    last = net(today)
    moves: dict[tuple[str, date | None], Decimal] = {(currency, None): amount for currency, amount in last.items()}
    for day in sorted({day for day in days if day > today}):
        then = net(day)
        for currency in then.keys() | last.keys():
            moves[currency, day] = then.get(currency, _ZERO) - last.get(currency, _ZERO)
        last = then
    return moves


def _moved(one: Sum, changes: Mapping[date | None, Decimal]) -> Sum:
    if not one.ahead and changes.keys() == _NOW:  # by far the most
        return Sum(company=one.company, currency=one.currency, amount=one.amount + changes[None])
    ahead: dict[date, Decimal] = defaultdict(Decimal, {step.on: step.amount for step in one.ahead})
    amount = one.amount
    for on, change in changes.items():
        if on is None:
            amount += change
        else:
            ahead[on] += change
    steps = tuple(Ahead(on=on, amount=ahead[on]) for on in sorted(ahead))
    return msgspec.structs.replace(one, amount=amount, ahead=steps)

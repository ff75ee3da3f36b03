"""What the books say a customer owes, beside what we have: the same day, the same money, and whether they agree.

What is compared is the *balance* of the customer's account, as ledgers of debtors have it: invoices less payments and
credit notes, whether or not they have been applied to an invoice yet, less what was written off. That is our `net`
(model/ageing.py): what is open less unapplied credit, which may be below zero. What is open of invoices alone would
differ by every payment that one side has applied and the other has not, and no money is missing then.

Both sides are taken at the end of the day that the books name. What is dated later does not count, whenever it came;
what comes late and is dated up to that day does. So a comparison holds a day, not a moment: each fact that comes moves
it by what it changes on that day, and in whatever order facts and statements come, the figures are the same.

A statement names all currencies in which something is open: one that we have and the books do not name is stated as
zero. One with a legal entity is held against what is owed to that entity, one without against all of the customer's. Of
several for the same entity the one of the latest day holds, and of one day's the one said last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Final

import msgspec

from services.alerts.model.credit import item_net
from services.alerts.model.facts import FactKey
from services.alerts.model.open_item import OpenItem
from services.alerts.model.settlement import Settlement, credit_on

_ZERO: Final = Decimal(0)
# What a document adds to the balance at the end of a day, by currency.
Net = Callable[[date], Mapping[str, Decimal]]


class Side(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A currency on both sides: what we have, and what the books state; `apart`: the two differ."""

    currency: str
    ours: Decimal = _ZERO
    stated: Decimal = _ZERO
    apart: bool = False

    @property
    def difference(self) -> Decimal:
        """Ours less theirs: above zero where we have more open than the books."""
        return self.ours - self.stated


class Stated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A statement of the books and our figures of that day, by currency and without currencies that are zero on both
    sides. `company` is the legal entity, empty where it is of all. `out`: they do not agree.
    """

    company: str = ""
    as_of: date
    key: FactKey
    sides: tuple[Side, ...] = ()
    out: bool = False


def compared(company: str, as_of: date, key: FactKey, stated: Mapping[str, Decimal], ours: Iterable[Net]) -> Stated:
    """A statement beside the documents it is about; `ours` are those of the company."""
    sums = dict.fromkeys(stated, _ZERO)
    for net in ours:
        for currency, amount in net(as_of).items():
            sums[currency] = sums.get(currency, _ZERO) + amount
    sides = (Side(currency=one, ours=sums[one], stated=stated.get(one, _ZERO)) for one in sums)
    return _of(Stated(company=company, as_of=as_of, key=key), sides)


def with_stated(held: tuple[Stated, ...], fresh: Stated) -> tuple[Stated, ...]:
    """The statements, one for each company, with one more; of two for the same company the later holds."""
    by_company = {one.company: one for one in held}
    before = by_company.get(fresh.company)
    if before is not None and not is_later(fresh.as_of, fresh.key, before):
        return held
    by_company[fresh.company] = fresh
    return tuple(by_company[company] for company in sorted(by_company))


def is_later(as_of: date, key: FactKey, than: Stated) -> bool:
    """Whether what is stated for a day takes the place of what is held."""
    return (than.as_of, than.key) < (as_of, key)


def moved(held: tuple[Stated, ...], company: str, before: Net, after: Net) -> tuple[Stated, ...]:
    """The statements, when a document of the company that counted as `before` counts as `after`."""
    return tuple(_moved(one, before, after) if one.company in ("", company) else one for one in held)


def net_of_item(item: OpenItem | None) -> Net:
    """What an invoice adds: what is open of it, less what it could not use of what was paid."""
    return lambda day: {} if item is None else item_net(item, day)


def net_of_settlement(settlement: Settlement | None) -> Net:
    """What a payment or credit note adds, below zero: what of it lies on account (the rest, the invoices say)."""

    def net(day: date) -> Mapping[str, Decimal]:
        if settlement is None or settlement.receipt is None:
            return {}
        return {settlement.receipt.currency: -credit_on(settlement, day)}

    return net


def apart(stated: Iterable[Stated]) -> bool:
    """Whether a customer's books and ours do not agree somewhere."""
    return any(one.out for one in stated)


def _moved(one: Stated, before: Net, after: Net) -> Stated:
    was, now = before(one.as_of), after(one.as_of)
    change = {currency: now.get(currency, _ZERO) - was.get(currency, _ZERO) for currency in was.keys() | now.keys()}
    if not any(change.values()):
        return one
    sides = {side.currency: side for side in one.sides}
    for currency, amount in change.items():
        side = sides.get(currency) or Side(currency=currency)
        sides[currency] = msgspec.structs.replace(side, ours=side.ours + amount)
    return _of(one, sides.values())


def _of(one: Stated, sides: Iterable[Side]) -> Stated:
    kept = (
        msgspec.structs.replace(side, apart=bool(side.difference))
        for side in sorted(sides, key=lambda side: side.currency)
        if side.ours or side.stated
    )
    found = tuple(kept)
    return msgspec.structs.replace(one, sides=found, out=any(side.apart for side in found))

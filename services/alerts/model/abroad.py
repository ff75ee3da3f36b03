"""Which of a customer's money needs an exchange rate to be held against his limits, and whether his account has one.

Rates are the company's, and a fold reads nothing but its own customer. So his account says what it wants, a worker
brings it the rates there are (rating.py), and they stay with it, each as a fact of his own ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import msgspec

from services.alerts.model.account import Account
from services.alerts.model.credit import granted_on
from services.alerts.model.quotes import Pair, Quote, Wanted, conversion, current, useful, with_quote


def wanted(account: Account, orders: bool, today: date) -> set[Pair]:
    """The currencies of what he owes (and has on order, if that counts), each with that of a limit it is held against.
    Money dated ahead is among it, and so are limits to come: what they need is there when they begin.
    """
    sums = (*account.owed, *account.ordered) if orders else account.owed
    if len({one.currency for one in sums} | {one.currency for one in account.limits if one.amount is not None}) < 2:
        return set()  # nearly everybody, at nearly every event
    companies = {limit.company for limit in account.limits}
    limits = [granted_on(account.limits, company, today) for company in sorted(companies)]
    limits += [limit for limit in account.limits if limit.valid_from > today]
    return {
        (one.currency, limit.currency)
        for limit in limits
        if limit is not None and limit.amount is not None
        for one in sums
        if one.currency != limit.currency and limit.company in ("", one.company)
    }


def looked_over(account: Account, orders: bool, today: date, *, past: bool = False) -> Account:
    """The account with what it wants now; the same where that has not changed. Rates that it needs no more are gone,
    for nobody would keep them up to date. `past`: the fact that has just been counted is of before the cut-over.
    """
    pairs = wanted(account, orders, today)
    if not pairs and not account.wants:
        return account
    held = {one.pair: one for one in account.wants}
    wants = tuple(held.get(pair) or Wanted(currency=pair[0], into=pair[1], past=past) for pair in sorted(pairs))
    day = reached(account, today)
    return _kept(account, wants, useful(current(account.rates, day), pairs), day)


def reached(account: Account, day: date) -> date:
    """The day whose rates hold: no fact that was read late, after rates of later days were brought, goes back behind
    these, for those they took the place of are gone.
    """
    return max(day, account.rated_on or day)


def with_rates(account: Account, quotes: Iterable[Quote], today: date) -> Account:
    """The account with these rates, as far as it wants them; the same where they change nothing."""
    rates, day = account.rates, reached(account, today)
    for one in quotes:
        rates = with_quote(rates, one, day)
    return _kept(account, account.wants, useful(rates, [one.pair for one in account.wants]), day)


def without(account: Account, table: Sequence[Quote]) -> list[str]:
    """What the account wants and none of all rates gives, as pairs such as USD/CNY."""
    return [one.name for one in account.wants if not _rated(table, one)]


def _kept(account: Account, wants: tuple[Wanted, ...], rates: tuple[Quote, ...], day: date) -> Account:
    unrated = tuple(one.name for one in wants if not _rated(rates, one))
    rated_on = max((one.on for one in rates if one.on <= day), default=None)
    if (wants, rates, unrated, rated_on) == (account.wants, account.rates, account.unrated, account.rated_on):
        return account
    return msgspec.structs.replace(account, wants=wants, rates=rates, unrated=unrated, rated_on=rated_on)


def _rated(rates: Iterable[Quote], one: Wanted) -> bool:
    return conversion(rates, one.currency, one.into, date.max) is not None


def to_bring(account: Account, table: Sequence[Quote]) -> list[Quote]:
    """Of all rates that hold now or will, those that the account wants and does not have yet."""
    held = set(account.rates)
    return [one for one in useful(table, [want.pair for want in account.wants]) if one not in held]


def newly_rated(before: Account, after: Account) -> list[Wanted]:
    """What begins to count with the rates that have come."""
    now = set(after.unrated)
    gone = [name for name in before.unrated if name not in now]
    return [one for one in after.wants if one.name in gone]

"""Published exchange rates on a customer's desk: which of his money needs one, and what it is worth by them.

On a day the last rate holds that was published for a day not later than it; of two for one day the one that was said
later. A rate also serves the other way round; where both are published, the one of the later day. Where neither is, two
against one base serve between their currencies: those whose older day is the latest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from contracts.money import Money, amount_text
from services.alerts.model.exchange import ratio
from services.alerts.model.facts import FactKey

_ONE: Final = Decimal(1)
Pair = tuple[str, str]  # of a currency, and of the one it has to be brought to


class Quote(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One unit of `currency` is worth `rate` units of `base` from `on` until the next; `key` is who published it."""

    currency: str
    base: str
    rate: Decimal
    on: date
    key: FactKey


class Wanted(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Money of `currency` is held against a limit in `into`. `past`: a fact of before the cut-over brought it up."""

    currency: str
    into: str
    past: bool = False

    @property
    def pair(self) -> Pair:
        """Both."""
        return self.currency, self.into

    @property
    def name(self) -> str:
        """Both, such as USD/CNY."""
        return f"{self.currency}/{self.into}"


class Conversion(NamedTuple):
    """One unit is worth so much, by these quotes."""

    rate: Decimal
    quotes: tuple[Quote, ...]


class Converted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Money that counts in another currency as `worth`, by quotes."""

    amount: Money
    worth: Money
    quotes: tuple[Quote, ...]


def with_quote(quotes: tuple[Quote, ...], one: Quote, today: date) -> tuple[Quote, ...]:
    """The quotes that can still matter on `today` or later, with one more among them; the same where it is none."""
    if any(_over(held, one) for held in quotes):
        return quotes
    return current((*quotes, one), today)


def _over(held: Quote, one: Quote) -> bool:
    same = (held.currency, held.base, held.on) == (one.currency, one.base, one.on)
    return same and held.key >= one.key


def current(quotes: Iterable[Quote], today: date) -> tuple[Quote, ...]:
    """Of each pair what holds on `today`, and what will on days ahead, in their one order."""
    latest: dict[tuple[str, str, date], Quote] = {}
    for one in sorted(quotes, key=lambda one: one.key):
        latest[one.currency, one.base, one.on] = one
    holding: dict[Pair, date] = {}
    for currency, base, on in latest:
        if on <= today:
            holding[currency, base] = max(on, holding.get((currency, base), on))
    return tuple(latest[at] for at in sorted(latest) if at[2] > today or at[2] == holding[at[0], at[1]])


def conversion(quotes: Iterable[Quote], currency: str, into: str, day: date) -> Conversion | None:
    """What one unit of `currency` is worth in `into` on a day; None where no rate says so."""
    held: dict[Pair, Quote] = {}
    for one in quotes:
        at = (one.currency, one.base)
        if one.on <= day and (at not in held or (held[at].on, held[at].key) < (one.on, one.key)):
            held[at] = one
    ways = [Conversion(worth, (quote,)) for worth, quote in _between(held, currency, into)]
    if ways:
        return _newest(ways)
    for base in sorted({base for pair in held for base in pair} - {currency, into}):
        for worth, first in _between(held, currency, base):
            ways += [Conversion(ratio(worth, other), (first, last)) for other, last in _between(held, into, base)]
    return _newest(ways) if ways else None


def _newest(ways: list[Conversion]) -> Conversion:
    # `max` keeps the first of equals, and the ways stand in one order.
    return max(ways, key=lambda way: min(quote.on for quote in way.quotes))


def _between(held: dict[Pair, Quote], currency: str, into: str) -> Iterable[tuple[Decimal, Quote]]:
    if (straight := held.get((currency, into))) is not None:
        yield straight.rate, straight
    if (turned := held.get((into, currency))) is not None:
        yield ratio(_ONE, turned.rate), turned


def useful(quotes: Iterable[Quote], pairs: Collection[Pair]) -> tuple[Quote, ...]:
    """Those of the quotes that can have a part in bringing money from one currency of a pair to the other."""
    quotes = tuple(quotes)
    found: set[Pair] = set()
    for currency, into in pairs:
        near = {name: _beside(quotes, name) for name in (currency, into)}
        bases = (near[currency] & near[into]) | {currency, into}
        found |= {
            (one.currency, one.base)
            for one in quotes
            if {one.currency, one.base} & {currency, into} and {one.currency, one.base} <= bases
        }
    return tuple(one for one in quotes if (one.currency, one.base) in found)


def _beside(quotes: Iterable[Quote], currency: str) -> set[str]:
    return {name for one in quotes if currency in (one.currency, one.base) for name in (one.currency, one.base)} - {
        currency
    }


def converted_text(one: Converted) -> str:
    """What was converted, as figures have it: `12.00 USD = 85.25 CNY @ USD/CNY 7.1042 2026-11-20`."""
    by = " & ".join(f"{q.currency}/{q.base} {rate_text(q.rate)} {q.on.isoformat()}" for q in one.quotes)
    return f"{_text(one.amount)} = {_text(one.worth)} @ {by}"


def _text(money: Money) -> str:
    return f"{amount_text(money.amount, money.currency)} {money.currency}"


def rate_text(rate: Decimal) -> str:
    """A rate as it was published, without an exponent."""
    return format(rate, "f")


class Said(NamedTuple):
    """A quote as figures name it."""

    currency: str
    base: str
    rate: Decimal
    on: date


class Counted(NamedTuple):
    """What figures say was converted."""

    amount: Money
    worth: Money
    quotes: tuple[Said, ...]

    @classmethod
    def of(cls, one: Converted) -> Counted:
        """The same, from what was weighed."""
        return cls(one.amount, one.worth, tuple(Said(q.currency, q.base, q.rate, q.on) for q in one.quotes))


def counted_in(text: str) -> list[Counted]:
    """What `converted_text` wrote, one after the other with `, ` between."""
    found = []
    for part in filter(None, text.split(", ")):
        moneys, _, by = part.partition(" @ ")
        amount, _, worth = moneys.partition(" = ")
        found.append(Counted(_money(amount), _money(worth), tuple(_said(one) for one in by.split(" & "))))
    return found


def _money(text: str) -> Money:
    amount, _, currency = text.partition(" ")
    return Money(Decimal(amount), currency)


def _said(text: str) -> Said:
    pair, rate, on = text.split(" ")
    currency, _, base = pair.partition("/")
    return Said(currency, base, Decimal(rate), date.fromisoformat(on))

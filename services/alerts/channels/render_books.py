"""That the books and we do not agree about a customer, in words."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from contracts.money import Money
from services.alerts.channels.mail import one_line
from services.alerts.channels.render import day, money
from services.alerts.channels.words import Language, say
from services.alerts.model.balance import Stated

MOST: Final = 4  # currencies; who has more finds them in the reconciliation


def books_say(stated: Iterable[Stated], language: Language) -> tuple[str, ...]:
    """A sentence for each currency that is another in the books; none where they agree."""
    found = []
    for one in stated:
        source = one_line(f"{one.key.source}, {one.company}" if one.company else one.key.source)
        for side in one.sides:
            if side.apart:
                figures = {"stated": side.stated, "ours": side.ours, "difference": side.difference}
                said = {name: _said(amount, side.currency, language) for name, amount in figures.items()}
                found.append(say(language, "books.apart", source=source, date=day(one.as_of, language), **said))
    return tuple(found[:MOST])


def books_in_short(stated: Iterable[Stated], language: Language) -> str:
    """The same where there is room for a few words; empty where they agree."""
    apart = [_said(side.difference, side.currency, language) for one in stated for side in one.sides if side.apart]
    return say(language, "books.short", differences=say(language, "comma").join(apart[:MOST])) if apart else ""


def _said(amount: Decimal, currency: str, language: Language) -> str:
    return money(Money(amount, currency), language)

"""How far a customer has credit, from which day on; one book for each legal entity of the company."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec

from services.profiles.model.facts import FactKey


class Limit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What holds from a day on. Without an amount the customer's credit is not checked."""

    valid_from: date
    amount: Decimal | None = None
    currency: str | None = None
    grace_days: int | None = None


class LimitSet(msgspec.Struct, frozen=True, kw_only=True):
    """A limit as somebody has set it."""

    key: FactKey
    limit: Limit


class LimitBook(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The limits of a customer at one legal entity (empty: the company as a whole), by day."""

    company: str = ""
    limits: tuple[LimitSet, ...] = ()


def with_limit(book: LimitBook, new: LimitSet) -> LimitBook:
    """The book with one more limit; of two for the same day the later said one holds. The same object if `new` does
    not.
    """
    by_day = {one.limit.valid_from: one for one in book.limits}
    rival = by_day.get(new.limit.valid_from)
    if rival is not None and rival.key >= new.key:
        return book
    by_day[new.limit.valid_from] = new
    return msgspec.structs.replace(book, limits=tuple(by_day[day] for day in sorted(by_day)))

"""A customer's announced closures: days that do not count in a gap of his, as public holidays do not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache

import msgspec

from services.alerts.model.facts import FactKey


class Closure(msgspec.Struct, frozen=True, kw_only=True):
    """Closed from `first` to `last`, both days included."""

    first: date
    last: date


class Calendar(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All closures that were announced, by the latest word of it; `key` is None before any."""

    key: FactKey | None = None
    closures: tuple[Closure, ...] = ()


def with_calendar(held: Calendar, key: FactKey, closures: Sequence[Closure]) -> Calendar:
    """The calendar as set by a fact; an earlier one changes nothing."""
    if held.key is not None and key <= held.key:
        return held
    return Calendar(key=key, closures=tuple(sorted(closures, key=lambda one: (one.first, one.last))))


@lru_cache(maxsize=1024)
def closed_days(closures: tuple[Closure, ...]) -> frozenset[date]:
    """Every day of these closures."""
    return frozenset(one.first + timedelta(days=n) for one in closures for n in range((one.last - one.first).days + 1))

"""A tally beside the alerts service's own books: how many events each subject has had, and the sum of their names.

The service's own folds know each fact by its key, so a fact that is folded twice would not show in them. The tally
knows nothing: it is counted up in the same fold and stored in the same transaction, so it shows what the chassis did.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable

import msgspec

from contracts.envelope import Event
from contracts.events.profiles import ProfileChanged
from services.alerts.rules import Rules
from services.alerts.store import ACCOUNTS, RATES, STAFF
from services.chassis.aggregate import Desk, Part
from services.chassis.service import Fold, Handler, Service


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Events applied, and the sum of the check sums of their names."""

    n: int = 0
    names: int = 0

    def counting(self, name: str) -> Tally:
        """The tally with one more."""
        return Tally(n=self.n + 1, names=self.names + zlib.crc32(name.encode()))


LASTING, PASSING = "ledger", "inbox"  # ids known for ever, and ids forgotten with their month
TALLY = Part("tally", Tally, ACCOUNTS)
STAFF_TALLY = Part("staff_tally", Tally, STAFF)
RATES_TALLY = Part("rates_tally", Tally, RATES)
BY_HEAD = {ACCOUNTS.name: TALLY, STAFF.name: STAFF_TALLY, RATES.name: RATES_TALLY}


def with_tally(build: Callable[[Rules], Service]) -> Callable[[Rules], Service]:
    """The service with a tally."""

    def built(rules: Rules) -> Service:
        service = build(rules)
        service.stores(TALLY, STAFF_TALLY, RATES_TALLY)
        for kind, handler in service.handlers.items():
            if not handler.own:  # what people do is counted by people.py
                counted = _counted(handler, BY_HEAD[handler.head.name])
                service.handlers[kind] = dataclasses.replace(handler, fold=counted)
        return service

    return built


def passes(event: Event) -> bool:
    """Whether the id of such an event is forgotten after a while."""
    return event.type == ProfileChanged.TYPE


def _counted(handler: Handler, part: Part[Tally]) -> Fold:
    key = LASTING if handler.keep else PASSING

    def counted(desk: Desk, event: Event) -> None:
        handler.fold(desk, event)
        if not desk.erase:
            desk.put(part, (desk.get(part, key) or Tally()).counting(f"{event.source}:{event.id}"), key)

    return counted

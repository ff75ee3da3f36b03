"""The load with all three rules at work: every customer has a credit limit, half of them buy in a rhythm.

Of ten events seven are invoices and payments as in `load.py`, two are purchases and one places or closes an order. One
purchase in twenty is told late, so that its customer's history is told again. One customer in twenty passes his limit
with his second open invoice, and his payment ends that; one buyer in ten was silent before, and his purchases end the
alarm. Limits, and five purchases of every buyer, come before all else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from contracts.envelope import Event
from contracts.events.lifecycle import LimitChanged
from contracts.events.sales import OrderClosed, OrderPlaced, PurchaseMade
from contracts.money import Money
from contracts.payload import Payload
from tests.bench.load import SCATTER, SUM, Load

TURN, BOOKS, BUYS = 10, 7, 2  # of so many events, so many are of the books, and so many purchases
HISTORY: Final = 5
LATE_EVERY, TIGHT_EVERY, SILENT_EVERY = 20, 20, 10
TIGHT, WIDE = Decimal(2000), Decimal(100_000)
_WEEK, _STEP = 7, 3  # days between two purchases, before and now
_SILENT, _AGO = 60, 24  # days of silence; since so many days he buys as now


@dataclass(frozen=True)
class Traded(Load):
    """A stream of events of the books, of purchases and of orders."""

    @property
    def buyers(self) -> int:
        """How many buy; each has bought a few times before the others do anything."""
        return self.customers // 2

    @property
    def prelude(self) -> int:
        """How many events come before the mixture: limits and histories."""
        return self.customers + HISTORY * self.buyers

    def before(self) -> Iterator[Event]:
        """The limits, which are no facts of trade."""
        for customer in range(self.customers):
            amount = TIGHT if customer % TIGHT_EVERY == 0 else WIDE
            limit = LimitChanged(limit=Money(amount, "CNY"), valid_from=self.today - timedelta(days=90))
            yield self.event(f"limit-{customer}", self.subject(customer), limit, 0)

    def events(self, start: int, count: int) -> Iterator[Event]:
        """`count` events from the `start`-th on: first the histories, then the mixture."""
        history = HISTORY * self.buyers
        for n in range(start, start + count):
            if n < history:
                turn, buyer = divmod(n, self.buyers)
                yield self._purchase(n, buyer, self._past(buyer, turn))
                continue
            block, place = divmod(n - history, TURN)
            if place < BOOKS:
                yield from super().events(block * BOOKS + place, 1)
            elif place < BOOKS + BUYS:
                turn, buyer = divmod(block * BUYS + place - BOOKS, self.buyers)
                yield self._purchase(n, buyer * SCATTER % self.buyers, self._now(n, turn))
            else:
                yield self._order(n, block)

    def _past(self, buyer: int, turn: int) -> date:
        silence = _SILENT if buyer % SILENT_EVERY == 0 else 0
        return self.today - timedelta(days=_AGO + silence + _WEEK * (HISTORY - turn))

    def _now(self, n: int, turn: int) -> date:
        late = _STEP + 1 if n % LATE_EVERY == 0 else 0
        return min(self.today, self.today + timedelta(days=_STEP * turn - _AGO - late))

    def _purchase(self, n: int, buyer: int, on: date) -> Event:
        data = PurchaseMade(company="CN-01", purchase_id=f"PUR-{n:09d}", purchased_on=on, total=Money(SUM, "CNY"))
        return self.event(f"{n}-bought", self.subject(buyer), data, n)

    def _order(self, n: int, block: int) -> Event:
        number, closes = divmod(block, 2)
        order = f"ORD-{number:09d}"
        data: Payload = OrderPlaced(
            company="CN-01", order_id=order, ordered_on=self.today - timedelta(days=2), total=Money(SUM, "CNY")
        )
        if closes:
            data = OrderClosed(company="CN-01", order_id=order, reason="invoiced", closed_on=self.today)
        return self.event(f"{n}-order", self.subject(number * SCATTER % self.customers), data, n)

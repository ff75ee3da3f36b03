"""Brings exchange rates to the customers whose money needs one, so that each is judged by what lies on his own desk.

What a customer is brought is an event of his own (`rate.applied`) with a row in his ledger: a refold finds the same
rates at the same moments, however late one was published. Who has a first invoice in another currency is found by what
his account says is unrated; all others are gone through when a rate was published.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final

import structlog

from contracts.envelope import Event
from contracts.events.alerts import RateApplied, RateHeld
from services.alerts.folds.rates import COMPANY
from services.alerts.model.abroad import to_bring, without
from services.alerts.model.account import Account
from services.alerts.model.quotes import Quote, current
from services.alerts.rules import Rules
from services.alerts.store import ACCOUNTS, RATES, KnownRates
from services.chassis.mongo import Database, Doc, find, from_doc
from services.chassis.rounds import Rounds
from services.chassis.runtime import Runtime

LEASE: Final = "rates/bring"
EVERY: Final = 1.0  # seconds between two looks
ALL_EVERY: Final = 300.0  # seconds after which all are gone through again: accounts that were merged may have old ones
_SOME: Final = 500  # customers in one go
log = structlog.get_logger(__name__)


async def known_rates(db: Database) -> tuple[int, tuple[Quote, ...]]:
    """The company's rates, and a number that grows with each that is published."""
    rows = await find(db, RATES.name, {"_id": COMPANY}, limit=1)
    if not rows or "state" not in rows[0]:
        return 0, ()
    return rows[0]["v"], from_doc(rows[0]["state"], KnownRates).quotes


def brought(customer: str, quotes: Sequence[Quote], now: datetime) -> Event:
    """What a customer is brought. The moment is in its id, for the same rates may be wanted again."""
    rates = [
        RateHeld(
            currency=one.currency,
            base=one.base,
            rate=one.rate,
            on=one.on,
            published_at=one.key.time,
            source=one.key.source,
            id=one.key.id,
        )
        for one in quotes
    ]
    moment = now.astimezone(UTC).isoformat(timespec="milliseconds")
    data = RateApplied(rates=rates)
    return Event(
        id=f"rates/{customer}/{moment}", source="rapport/alerts", type=data.TYPE, subject=customer, time=now, data=data
    )


class Rater:
    """A worker of the runtime; one process at a time holds the lease."""

    def __init__(self, runtime: Runtime, rules: Rules) -> None:
        self.runtime, self.rules = runtime, rules
        self._rounds = Rounds("rates", EVERY)
        self._seen, self._all_at = -1, float("-inf")
        self._in_vain: set[str] = set()  # pairs for which nobody has published a rate: not asked for in every round

    async def run(self) -> None:
        """Rounds until stopped."""
        await self._rounds.run(self.round)

    async def stop(self) -> None:
        """Let `run` finish its round."""
        self._rounds.stop()

    async def round(self) -> int:
        """Bring what is wanted; returns to how many customers."""
        clock = self.runtime.clock
        if self.runtime.settings.clock == "events" and (clock is None or clock.now is None):
            return 0  # in a simulation there is no moment before its first event
        if not await self.runtime.leases.take(LEASE):
            self._seen = -1
            return 0
        version, quotes = await known_rates(self.runtime.db)
        table = current(quotes, self.rules.day(self.runtime.now()))
        if version != self._seen or time.monotonic() - self._all_at > ALL_EVERY:
            self._in_vain.clear()
            done = await self._bring({"state.wants.into": {"$exists": True}}, table)
            self._seen, self._all_at = version, time.monotonic()
            return done
        hopeful = {"$exists": True, "$elemMatch": {"$nin": sorted(self._in_vain)}}
        return await self._bring({"state.unrated": hopeful}, table)

    async def _bring(self, where: Doc, table: Sequence[Quote]) -> int:
        done = 0
        async for accounts in _some(self.runtime.db, where):
            now = self.runtime.now()
            events = [brought(name, new, now) for name, account in accounts if (new := to_bring(account, table))]
            self._in_vain |= {pair for _, account in accounts for pair in without(account, table)}
            if events:
                await self.runtime.say(events)
                done += len(events)
            if self._rounds.stopping or not await self.runtime.leases.take(LEASE):
                break
        if done:
            log.info("rates.brought", customers=done)
        return done


async def _some(db: Database, where: Doc) -> AsyncIterator[list[tuple[str, Account]]]:
    """Accounts, some at a time, in the order of their ids."""
    last = ""
    while rows := await find(
        db, ACCOUNTS.name, {"$and": [where, {"_id": {"$gt": last}}]}, sort=[("_id", 1)], limit=_SOME
    ):
        yield [(row["_id"], from_doc(row["state"], Account)) for row in rows]
        last = rows[-1]["_id"]

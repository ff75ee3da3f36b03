"""Priors of cadence and activity: fitted to all customers' past every quarter, published as facts, and brought to bear.

Every process learns of new priors within seconds; the one that holds the lease fits them and has open deadlines solved
again. A fit sees whole days only and holds from a later midnight on, so that whoever learns of it in between folds the
same as whoever knew it at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final, NamedTuple

import structlog

from contracts.envelope import Event
from contracts.events.alerts import PriorFitted
from services.alerts.learning import learn, subject_of
from services.alerts.model.activity import priors as activity
from services.alerts.model.activity.fit import TooLittle
from services.alerts.model.activity.fit import fit as fit_params
from services.alerts.model.activity.rate import Params
from services.alerts.model.cadence.histories import Histories, histories
from services.alerts.model.cadence.priors import MODEL, Priors
from services.alerts.model.cadence.rhythm import JUDGED_GAPS
from services.alerts.model.cadence.walk import REFIT_DAYS, WARM_UP_DAYS, first_day, fitted
from services.alerts.model.purchase import Purchase
from services.alerts.rules import Rules
from services.alerts.store import ACCOUNTS, PURCHASES, RHYTHMS, KnownPriors
from services.alerts.watch.rhythm import priors_changed
from services.chassis.mongo import Database, find, from_doc
from services.chassis.rounds import Rounds
from services.chassis.runtime import Runtime
from services.chassis.work import act_work

LEASE: Final = "fit/priors"
POLL_SECONDS: Final = 3.0
SWEEP: Final = 500  # customers whose deadline is solved again in one go
LOOK_SECONDS: Final = 60.0  # between two looks whether the past is long enough for a first fit
_PAGE: Final = 500  # read between two events of the intake: a larger one would hold those up
_GROWTH: Final = 0.01  # of all purchase days, from one look to the next: more is a history that is being loaded
_DAY: Final = timedelta(days=1)
_NOTICE: Final = timedelta(hours=1)  # every process has learnt of priors by then
log = structlog.get_logger(__name__)


async def purchase_days(db: Database, before: date) -> dict[str, list[date]]:
    """Every customer's distinct purchase days before a day, in order."""
    days: dict[str, set[date]] = {}
    async for purchase in _purchases(db):
        one = purchase.bought
        if one is not None and one.on < before:
            days.setdefault(purchase.subject, set()).add(one.on)
    return {customer: sorted(own) for customer, own in days.items()}


async def _purchases(db: Database) -> AsyncIterator[Purchase]:
    last = ""
    while rows := await find(db, PURCHASES.name, {"_id": {"$gt": last}}, sort=[("_id", 1)], limit=_PAGE):
        last = rows[-1]["_id"]
        for row in rows:
            yield from_doc(row["state"], Purchase)


def fits_due(known: KnownPriors, today: date, every: int) -> list[str]:
    """The models whose latest fit is older than `every` days. Without any one is due as soon as there is a past."""
    last = {
        MODEL: known.fitted[-1].fitted_to if known.fitted else None,
        activity.MODEL: known.activity[-1].fitted_to if known.activity else None,
    }
    return [model for model, day in last.items() if day is None or (today - day).days > every]


class Fit(NamedTuple):
    """What was found for a model, as it is said, and the number of customers it was found from."""

    model: str
    parameters: dict[str, Decimal]
    n: int


def fit(days: dict[str, list[date]], today: date, budget: float) -> tuple[Priors, int] | None:
    """Priors from all purchase days before `today`, and the number of customers judged; None where the past is shorter
    than half a year, or nobody has a rhythm yet.
    """
    base = histories(days)
    if not base.customers or (today - first_day(base)).days < WARM_UP_DAYS or _judged(base) == 0:
        return None
    return fitted(base, today, budget), _judged(base)


def _judged(base: Histories) -> int:
    return int((base.count > JUDGED_GAPS).sum())


def fit_activity(days: dict[str, list[date]], today: date, horizon_days: int) -> tuple[Params, int] | None:
    """Parameters of activity from all purchase days before `today`, and the number of customers; None where the past is
    shorter than half a year.
    """
    if not days or (today - min(map(min, days.values()))).days < WARM_UP_DAYS:
        return None
    try:
        return fit_params(days.values(), today - _DAY, horizon_days), len(days)
    except TooLittle:
        return None


def fitted_models(days: dict[str, list[date]], today: date, rules: Rules, models: Collection[str]) -> list[Fit]:
    """The fits of those models for which there is a past."""
    fits: list[Fit] = []
    if MODEL in models and (cadence := fit(days, today, rules.cadence.budget)) is not None:
        fits.append(Fit(MODEL, cadence[0].parameters(), cadence[1]))
    if activity.MODEL in models and (found := fit_activity(days, today, rules.churn.horizon_days)) is not None:
        fits.append(Fit(activity.MODEL, activity.parameters(found[0]), found[1]))
    return fits


class Fitter:
    """Learns, fits and sweeps; a Worker of the runtime."""

    def __init__(self, runtime: Runtime, rules: Rules, every: int = REFIT_DAYS) -> None:
        self.runtime, self.rules, self.every = runtime, rules, every
        self._rounds = Rounds("fitter", POLL_SECONDS)
        self._days = 0
        self._not_before = date.min  # in a simulation: when the past that was last seen will be long enough

    async def run(self) -> None:
        """Rounds until stopped."""
        renewal = asyncio.create_task(self.runtime.leases.keep(LEASE))  # a fit takes longer than a lease
        try:
            await self._rounds.run(self.round)
        finally:
            renewal.cancel()

    async def stop(self) -> None:
        """Let `run` finish its round."""
        self._rounds.stop()

    async def round(self) -> None:
        """Learn of new priors; with the lease also fit those that are due, and solve deadlines again."""
        known = await learn(self.rules, self.runtime.db)
        now = self._now()
        if now is None or not await self.runtime.leases.take(LEASE):
            return
        today = self.rules.day(now)
        due = fits_due(known, today, self.every)
        if self.every and today >= self._not_before and due and self._may_look():
            await self._fit(today, due)
        await self.sweep()

    async def sweep(self) -> int:
        """Solve again every open deadline that older priors gave; returns how many customers were looked at."""
        known, done = {"course": self.rules.cadence.latest, "silence": self.rules.churn.latest}, set[str]()
        where = {
            "$or": [
                {f"state.{of}.latest": {"$exists": True, "$lt": latest.isoformat()}} for of, latest in known.items()
            ]
        }
        name = "/".join(latest.isoformat() for latest in known.values())
        while not self._rounds.stopping:
            rows = await find(self.runtime.db, RHYTHMS.name, where, fields={"s": 1}, limit=SWEEP)
            subjects = {row["s"] for row in rows} - done
            now = self._now()
            if not subjects or now is None:
                break
            act = partial(priors_changed, self.rules)
            works = [act_work(ACCOUNTS, one, now, f"prior:{name}:{one}", act) for one in sorted(subjects)]
            self.runtime.wake(await self.runtime.applier.apply(works))
            done |= subjects
        return len(done)

    async def _fit(self, today: date, models: Collection[str]) -> None:
        days = await purchase_days(self.runtime.db, today)
        if not self._loaded(sum(map(len, days.values()))):
            return
        # Aside, for it takes seconds: the intake goes on meanwhile.
        fits = await asyncio.to_thread(fitted_models, days, today, self.rules, models)
        now = self._now()
        if not fits and days and self._simulated:
            self._not_before = min(map(min, days.values())) + _DAY * WARM_UP_DAYS
        if now is not None:
            for one in fits:
                await self._publish(one, today, now)
            await learn(self.rules, self.runtime.db)

    async def _publish(self, one: Fit, today: date, now: datetime) -> None:
        valid_from = self.rules.day(now + _NOTICE) + _DAY
        payload = PriorFitted(
            model=one.model, fitted_to=today - _DAY, valid_from=valid_from, parameters=one.parameters, n=one.n
        )
        await self.runtime.command(
            Event(
                id=f"{one.model}/{valid_from.isoformat()}",
                source=f"rapport/{self.runtime.service.name}",
                type=payload.TYPE,
                subject=subject_of(one.model),
                time=now,
                data=payload,
            )
        )
        log.info("priors.fitted", model=one.model, valid_from=valid_from.isoformat(), customers=one.n)

    def _may_look(self) -> bool:
        """A past that is too short is not read through again in every round."""
        return self._rounds.time_for("look", 0 if self._simulated else LOOK_SECONDS)

    def _loaded(self, days: int) -> bool:
        """A history that is just being loaded is waited for. (In a simulation the past is whole at every moment.)"""
        grown, self._days = days - self._days, days
        return self._simulated or grown <= days * _GROWTH

    @property
    def _simulated(self) -> bool:
        return self.runtime.settings.clock == "events"

    def _now(self) -> datetime | None:
        """The service's moment; in a simulation there is none before its first event."""
        clock = self.runtime.clock
        if self._simulated and (clock is None or clock.now is None):
            return None
        return self.runtime.now()

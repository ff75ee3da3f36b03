"""Which priors there are: read before the first fold, and again every few seconds."""

from __future__ import annotations

import structlog

from services.alerts.model.activity import priors as activity
from services.alerts.model.activity.silence import Dated as DatedActivity
from services.alerts.model.cadence.priors import MODEL, Dated
from services.alerts.rules import Rules
from services.alerts.store import PRIORS, KnownPriors
from services.chassis.mongo import Database, find, from_doc

log = structlog.get_logger(__name__)


def subject_of(model: str) -> str:
    """Whom the priors of a model are about."""
    return f"prior/{model}"


async def known_priors(db: Database, model: str = MODEL) -> KnownPriors:
    """All priors there are of a model."""
    rows = await find(db, PRIORS.name, {"_id": subject_of(model)}, limit=1)
    return from_doc(rows[0]["state"], KnownPriors) if rows and "state" in rows[0] else KnownPriors()


async def learn(rules: Rules, db: Database) -> KnownPriors:
    """Take over what was fitted so far, by whichever process; returns it."""
    cadence = (await known_priors(db)).fitted
    params = (await known_priors(db, activity.MODEL)).activity
    if rules.cadence.learn(Dated(valid_from=one.valid_from, priors=one.priors) for one in cadence):
        log.info("priors.learnt", model=MODEL, latest=rules.cadence.latest.isoformat())
    if rules.churn.learn(DatedActivity(valid_from=one.valid_from, params=one.params) for one in params):
        log.info("priors.learnt", model=activity.MODEL, latest=rules.churn.latest.isoformat())
    return KnownPriors(fitted=cadence, activity=params)

"""Which priors there are: read before the first fold, and again every few seconds."""

from __future__ import annotations

from typing import Final

import structlog

from services.alerts.model.cadence.priors import MODEL, Dated
from services.alerts.rules import Rules
from services.alerts.store import PRIORS, KnownPriors
from services.chassis.mongo import Database, find, from_doc

SUBJECT: Final = f"prior/{MODEL}"
log = structlog.get_logger(__name__)


async def known_priors(db: Database) -> KnownPriors:
    """All priors there are."""
    rows = await find(db, PRIORS.name, {"_id": SUBJECT}, limit=1)
    return from_doc(rows[0]["state"], KnownPriors) if rows and "state" in rows[0] else KnownPriors()


async def learn(rules: Rules, db: Database) -> KnownPriors:
    """Take over what was fitted so far, by whichever process."""
    known = await known_priors(db)
    if rules.cadence.learn(Dated(valid_from=one.valid_from, priors=one.priors) for one in known.fitted):
        log.info("priors.learnt", latest=rules.cadence.latest.isoformat())
    return known

"""What was fitted to all customers, as a fact of its own."""

from __future__ import annotations

from typing import cast

import msgspec

from contracts.envelope import Event
from contracts.events.alerts import PriorFitted
from contracts.refusal import Refused
from services.alerts.model.cadence.priors import MODEL, from_parameters
from services.alerts.store import PRIORS, FittedPrior, KnownPriors
from services.chassis.aggregate import Desk


def prior_fitted(desk: Desk, event: Event) -> None:
    """Priors hold from a day on; those of days gone by stay, for the past is judged by them."""
    data = cast("PriorFitted", event.data)
    if data.model != MODEL:
        raise Refused("bad_field", f"nothing here knows priors of {data.model!r}; expected {MODEL}", "$.model")
    try:
        priors = from_parameters(data.parameters)
    except KeyError as missing:
        raise Refused(
            "bad_field", f"the parameter {missing} is missing; expected all of them", "$.parameters"
        ) from None
    known = desk.get(PRIORS) or KnownPriors()
    one = FittedPrior(valid_from=data.valid_from, fitted_to=data.fitted_to, n=data.n, priors=priors)
    others = [held for held in known.fitted if held.valid_from != one.valid_from]
    fitted = tuple(sorted((*others, one), key=lambda held: held.valid_from))
    desk.put(PRIORS, msgspec.structs.replace(known, fitted=fitted))

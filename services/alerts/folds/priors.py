"""What was fitted to all customers, as a fact of its own."""

from __future__ import annotations

from datetime import date
from typing import Final, Protocol, TypeVar, cast

import msgspec

from contracts.envelope import Event
from contracts.events.alerts import PriorFitted
from contracts.refusal import Refused
from services.alerts.model.activity import priors as activity
from services.alerts.model.cadence import priors as cadence
from services.alerts.store import PRIORS, FittedActivity, FittedPrior, KnownPriors
from services.chassis.aggregate import Desk

MODELS: Final = (cadence.MODEL, activity.MODEL)


class Dated(Protocol):
    """Something in force from a day on."""

    @property
    def valid_from(self) -> date:
        """That day."""


T = TypeVar("T", bound=Dated)


def prior_fitted(desk: Desk, event: Event) -> None:
    """Priors hold from a day on; those of days gone by stay, for the past is judged by them."""
    data = cast("PriorFitted", event.data)
    if data.model not in MODELS:
        known_models = " or ".join(MODELS)
        raise Refused("bad_field", f"nothing here knows priors of {data.model!r}; expected {known_models}", "$.model")
    known = desk.get(PRIORS) or KnownPriors()
    try:
        desk.put(PRIORS, _with(known, data))
    except KeyError as missing:
        raise Refused(
            "bad_field", f"the parameter {missing} is missing; expected all of them", "$.parameters"
        ) from None


def _with(known: KnownPriors, data: PriorFitted) -> KnownPriors:
    when, to, said = data.valid_from, data.fitted_to, data.parameters
    if data.model == cadence.MODEL:
        priors = FittedPrior(valid_from=when, fitted_to=to, n=data.n, priors=cadence.from_parameters(said))
        return msgspec.structs.replace(known, fitted=_among(known.fitted, priors))
    params = FittedActivity(valid_from=when, fitted_to=to, n=data.n, params=activity.from_parameters(said, to))
    return msgspec.structs.replace(known, activity=_among(known.activity, params))


def _among(held: tuple[T, ...], one: T) -> tuple[T, ...]:
    others = [other for other in held if other.valid_from != one.valid_from]
    return tuple(sorted((*others, one), key=lambda each: each.valid_from))

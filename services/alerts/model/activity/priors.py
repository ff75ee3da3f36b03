"""Parameters of activity as `prior.fitted` says them: flat, decimal, and back to the very same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Final

from services.alerts.model.activity.rate import Params

MODEL: Final = "activity"


def parameters(params: Params) -> dict[str, Decimal]:
    """What holds for all customers, and what it was fitted on; see `Params`."""
    fitted = {name: getattr(params, name) for name in ("decay", "shape", "weeks")}
    base = {name: getattr(params, name) for name in ("block_days", "blocks", "customers", "purchases")}
    said = {name: Decimal(repr(float(value))) for name, value in fitted.items()}
    return said | {name: Decimal(value) for name, value in base.items()}


def from_parameters(said: Mapping[str, Decimal], fitted_to: date) -> Params:
    """The parameters that `parameters` said. Raises KeyError where one is missing."""
    return Params(
        decay=float(said["decay"]),
        shape=float(said["shape"]),
        weeks=float(said["weeks"]),
        as_of=fitted_to,
        block_days=int(said["block_days"]),
        blocks=int(said["blocks"]),
        customers=int(said["customers"]),
        purchases=int(said["purchases"]),
    )

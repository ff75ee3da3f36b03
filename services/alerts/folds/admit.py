"""How a fact that contradicts what is held is turned away."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from contracts.refusal import Refused
from services.alerts.model.facts import Conflict

T = TypeVar("T")


def admitted(change: Callable[[T], T], held: T, named: str) -> T:
    """What a fact makes of what is held. Raises Refused `conflict`, which names the field that stands for both."""
    try:
        return change(held)
    except Conflict as conflict:
        raise Refused("conflict", str(conflict), named) from conflict

"""Topic rapport.settings: what people set for the rules. The subject is the scope for which it holds: a customer's
account.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from contracts.payload import Code, DueOn, Part, Payload
from contracts.refusal import Refused

LONGEST_DAYS = 366


class Closure(Part, frozen=True, kw_only=True):
    """Days on which nobody buys or sells there, both ends included."""

    first: DueOn
    last: DueOn
    reason: Code | None = None


class CalendarSet(Payload, frozen=True, kw_only=True):
    """The announced closures of a scope: all there are, past ones among them; the latest event replaces the others."""

    TYPE: ClassVar[str] = "rapport.calendar.set.v1"
    closures: Annotated[list[Closure], Meta(max_length=100)]

    def check(self) -> None:
        for at, one in enumerate(self.closures):
            days = (one.last - one.first).days + 1
            if not 0 < days <= LONGEST_DAYS:
                raise Refused(
                    "bad_field",
                    f"a closure from {one.first} to {one.last}; expected an end on or after the beginning, and at most "
                    f"{LONGEST_DAYS} days",
                    f"$.closures[{at}].last",
                )

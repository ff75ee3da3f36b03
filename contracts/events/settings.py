"""Topic rapport.settings: what people set for the rules. The subject is the scope for which it holds: a customer's
account, or `company` for all.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from contracts.money import minor_units
from contracts.payload import Code, Currency, DueOn, Number, Part, Payload, positive
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


class RatePublished(Payload, frozen=True, kw_only=True):
    """One unit of `currency` is worth `rate` units of `base` on a day, and on later ones until another is published for
    one of these. Of several for one day the one with the latest time holds: that is how a rate is corrected.
    """

    TYPE: ClassVar[str] = "rapport.rate.published.v1"
    currency: Currency
    base: Currency
    rate: Number
    on: DueOn

    def check(self) -> None:
        for name, code in (("currency", self.currency), ("base", self.base)):
            try:
                minor_units(code)
            except Refused as unknown:
                raise unknown.at(f"$.{name}") from None
        if self.currency == self.base:
            raise Refused("bad_field", f"a rate of {self.currency} in itself; expected two currencies", "$.base")
        positive(self.rate, "$.rate")

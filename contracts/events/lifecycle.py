"""Topic rapport.lifecycle: the dated facts of a customer that rules depend on, from profiles.

A snapshot says what is; these say since when, so that every reader keeps the history its own figures need.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from contracts.events.customers import Relation
from contracts.events.profiles import LadderStage, Tier
from contracts.money import Money
from contracts.payload import Code, Days, DoneOn, DueOn, Id, Moment, Payload, Text, Withdrawal, not_negative
from contracts.refusal import Refused


class OwnerChanged(Payload, frozen=True, kw_only=True):
    """Who answers for the customer from a day on; null when nobody does any more."""

    TYPE: ClassVar[str] = "rapport.owner.changed.v1"
    owner_id: Id | None
    valid_from: DueOn
    deputy_id: Id | None = None


class LimitChanged(Payload, frozen=True, kw_only=True):
    """The credit limit from a day on; null when it is not checked."""

    TYPE: ClassVar[str] = "rapport.limit.changed.v1"
    limit: Money | None
    valid_from: DueOn
    grace_days: Days | None = None
    company: Id | None = None

    def check(self) -> None:
        if self.limit is not None:
            not_negative(self.limit, "$.limit")


class StandingChanged(Payload, frozen=True, kw_only=True):
    """Where the customer stands from a day on: all five, as they are then; an absent one is not known."""

    TYPE: ClassVar[str] = "rapport.standing.changed.v1"
    valid_from: DueOn
    group: Id | None = None
    tier: Tier | None = None
    territory: Id | None = None
    parent_id: Id | None = None
    relation: Relation | None = None


class LadderMoved(Payload, frozen=True, kw_only=True):
    """The customer climbed or fell on the ladder, and why."""

    TYPE: ClassVar[str] = "rapport.ladder.moved.v1"
    to_stage: LadderStage
    valid_from: DueOn
    reason: Annotated[Code, Meta(description="first_purchase, repeat_purchase, loyalty_lapsed, set_by_person ...")]
    from_stage: LadderStage | None = None


class ProfileMerged(Payload, frozen=True, kw_only=True):
    """Another account's facts belong to the subject, the root, from now on: the two are one customer, or a system knows
    the subject under that account (see customer.linked). An account is said to be merged into the root of all, also
    where it was merged into another first. Of several about one account that of the highest `revision` holds.
    """

    TYPE: ClassVar[str] = "rapport.profile.merged.v1"
    merged_id: Id
    valid_from: DueOn | None = None
    revision: Annotated[int, Meta(ge=1)] | None = None


class ProfileUnmerged(Payload, frozen=True, kw_only=True):
    """That account's facts are its own again; `revision` as in profile.merged."""

    TYPE: ClassVar[str] = "rapport.profile.unmerged.v1"
    merged_id: Id
    valid_from: DueOn | None = None
    revision: Annotated[int, Meta(ge=1)] | None = None


class ProfileErased(Payload, frozen=True, kw_only=True):
    """Every service forgets the subject now; what law keeps is kept without him."""

    TYPE: ClassVar[str] = "rapport.profile.erased.v1"
    erased_at: Moment
    certificate_id: Id | None = None


class LifecycleWithdrawn(Withdrawal, frozen=True, kw_only=True):
    """What was said of the subject here rested on facts that their sender has withdrawn: readers know it no more. What
    holds in its place follows; accounts that are one customer are parted by profile.unmerged.
    """

    TYPE: ClassVar[str] = "rapport.lifecycle.withdrawn.v1"


class SegmentJoined(Payload, frozen=True, kw_only=True):
    """The customer is in the segment from a day on."""

    TYPE: ClassVar[str] = "rapport.segment.joined.v1"
    segment_id: Id
    valid_from: DueOn


class SegmentLeft(Payload, frozen=True, kw_only=True):
    """The customer is no longer in the segment."""

    TYPE: ClassVar[str] = "rapport.segment.left.v1"
    segment_id: Id
    valid_from: DueOn


class CutsFitted(Payload, frozen=True, kw_only=True):
    """Where tiers or quintiles are cut, fitted on days up to `fitted_to` and in force from `valid_from`."""

    TYPE: ClassVar[str] = "rapport.cuts.fitted.v1"
    measure: Id
    fitted_to: DoneOn
    valid_from: DueOn
    cuts: list[float]
    unit: Literal["days", "count", "money", "share"] = "count"
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$(?!\n)")] | None = None
    n: Annotated[int, Meta(ge=0)] | None = None
    note: Text | None = None

    def check(self) -> None:
        if self.cuts != sorted(self.cuts):
            raise Refused("bad_field", "expected the cuts in rising order", "$.cuts")

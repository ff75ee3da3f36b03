"""Topic rapport.profiles (compacted): the latest snapshot of each customer, with what others may know of him.

Never in here: ethnicity, family, personality, or any other field of the profile groups. On erasure the snapshot is
followed by a tombstone: a record with his key and no value.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from contracts.events.customers import (
    ContactChannel,
    ContactHours,
    ExternalRole,
    IntermediaryKind,
    Relation,
    SalesChannel,
)
from contracts.events.staff import Channel, Hours, MailAddress, StaffLanguage
from contracts.payload import Id, Language, Name, Part, Payload, Zone

Revision = Annotated[int, Meta(ge=1)]
Tier = Literal["key", "regular", "small"]
LadderStage = Literal["target", "prospect", "one_time", "repeat", "loyal", "seed"]


class StaffCard(Part, frozen=True, kw_only=True):
    """How a colleague is reached, in the snapshot of a `staff/…` party."""

    mail: MailAddress | None = None
    unit: Id | None = None
    supervisor: Id | None = None
    deputy: Id | None = None
    zone: Zone | None = None
    hours: list[Hours] | None = None
    language: StaffLanguage | None = None
    channels: list[Channel] | None = None
    left: bool = False


class ProfileChanged(Payload, frozen=True, kw_only=True):
    """A party as it stands; readers drop a revision lower than the one they have. `withdrawn`: who registered it has
    taken that back, and nobody else has: it is as if no snapshot had come. `kind` is then what was said last.
    """

    TYPE: ClassVar[str] = "rapport.profile.changed.v1"
    revision: Revision
    kind: Literal["person", "organisation", "unit", "position", "staff"]
    name: Name | None = None
    relation: Relation | None = None
    external_role: ExternalRole | None = None
    intermediary_kind: IntermediaryKind | None = None
    sales_channel: SalesChannel | None = None
    group: Id | None = None
    tier: Tier | None = None
    ladder_stage: LadderStage | None = None
    territory: Id | None = None
    parent_id: Id | None = None
    root_id: Id | None = None
    owner_id: Id | None = None
    deputy_id: Id | None = None
    timezone: Zone | None = None
    language: Language | None = None
    preferred_channel: ContactChannel | None = None
    contact_hours: list[ContactHours] | None = None
    staff: StaffCard | None = None
    withdrawn: bool = False

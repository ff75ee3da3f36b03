"""Intake topic rapport.customers: who a customer is, as CRM, ERP and gateway say it.

`customer.changed` states what its sender knows now: a field or group that is given replaces what that sender said
before, an absent one leaves it as it was.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from contracts.events.profile_groups import Organisation, Person
from contracts.money import Money
from contracts.payload import (
    MAX_ID,
    Days,
    DoneOn,
    DueOn,
    Id,
    Language,
    Level,
    Name,
    Part,
    Payload,
    Text,
    Withdrawal,
    Zone,
    not_negative,
)
from contracts.refusal import Refused

_LONGEST = 256  # what profiles says of it in turn begins with the source and this
Relation = Literal["potential", "current", "former", "competitor"]
ExternalRole = Literal["consumer", "intermediary", "investor", "public"]
IntermediaryKind = Literal["agent", "distributor", "retailer"]
SalesChannel = Literal["direct", "agent", "distributor", "retailer"]
ContactChannel = Literal["mail", "phone", "sms", "chat", "post", "web", "app", "visit"]
ServiceKind = Literal["rank", "function", "procedure", "process"]
Flow = Literal["material", "service", "information"]
DirectSource = Literal[
    "research", "campaign", "service", "point_of_sale", "fair", "website", "call_centre", "complaint"
]
IndirectSource = Literal["media", "registry_office", "bank", "consultancy", "bought_list", "other"]


class Learnt(Part, frozen=True, kw_only=True):
    """Where values come from: which direct or indirect source, when it was learnt, and by whom."""

    source: DirectSource | IndirectSource
    learnt_on: DoneOn
    by: Id | None = None


class ContactHours(Part, frozen=True, kw_only=True):
    """Hours in which the customer wishes to be reached, in his own zone, as HH:MM."""

    days: list[Literal[1, 2, 3, 4, 5, 6, 7]]
    opens: str
    closes: str


class CustomerRegistered(Payload, frozen=True, kw_only=True):
    """A customer is in the register of the sending system."""

    TYPE: ClassVar[str] = "rapport.customer.registered.v1"
    kind: Literal["person", "organisation"]
    name: Name
    relation: Relation
    external_role: ExternalRole
    intermediary_kind: IntermediaryKind | None = None
    sales_channel: SalesChannel | None = None
    group: Id | None = None
    territory: Id | None = None
    parent_id: Id | None = None
    owner_id: Id | None = None
    timezone: Zone | None = None
    language: Language | None = None
    preferred_channel: ContactChannel | None = None
    contact_hours: list[ContactHours] | None = None
    learnt: Learnt | None = None
    person: Person | None = None
    organisation: Organisation | None = None

    def check(self) -> None:
        other = "organisation" if self.kind == "person" else "person"
        if getattr(self, other) is not None:
            said = f"the groups of kind `{other}` are given; expected those of `{self.kind}`, as `kind` says"
            raise Refused("bad_field", said, f"$.{other}")


class CustomerChanged(CustomerRegistered, frozen=True, kw_only=True):
    """What the sending system knows of the customer now."""

    TYPE: ClassVar[str] = "rapport.customer.changed.v1"


class CustomerLinked(Payload, frozen=True, kw_only=True):
    """The customer is known in another system under an id of that system.

    Events about him that come under that id have the subject `<system>:<local_id>`, where %, : and / in the system's
    name are written %25, %3A and %2F: `shop:10077`, or `erp%2Feast:C-7`. From this fact on that account is his, with
    what has come under it before. The later of two for the same id holds; customer.unmerged takes it back.
    """

    TYPE: ClassVar[str] = "rapport.customer.linked.v1"
    system: Id
    local_id: Id

    @property
    def account(self) -> str:
        """The account under which that system's events come."""
        return local_account(self.system, self.local_id)

    def check(self) -> None:
        if len(self.account) > MAX_ID:
            raise Refused(
                "bad_field",
                f"system and local_id are {len(self.account)} characters together; expected at most {MAX_ID}, for they "
                "make the account of that system's events",
                "$.local_id",
            )


def local_account(system: str, local_id: str) -> str:
    """The account of what a system says under an id of its own."""
    name = system.replace("%", "%25").replace(":", "%3A").replace("/", "%2F")
    return f"{name}:{local_id}"


class CustomerMerged(Payload, frozen=True, kw_only=True):
    """Another account turned out to be this customer; the subject is the account that stays."""

    TYPE: ClassVar[str] = "rapport.customer.merged.v1"
    merged_id: Id
    merged_on: DoneOn | None = None
    reason: Text | None = None


class CustomerUnmerged(Payload, frozen=True, kw_only=True):
    """A merge was wrong: that account is a customer of its own again."""

    TYPE: ClassVar[str] = "rapport.customer.unmerged.v1"
    merged_id: Id
    unmerged_on: DoneOn | None = None
    reason: Text | None = None


class CustomerErased(Payload, frozen=True, kw_only=True):
    """The customer asked to be forgotten, or the law does."""

    TYPE: ClassVar[str] = "rapport.customer.erased.v1"
    requested_on: DoneOn | None = None
    request_id: Id | None = None
    reason: Literal["request", "retention_ended", "registered_by_mistake"] | None = None


class OwnerAssigned(Payload, frozen=True, kw_only=True):
    """Which account manager answers for the customer, from when."""

    TYPE: ClassVar[str] = "rapport.owner.assigned.v1"
    owner_id: Id
    since: DueOn
    deputy_id: Id | None = None


class CreditLimitSet(Payload, frozen=True, kw_only=True):
    """The customer's credit limit; null means that it is not checked. `grace_days` are added to every due date."""

    TYPE: ClassVar[str] = "rapport.credit_limit.set.v1"
    limit: Money | None
    valid_from: DueOn
    grace_days: Days | None = None
    company: Id | None = None

    def check(self) -> None:
        if self.limit is not None:
            not_negative(self.limit, "$.limit")


class ConsentChanged(Payload, frozen=True, kw_only=True):
    """The customer gave or took back his consent to one purpose, for one channel or for all."""

    TYPE: ClassVar[str] = "rapport.consent.changed.v1"
    purpose: Id
    granted: bool
    channel: ContactChannel | None = None
    stated_on: DoneOn | None = None
    evidence_id: Id | None = None


class ReferralMade(Payload, frozen=True, kw_only=True):
    """The customer brought in another one."""

    TYPE: ClassVar[str] = "rapport.referral.made.v1"
    referred_id: Id
    referred_on: DoneOn | None = None


class ServiceRelationStated(Payload, frozen=True, kw_only=True):
    """The subject (a unit, position or staff) serves an internal customer."""

    TYPE: ClassVar[str] = "rapport.service_relation.stated.v1"
    customer_id: Id
    kind: ServiceKind
    flows: list[Flow] | None = None
    function: Name | None = None
    stated_on: DoneOn | None = None


class ServiceRelationEnded(Payload, frozen=True, kw_only=True):
    """The subject no longer serves that internal customer."""

    TYPE: ClassVar[str] = "rapport.service_relation.ended.v1"
    customer_id: Id
    kind: ServiceKind
    ended_on: DoneOn | None = None


class OutputDeclared(Payload, frozen=True, kw_only=True):
    """What the subject, a department, produces and for whom."""

    TYPE: ClassVar[str] = "rapport.output.declared.v1"
    output_id: Id
    name: Name
    kind: Literal["hardware", "software", "processed_material", "service"]
    customer_ids: list[Id] | None = None
    withdrawn: bool = False


class CustomersWithdrawn(Withdrawal, frozen=True, kw_only=True):
    """Facts of this topic were sent by mistake: a file of another company, or of another year."""

    TYPE: ClassVar[str] = "rapport.customers.withdrawn.v1"
    reason: Text | None = None

    def check(self) -> None:
        super().check()
        if len(self.under) > _LONGEST:
            said = f"under has {len(self.under)} characters; expected at most {_LONGEST}"
            raise Refused("bad_field", said, "$.under")


class RequirementStated(Payload, frozen=True, kw_only=True):
    """A need of the customer, stated again when it changes (same `requirement_id`)."""

    TYPE: ClassVar[str] = "rapport.requirement.stated.v1"
    requirement_id: Id
    need: Text
    product_id: Id | None = None
    priority: Level | None = None
    source: DirectSource | IndirectSource | None = None
    stated_on: DoneOn | None = None
    met: bool | None = None

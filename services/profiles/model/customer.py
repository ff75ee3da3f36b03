"""What is known of a customer: for each field the latest word about it, and whose word it is.

Nothing here depends on the order in which facts come: a fact that is older than what is known about a field changes
that field no more, and a fact that comes again changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final, Literal

import msgspec

from contracts.events.customers import (
    ContactChannel,
    ContactHours,
    ExternalRole,
    IntermediaryKind,
    Learnt,
    Relation,
    SalesChannel,
)
from contracts.events.profile_groups import Organisation, Person
from services.profiles.model.facts import CompanyDays, FactKey
from services.profiles.model.owners import Assignment, Line, Tenure, assigned, line_of, next_change, tenure_on

PLAIN: Final = (
    "kind",
    "name",
    "relation",
    "external_role",
    "intermediary_kind",
    "sales_channel",
    "group",
    "territory",
    "parent_id",
    "owner_id",
    "timezone",
    "language",
    "preferred_channel",
    "contact_hours",
)
GROUPS: Final[dict[str, type[msgspec.Struct]]] = {"person": Person, "organisation": Organisation}
STANDING: Final = ("group", "territory", "parent_id", "relation")


class Stamp(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whose word a value is, and how its sender has learnt it, where he says so."""

    key: FactKey
    learnt: Learnt | None = None


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Under which id another system knows the customer, and the first fact that said so."""

    system: str
    local_id: str
    key: FactKey


class Customer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A customer as far as he is known; without `kind` nobody has registered him yet.

    `stamps` are by field; a profile group is a field of its own (`person/family`). `owner_id` is the owner as named
    with the other fields, `owner` who answers for him as of the last time this was looked at. By `alike` those are
    found that may be the same customer (likeness.py).
    """

    kind: Literal["person", "organisation"] | None = None
    name: str | None = None
    relation: Relation | None = None
    external_role: ExternalRole | None = None
    intermediary_kind: IntermediaryKind | None = None
    sales_channel: SalesChannel | None = None
    group: str | None = None
    territory: str | None = None
    parent_id: str | None = None
    owner_id: str | None = None
    timezone: str | None = None
    language: str | None = None
    preferred_channel: ContactChannel | None = None
    contact_hours: list[ContactHours] | None = None
    person: Person | None = None
    organisation: Organisation | None = None
    stamps: dict[str, Stamp] = {}
    links: tuple[Link, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    owner: Tenure | None = None
    alike: tuple[str, ...] = ()


def given(said: object) -> dict[str, Any]:
    """The fields that a statement gives, by name; absent ones are left out. `said` has the fields of
    customer.registered.
    """
    fields = {name: value for name in PLAIN if (value := getattr(said, name)) is not None}
    for whole in GROUPS:
        for name, group in _parts(getattr(said, whole)).items():
            fields[f"{whole}/{name}"] = group
    return fields


def learn(customer: Customer, fields: Mapping[str, Any], stamp: Stamp) -> Customer:
    """The customer after a statement about `fields` (see `given`). The same object if nothing in it is news."""
    stamps = customer.stamps
    newer = {name: value for name, value in fields.items() if name not in stamps or stamps[name].key < stamp.key}
    if not newer:
        return customer
    changes: dict[str, Any] = {name: value for name, value in newer.items() if name in PLAIN}
    for whole, kind in GROUPS.items():
        parts = {name.partition("/")[2]: part for name, part in newer.items() if name.startswith(f"{whole}/")}
        if parts:
            changes[whole] = msgspec.structs.replace(getattr(customer, whole) or kind(), **parts)
    return msgspec.structs.replace(customer, **changes, stamps=stamps | dict.fromkeys(newer, stamp))


def link(customer: Customer, new: Link) -> Customer:
    """The customer known in one more system. The same object if that was known since an earlier fact."""
    links = {(one.system, one.local_id): one for one in customer.links}
    known = links.get((new.system, new.local_id))
    if known is not None and known.key <= new.key:
        return customer
    links[new.system, new.local_id] = new
    return msgspec.structs.replace(customer, links=tuple(links[at] for at in sorted(links)))


def assign(customer: Customer, assignment: Assignment) -> Customer:
    """The customer with one more assignment of an owner. The same object if a later word for its day is known."""
    assignments = assigned(customer.assignments, assignment)
    if assignments is customer.assignments:
        return customer
    return msgspec.structs.replace(customer, assignments=assignments)


def tenures(customer: Customer, days: CompanyDays) -> Line:
    """Who answers for the customer, by day."""
    return line_of(customer.assignments, _named(customer, days))


def resting(customer: Customer, days: CompanyDays) -> dict[Tenure, FactKey]:
    """Which fact each of his tenures rests on."""
    named = _named(customer, days)
    facts = (*customer.assignments, named) if named is not None else customer.assignments
    return {one.tenure: one.key for one in facts}


def as_of(customer: Customer, days: CompanyDays, today: date) -> tuple[Customer, date | None]:
    """The customer with his owner of `today`, and the next day on which that changes by itself."""
    line = tenures(customer, days)
    owner = tenure_on(line, today)
    if owner != customer.owner:
        customer = msgspec.structs.replace(customer, owner=owner)
    return customer, next_change(line, today)


def named_on(customer: Customer, days: CompanyDays) -> date | None:
    """The day on which an owner was last named with the customer's other fields."""
    named = _named(customer, days)
    return named.tenure.valid_from if named is not None else None


def stands_since(customer: Customer, days: CompanyDays) -> date | None:
    """The day of the latest word about where the customer stands: from then on all of it is known to hold together."""
    stamps = [stamp for name in STANDING if (stamp := customer.stamps.get(name)) is not None]
    return days.of(max(stamp.key for stamp in stamps).time) if stamps else None


def _named(customer: Customer, days: CompanyDays) -> Assignment | None:
    stamp = customer.stamps.get("owner_id")
    if stamp is None or customer.owner_id is None:
        return None
    return Assignment(key=stamp.key, tenure=Tenure(valid_from=days.of(stamp.key.time), owner_id=customer.owner_id))


def _parts(whole: msgspec.Struct | None) -> dict[str, Any]:
    if whole is None:
        return {}
    return {name: part for name in whole.__struct_fields__ if (part := getattr(whole, name)) is not None}

"""Events in: each is turned into a fact of the model; what follows from it is said at once (emits.py)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import msgspec

from contracts.envelope import Event
from contracts.events import customers, staff
from contracts.events.lifecycle import ProfileErased, ProfileMerged, ProfileUnmerged
from contracts.payload import Payload
from contracts.refusal import Refused
from services.chassis.aggregate import Desk, Kind
from services.chassis.service import Before, Needs, Service, Ties
from services.chassis.ties import Tie
from services.profiles.emits import tell, tell_limits, tell_root, tell_staff, tell_without
from services.profiles.model.consents import Consent, ConsentBook, with_consent
from services.profiles.model.customer import Customer, Link, Stamp, as_of, assign, given, learn, link, named_on, tenures
from services.profiles.model.facts import CompanyDays, FactKey
from services.profiles.model.likeness import likeness
from services.profiles.model.limits import Limit, LimitBook, LimitSet, with_limit
from services.profiles.model.owners import Assignment, Tenure, first_difference
from services.profiles.model.staff import Card, Leaving, Staff, described, leaves, staff_as_of
from services.profiles.store import CONSENTS, CUSTOMERS, LIMITS, STAFF, STAFF_TOLD, TOLD, Told, export

Handle = Callable[[CompanyDays, Desk, Event], None]
Needed = tuple[tuple[Kind, str], ...]
_STAFF = "staff/"
# Parties that are no customer accounts: the company's own units, positions and people, and what is no person at all.
_OTHERS = ("territory/", "unit/", "position/", _STAFF, "wave/", "instrument/", "product/")


def profiles_service(days: CompanyDays) -> Service:
    """The profiles service of a company with these days."""
    # The clock waits for customers alone: the staff topic can be silent for months.
    service = Service("profiles", feeds=("rapport.customers",), snapshots=("rapport.profiles",))
    service.stores(CUSTOMERS, LIMITS, CONSENTS, TOLD, STAFF, STAFF_TOLD)
    of_customers: dict[type[Payload], tuple[Handle, Needs]] = {
        customers.CustomerRegistered: (customer_described, _told),
        customers.CustomerChanged: (customer_described, _told),
        customers.OwnerAssigned: (owner_assigned, _told),
        customers.CreditLimitSet: (credit_limit_set, _limits),
        customers.ConsentChanged: (consent_changed, _consents),
    }
    for payload, (handle, needs) in of_customers.items():
        service.on(payload, CUSTOMERS, needs=needs)(partial(_of_customer, handle, days))
    tying: dict[type[Payload], tuple[Handle, Ties]] = {
        customers.CustomerLinked: (customer_linked, _linked),
        customers.CustomerMerged: (customer_merged, _merged),
        customers.CustomerUnmerged: (customer_merged, _unmerged),
    }
    for payload, (handle, ties) in tying.items():
        service.on(payload, CUSTOMERS, ties=ties)(partial(_of_customer, handle, days))
    service.on(customers.CustomerErased, CUSTOMERS, to_root=True)(partial(_of_customer, customer_erased, days))
    service.after_tie(CUSTOMERS)(retied)
    service.withdraws(customers.CustomersWithdrawn, CUSTOMERS)
    of_staff: dict[type[Payload], Handle] = {
        staff.StaffRegistered: staff_described,
        staff.StaffChanged: staff_described,
        staff.StaffLeft: staff_left,
    }
    for payload, handle in of_staff.items():
        service.on(payload, STAFF, needs=_staff_told)(partial(_of_staff, handle, days))
    service.due(CUSTOMERS)(partial(owner_due, days))
    service.due(STAFF)(partial(leaving_due, days))
    service.after_refold(CUSTOMERS)(partial(customer_refolded, days))
    service.after_refold(STAFF)(staff_refolded)
    service.eraser = partial(customer_erased, days)
    service.exporter = export
    return service


def _linked(event: Event) -> Tie:
    return Tie(cast("customers.CustomerLinked", event.data).account, True, _rank(event))


def _merged(event: Event) -> Tie:
    return Tie(cast("customers.CustomerMerged", event.data).merged_id, True, _rank(event))


def _unmerged(event: Event) -> Tie:
    return Tie(cast("customers.CustomerUnmerged", event.data).merged_id, False, _rank(event))


def _rank(event: Event) -> int:
    return int(event.time.timestamp() * 1000)


def _told(event: Event) -> Needed:
    return ((TOLD, ""),)


def _limits(event: Event) -> Needed:
    return (LIMITS, cast("customers.CreditLimitSet", event.data).company or ""), (TOLD, "")


def _consents(event: Event) -> Needed:
    return ((CONSENTS, cast("customers.ConsentChanged", event.data).purpose),)


def _staff_told(event: Event) -> Needed:
    return ((STAFF_TOLD, ""),)


def key_of(event: Event) -> FactKey:
    """How the model names and orders this event."""
    return FactKey(time=event.time, source=event.source, id=event.id)


def _of_customer(handle: Handle, days: CompanyDays, desk: Desk, event: Event) -> None:
    if desk.subject.startswith(_OTHERS):
        kind = desk.subject.partition("/")[0]
        raise Refused("bad_attribute", f"the subject is a {kind}; expected a customer account", "subject")
    handle(days, desk, event)


def _of_staff(handle: Handle, days: CompanyDays, desk: Desk, event: Event) -> None:
    if not desk.subject.startswith(_STAFF):
        raise Refused(
            "bad_attribute", f"the subject is {desk.subject!r}; expected staff/ and the colleague's number", "subject"
        )
    handle(days, desk, event)


def _customer(desk: Desk) -> Customer:
    return desk.get(CUSTOMERS) or Customer()


def _keep(desk: Desk, days: CompanyDays, customer: Customer) -> Customer:
    """Store a customer as of now."""
    customer, ahead = as_of(customer, days, days.of(desk.now))
    if (alike := likeness(desk.subject, customer)) != customer.alike:
        customer = msgspec.structs.replace(customer, alike=alike)
    desk.put(CUSTOMERS, customer, due=days.begins(ahead) if ahead is not None else None)
    return customer


def _known(desk: Desk, days: CompanyDays) -> None:
    """Whoever a fact is about has a document of his own, even if nobody has registered him yet."""
    if desk.get(CUSTOMERS) is None:
        _keep(desk, days, Customer())


def customer_described(days: CompanyDays, desk: Desk, event: Event) -> None:
    """What a system knows of the customer now."""
    data = cast("customers.CustomerRegistered", event.data)
    if data.parent_id == desk.subject:
        raise Refused("bad_field", f"the parent is {data.parent_id!r} himself; expected another account", "$.parent_id")
    before = _customer(desk)
    after = learn(before, given(data), Stamp(key=key_of(event), learnt=data.learnt))
    if after is before:
        return
    renamed = after.stamps.get("owner_id") != before.stamps.get("owner_id")
    after = _keep(desk, days, after)
    tell(desk, days, after, owners_since=named_on(after, days) if renamed else None)


def customer_linked(days: CompanyDays, desk: Desk, event: Event) -> None:
    """Another system knows the customer under an id of its own."""
    data = cast("customers.CustomerLinked", event.data)
    before = _customer(desk)
    after = link(before, Link(system=data.system, local_id=data.local_id, key=key_of(event)))
    if after is not before:
        _keep(desk, days, after)


def owner_assigned(days: CompanyDays, desk: Desk, event: Event) -> None:
    """Somebody answers for the customer, from a day on."""
    data = cast("customers.OwnerAssigned", event.data)
    tenure = Tenure(valid_from=data.since, owner_id=data.owner_id, deputy_id=data.deputy_id)
    before = _customer(desk)
    after = assign(before, Assignment(key=key_of(event), tenure=tenure))
    if after is not before:
        tell(desk, days, _keep(desk, days, after), owners_since=data.since)


def credit_limit_set(days: CompanyDays, desk: Desk, event: Event) -> None:
    """How far the customer has credit, from a day on."""
    data = cast("customers.CreditLimitSet", event.data)
    company = data.company or ""
    limit = Limit(
        valid_from=data.valid_from,
        amount=data.limit.amount if data.limit is not None else None,
        currency=data.limit.currency if data.limit is not None else None,
        grace_days=data.grace_days,
    )
    _known(desk, days)
    held = desk.get(LIMITS, company) or LimitBook(company=company)
    after = with_limit(held, LimitSet(key=key_of(event), limit=limit))
    if after is held:
        return
    desk.put(LIMITS, after, company)
    told = desk.get(TOLD) or Told()
    if (now := tell_limits(desk, after, told)) != told:
        desk.put(TOLD, now)


def consent_changed(days: CompanyDays, desk: Desk, event: Event) -> None:
    """The customer agreed to something, or took it back."""
    data = cast("customers.ConsentChanged", event.data)
    statement = Consent(
        stated_on=data.stated_on or days.of(event.time),
        key=key_of(event),
        granted=data.granted,
        channel=data.channel,
        evidence_id=data.evidence_id,
    )
    _known(desk, days)
    book = desk.get(CONSENTS, data.purpose) or ConsentBook(purpose=data.purpose)
    desk.put(CONSENTS, with_consent(book, statement), data.purpose)


def customer_merged(days: CompanyDays, desk: Desk, event: Event) -> None:
    """Another account is this customer, or is not after all; `retied` says what comes of it."""
    data = cast("customers.CustomerMerged", event.data)
    if data.merged_id == desk.subject:
        raise Refused("bad_field", "the account is to be merged into itself; expected another one", "$.merged_id")
    if data.merged_id.startswith(_OTHERS):
        kind = data.merged_id.partition("/")[0]
        raise Refused("bad_field", f"the account is a {kind}; expected a customer account", "$.merged_id")
    _known(desk, days)


def retied(desk: Desk, root: str) -> None:
    """The account is another's now, or stands for itself again: everybody is told, of itself and of its root."""
    revision = desk.state.v + 1  # versions only grow
    if root:
        desk.emit(ProfileMerged(merged_id=desk.subject, revision=revision), subject=root)
    else:
        desk.emit(ProfileUnmerged(merged_id=desk.subject, revision=revision), subject=desk.state.root)
    tell_root(desk, root)


def customer_erased(days: CompanyDays, desk: Desk, event: Event | None) -> None:
    """The customer is forgotten here with all his accounts, and everybody else is told to forget him."""
    for account in (desk.subject, *desk.state.kin):
        desk.emit(ProfileErased(erased_at=desk.now), subject=account)
    desk.erase_subject()


def owner_due(days: CompanyDays, desk: Desk, key: str, customer: Customer) -> None:
    """The day has come from which on another answers for the customer. That he would was said before."""
    tell(desk, days, _keep(desk, days, customer))


def customer_refolded(days: CompanyDays, desk: Desk, before: Before) -> None:
    """Say what a refold has changed about a customer, beside what others were told before it."""
    customer = _customer(desk)
    was = cast("Customer | None", before.documents.get((CUSTOMERS.name, ""))) or Customer()
    told, books = before.of(TOLD).get("") or Told(), desk.all(LIMITS).values()
    if before.withdrawn:
        tell_without(desk, days, customer, books, told, before.withdrawn)
        return
    since = first_difference(tenures(was, days), tenures(customer, days))
    tell(desk, days, customer, owners_since=since, told=told, books=books)


def _keep_staff(desk: Desk, days: CompanyDays, colleague: Staff) -> Staff:
    colleague, ahead = staff_as_of(colleague, days.of(desk.now))
    desk.put(STAFF, colleague, due=days.begins(ahead) if ahead is not None else None)
    return colleague


def staff_described(days: CompanyDays, desk: Desk, event: Event) -> None:
    """A colleague as he is now; it replaces what was said of him before."""
    data = cast("staff.StaffRegistered", event.data)
    card = Card(**{name: getattr(data, name) for name in Card.__struct_fields__})
    before = desk.get(STAFF) or Staff()
    after = described(before, card, key_of(event), registers=event.type == staff.StaffRegistered.TYPE)
    if after is not before:
        tell_staff(desk, _keep_staff(desk, days, after))


def staff_left(days: CompanyDays, desk: Desk, event: Event) -> None:
    """A colleague leaves."""
    data = cast("staff.StaffLeft", event.data)
    before = desk.get(STAFF) or Staff()
    after = leaves(before, Leaving(key=key_of(event), left_on=data.left_on, successor=data.successor))
    if after is not before:
        tell_staff(desk, _keep_staff(desk, days, after))


def leaving_due(days: CompanyDays, desk: Desk, key: str, colleague: Staff) -> None:
    """The day has come on which a colleague is gone."""
    tell_staff(desk, _keep_staff(desk, days, colleague))


def staff_refolded(desk: Desk, before: Before) -> None:
    """Say what a refold has changed about a colleague."""
    tell_staff(desk, desk.get(STAFF) or Staff(), told=before.of(STAFF_TOLD).get("") or Told())

"""What the model says, in the words of the contracts; said only where it differs from what was said before."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import msgspec

from contracts.events.lifecycle import LifecycleWithdrawn, LimitChanged, OwnerChanged, StandingChanged
from contracts.events.profiles import ProfileChanged, StaffCard
from contracts.money import Money
from services.chassis.aggregate import Desk, Part, name_of
from services.profiles.model.customer import Customer, resting, stands_since, tenures
from services.profiles.model.facts import CompanyDays, FactKey
from services.profiles.model.limits import Limit, LimitBook
from services.profiles.model.owners import Line, begun, entered, tenure_on, to_tell
from services.profiles.model.staff import Staff
from services.profiles.store import STAFF_TOLD, TOLD, Told, ToldLimit, ToldTenure

FIRST = 1


def tell(
    desk: Desk,
    days: CompanyDays,
    customer: Customer,
    *,
    owners_since: date | None = None,
    told: Told | None = None,
    books: Iterable[LimitBook] = (),
) -> None:
    """Say what is news about a customer. `owners_since` is the day from which his owners have changed, `books` are his
    limits where they may have, `told` is what others know (by itself what is stored).
    """
    told = told or desk.get(TOLD) or Told()
    line = tenures(customer, days)
    news = to_tell(line_of_told(told), line, owners_since) if owners_since is not None else ()
    now = _tell_owners(desk, days, customer, told, news)
    for book in books:
        now = tell_limits(desk, book, now)
    snapshot = snapshot_of(customer, desk.state.root)
    standing = standing_of(snapshot, customer, days)
    if standing is not None and _stands(snapshot) != _stands(told.snapshot):
        desk.emit(standing)
    _tell_snapshot(desk, TOLD, told, now, snapshot)


def tell_without(
    desk: Desk, days: CompanyDays, customer: Customer, books: Iterable[LimitBook], told: Told, names: Iterable[str]
) -> None:
    """Say that what was said because of facts whose names begin so is withdrawn, and what else is not known then."""
    said: tuple[ToldTenure | ToldLimit, ...] = (*told.tenures, *told.limits)
    named = tuple(names)
    # Said again because of something else, it rested on them all the same.
    resting_on = {f"{one.cause}/" for one in said if one.fact.startswith(named) and not one.cause.startswith(named)}
    gone = (*named, *sorted(resting_on))
    for name in gone if told != Told() else ():
        desk.emit(LifecycleWithdrawn(under=name))
    now = msgspec.structs.replace(
        told,
        tenures=tuple(one for one in told.tenures if one.cause and not f"{one.cause}/".startswith(gone)),
        limits=tuple(one for one in told.limits if one.cause and not f"{one.cause}/".startswith(gone)),
    )
    now = _tell_owners(desk, days, customer, now, begun(line_of_told(now), tenures(customer, days)))
    for book in books:
        now = tell_limits(desk, book, now)
    snapshot = snapshot_of(customer, desk.state.root)
    if (standing := standing_of(snapshot, customer, days)) is not None:
        desk.emit(standing)  # what was said of it last may be among what is withdrawn
    _tell_snapshot(desk, TOLD, told, now, snapshot)


def line_of_told(told: Told) -> Line:
    """Who answers for the customer by day, as others know it."""
    line: Line = ()
    for one in told.tenures:
        line = entered(line, one)
    return line


def _tell_owners(desk: Desk, days: CompanyDays, customer: Customer, told: Told, news: Line) -> Told:
    line, facts = tenures(customer, days), resting(customer, days)
    said = list(told.tenures)
    for one in news:
        desk.emit(OwnerChanged(owner_id=one.owner_id, valid_from=one.valid_from, deputy_id=one.deputy_id))
        begins = tenure_on(line, one.valid_from)
        fact = _other(facts[begins], desk) if begins is not None else ""
        said.append(ToldTenure(**msgspec.structs.asdict(one), cause=desk.cause, fact=fact))
    return msgspec.structs.replace(told, tenures=tuple(said))


def tell_limits(desk: Desk, book: LimitBook, told: Told) -> Told:
    """Say which limits of a book others do not know; returns what they know then."""
    known = {one.limit.valid_from: one.limit for one in told.limits if one.company == book.company}
    news = [one for one in book.limits if known.get(one.limit.valid_from) != one.limit]
    for one in news:
        desk.emit(limit_changed(one.limit, book.company))
    said = [
        ToldLimit(limit=one.limit, company=book.company, cause=desk.cause, fact=_other(one.key, desk)) for one in news
    ]
    return msgspec.structs.replace(told, limits=(*told.limits, *said))


def _other(key: FactKey, desk: Desk) -> str:
    name = name_of(key.source, key.id)
    return name if name != desk.cause else ""


def tell_staff(desk: Desk, staff: Staff, *, told: Told | None = None) -> None:
    """Say what is news about a colleague."""
    told = told or desk.get(STAFF_TOLD) or Told()
    _tell_snapshot(desk, STAFF_TOLD, told, told, staff_snapshot_of(staff))


def tell_root(desk: Desk, root: str) -> None:
    """Say in an account's snapshot whose it is; who has none needs none."""
    told = desk.get(TOLD) or Told()
    if told.snapshot is not None:
        _tell_snapshot(desk, TOLD, told, told, msgspec.structs.replace(told.snapshot, root_id=root or None))


def _tell_snapshot(desk: Desk, kind: Part[Told], before: Told, told: Told, snapshot: ProfileChanged | None) -> None:
    if snapshot is None and told.snapshot is not None:
        kept = told.snapshot.kind
        snapshot = ProfileChanged(revision=FIRST, kind=kept, root_id=desk.state.root or None, withdrawn=True)
    if snapshot is not None:
        said = told.snapshot
        same = said is not None and msgspec.structs.replace(snapshot, revision=said.revision) == said
        if not same:
            revision = said.revision + 1 if said is not None else FIRST
            snapshot = msgspec.structs.replace(snapshot, revision=revision)
            desk.emit(snapshot)
            told = msgspec.structs.replace(told, snapshot=snapshot)
    if told != before:
        desk.put(kind, told)


def snapshot_of(customer: Customer, root: str = "") -> ProfileChanged | None:
    """What others may know of a customer; None until somebody has registered him. The revision is still to be given;
    `root` is the account he is merged into.
    """
    if customer.kind is None:
        return None
    return ProfileChanged(
        revision=FIRST,
        kind=customer.kind,
        name=customer.name,
        relation=customer.relation,
        external_role=customer.external_role,
        intermediary_kind=customer.intermediary_kind,
        sales_channel=customer.sales_channel,
        group=customer.group,
        territory=customer.territory,
        parent_id=customer.parent_id,
        root_id=root or None,
        owner_id=customer.owner.owner_id if customer.owner is not None else None,
        deputy_id=customer.owner.deputy_id if customer.owner is not None else None,
        timezone=customer.timezone,
        language=customer.language,
        preferred_channel=customer.preferred_channel,
        contact_hours=customer.contact_hours,
    )


def staff_snapshot_of(staff: Staff) -> ProfileChanged | None:
    """What others may know of a colleague; None until somebody has described him."""
    card = staff.card
    if card is None:
        return None
    shown = StaffCard(
        mail=card.mail,
        unit=card.unit,
        supervisor=card.supervisor,
        deputy=card.deputy,
        zone=card.zone,
        hours=card.hours,
        language=card.language,
        channels=card.channels,
        left=staff.gone,
    )
    return ProfileChanged(revision=FIRST, kind="staff", name=card.name, staff=shown)


def standing_of(snapshot: ProfileChanged | None, customer: Customer, days: CompanyDays) -> StandingChanged | None:
    """Where a customer stands; None until somebody has registered him."""
    since = stands_since(customer, days)
    if snapshot is None or since is None:
        return None
    return StandingChanged(
        valid_from=since,
        group=snapshot.group,
        tier=snapshot.tier,
        territory=snapshot.territory,
        parent_id=snapshot.parent_id,
        relation=snapshot.relation,
    )


def limit_changed(limit: Limit, company: str) -> LimitChanged:
    """A limit as others hear it; without an amount it is null, which says *not checked*."""
    money = Money(limit.amount, limit.currency) if limit.amount is not None and limit.currency is not None else None
    return LimitChanged(limit=money, valid_from=limit.valid_from, grace_days=limit.grace_days, company=company or None)


def _stands(snapshot: ProfileChanged | None) -> tuple[str | None, ...]:
    if snapshot is None:
        return ()
    return snapshot.group, snapshot.tier, snapshot.territory, snapshot.parent_id, snapshot.relation

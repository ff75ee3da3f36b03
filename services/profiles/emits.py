"""What the model says, in the words of the contracts; said only where it differs from what was said before."""

from __future__ import annotations

from datetime import date

import msgspec

from contracts.events.lifecycle import LimitChanged, OwnerChanged, StandingChanged
from contracts.events.profiles import ProfileChanged, StaffCard
from contracts.money import Money
from services.chassis.aggregate import Desk, Part
from services.profiles.model.customer import Customer, stands_since, tenures
from services.profiles.model.facts import CompanyDays
from services.profiles.model.limits import Limit
from services.profiles.model.owners import entered, to_tell
from services.profiles.model.staff import Staff
from services.profiles.store import STAFF_TOLD, TOLD, Told

FIRST = 1


def tell(
    desk: Desk, days: CompanyDays, customer: Customer, *, owners_since: date | None = None, told: Told | None = None
) -> None:
    """Say what is news about a customer. `owners_since` is the day from which his owners have changed, `told` what
    others know (by itself what is stored).
    """
    told = told or desk.get(TOLD) or Told()
    news = to_tell(told.tenures, tenures(customer, days), owners_since) if owners_since is not None else ()
    line = told.tenures
    for tenure in news:
        desk.emit(OwnerChanged(owner_id=tenure.owner_id, valid_from=tenure.valid_from, deputy_id=tenure.deputy_id))
        line = entered(line, tenure)
    snapshot = snapshot_of(customer, desk.state.root)
    standing = standing_of(snapshot, customer, days)
    if standing is not None and _stands(snapshot) != _stands(told.snapshot):
        desk.emit(standing)
    _tell_snapshot(desk, TOLD, told, msgspec.structs.replace(told, tenures=line), snapshot)


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

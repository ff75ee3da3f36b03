"""What the alerts service knows of a customer beside his documents: his owner, and what rules need to know."""

from __future__ import annotations

from datetime import date

import msgspec

from services.alerts.model.balance import Stated
from services.alerts.model.credit import Granted, Sum, settled
from services.alerts.model.facts import FactKey
from services.alerts.model.quotes import Quote, Wanted, current


class Owned(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Who answers for the customer from a day on; `owner_id` None: nobody."""

    valid_from: date
    key: FactKey
    owner_id: str | None = None
    deputy_id: str | None = None


class Grace(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Days added to every due date, from a day on; None: the rule's own."""

    valid_from: date
    key: FactKey
    days: int | None = None


class Account(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A customer account. Histories are sorted by day and fact, so that a late fact about an earlier day finds its
    place. `owed` and `ordered` are running sums over his documents (see model/credit.py), `stated` is what the books
    say he owes beside what we have (model/balance.py). `cutover` is the day of cut-over of the last load of his past.
    `wants`: money of another currency than that of a limit it is held against, `rates` what it is worth there, and
    `unrated` the pairs such as USD/CNY for which there is no rate here (model/abroad.py); the latest of these that
    holds is of `rated_on`.
    """

    name: str = ""
    revision: int = 0  # of the snapshot the name is from
    role: str = ""  # external_role, from there too
    withdrawn: int = 0  # revision of the snapshot that took all before it back
    owners: tuple[Owned, ...] = ()
    graces: tuple[Grace, ...] = ()
    limits: tuple[Granted, ...] = ()
    owed: tuple[Sum, ...] = ()
    ordered: tuple[Sum, ...] = ()
    stated: tuple[Stated, ...] = ()
    cutover: date | None = None
    wants: tuple[Wanted, ...] = ()
    rates: tuple[Quote, ...] = ()
    unrated: tuple[str, ...] = ()
    rated_on: date | None = None


def with_owner(account: Account, owned: Owned) -> Account:
    """The account with one more fact about its owner."""
    if any(known.key == owned.key for known in account.owners):
        return account
    owners = sorted((*account.owners, owned), key=lambda one: (one.valid_from, one.key))
    return msgspec.structs.replace(account, owners=tuple(owners))


def with_grace(account: Account, grace: Grace) -> Account:
    """The account with one more fact about its grace period."""
    if any(known.key == grace.key for known in account.graces):
        return account
    graces = sorted((*account.graces, grace), key=lambda one: (one.valid_from, one.key))
    return msgspec.structs.replace(account, graces=tuple(graces))


def with_limit(account: Account, limit: Granted) -> Account:
    """The account with one more fact about a credit limit."""
    if any(known.key == limit.key for known in account.limits):
        return account
    limits = sorted((*account.limits, limit), key=lambda one: (one.valid_from, one.key))
    return msgspec.structs.replace(account, limits=tuple(limits))


def with_snapshot(account: Account, name: str, revision: int, role: str = "") -> Account:
    """The account as the latest snapshot shows it; an earlier snapshot changes nothing."""
    if revision <= max(account.revision, account.withdrawn):
        return account
    return msgspec.structs.replace(account, name=name, revision=revision, role=role, withdrawn=0)


def without_snapshot(account: Account, revision: int) -> Account:
    """The account as if no snapshot had come: that one takes them back. An earlier one changes nothing."""
    if revision <= max(account.revision, account.withdrawn):
        return account
    return msgspec.structs.replace(account, name="", revision=0, role="", withdrawn=revision)


def owner_on(account: Account, day: date) -> str:
    """The staff id of who answers for the customer on a day; empty where nobody does.

    Before the first fact about an owner the first owner counts: somebody has to be told.
    """
    owner: str | None = account.owners[0].owner_id if account.owners else None
    for owned in account.owners:
        if owned.valid_from > day:
            break
        owner = owned.owner_id
    return owner or ""


def grace_on(account: Account, day: date, default: int) -> int:
    """The grace period in days that holds on a day."""
    days: int | None = None
    for grace in account.graces:
        if grace.valid_from > day:
            break
        days = grace.days
    return default if days is None else days


def next_change(account: Account, after: date) -> date | None:
    """The first day after `after` on which something known already takes hold: another owner, another grace period."""
    days = [owned.valid_from for owned in account.owners] + [grace.valid_from for grace in account.graces]
    return min((day for day in days if day > after), default=None)


def settled_on(account: Account, day: date) -> Account:
    """The account with its sums in their one form on a day: two that hold the same facts are then equal, whenever
    their last change came.
    """
    return msgspec.structs.replace(
        account,
        owed=settled(account.owed, day),
        ordered=settled(account.ordered, day),
        rates=current(account.rates, day),
        rated_on=max((one.on for one in account.rates if one.on <= day), default=None),
    )

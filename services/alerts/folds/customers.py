"""Events about customers in: who answers for them, their limits, their names, their going."""

from __future__ import annotations

from typing import cast

from contracts.envelope import Event
from contracts.events import lifecycle, profiles, settings
from contracts.refusal import Refused
from services.alerts.model.account import (
    Account,
    Grace,
    with_grace,
    with_limit,
    with_owner,
    with_snapshot,
    without_snapshot,
)
from services.alerts.model.account import Owned as OwnerFact
from services.alerts.model.cadence.closures import Closure, with_calendar
from services.alerts.model.credit import Granted
from services.alerts.model.facts import FactKey
from services.alerts.model.rules.receivable_over_limit import Fact, limit_outcome
from services.alerts.rules import Rules
from services.alerts.store import (
    ACCOUNTS,
    ITEMS,
    RHYTHMS,
    RhythmCard,
)
from services.alerts.watch.credit import judge
from services.alerts.watch.invoice import watch
from services.alerts.watch.life import hand_over, keep
from services.alerts.watch.rhythm import calendar_known
from services.chassis.aggregate import Desk, cause_of


def account_due(rules: Rules, desk: Desk, key: str, account: Account) -> None:
    """The day has come for which another owner or grace period was announced."""
    keep(desk, rules, account, by_clock=True)
    for item, card in desk.all(ITEMS).items() if account.graces else ():
        watch(desk, rules, item, card, "", by_clock=True)
    hand_over(desk, rules)


def owner_changed(rules: Rules, desk: Desk, event: Event) -> None:
    """Who answers for the customer, from a day on."""
    data = cast("lifecycle.OwnerChanged", event.data)
    fact = OwnerFact(
        valid_from=data.valid_from, key=FactKey.of(event), owner_id=data.owner_id, deputy_id=data.deputy_id
    )
    keep(desk, rules, with_owner(desk.get(ACCOUNTS) or Account(), fact))
    hand_over(desk, rules)


def limit_changed(rules: Rules, desk: Desk, event: Event) -> None:
    """The customer's credit limit from a day on. His grace period travels with it; his invoices are judged by both."""
    data = cast("lifecycle.LimitChanged", event.data)
    before = desk.get(ACCOUNTS) or Account()
    after = with_grace(before, Grace(valid_from=data.valid_from, key=FactKey.of(event), days=data.grace_days))
    granted = Granted(
        valid_from=data.valid_from,
        key=FactKey.of(event),
        company=data.company or "",
        amount=data.limit.amount if data.limit is not None else None,
        currency=data.limit.currency if data.limit is not None else "",
    )
    cards = desk.all(ITEMS) if data.grace_days is not None or before.graces else {}
    keep(desk, rules, with_limit(after, granted))
    for key, card in cards.items():
        watch(desk, rules, key, card, cause_of(event))
    judge(desk, rules, Fact(cause_of(event), limit_outcome(granted), event.history is not None))


def account_tied(rules: Rules, desk: Desk, event: Event) -> None:
    """Another account is this customer, or is not after all: the row says it, and the chassis folds both again."""


def profile_erased(rules: Rules, desk: Desk, event: Event | None) -> None:
    """The customer is forgotten; what law keeps stays in the ledger without him."""
    desk.erase_subject()


def profile_changed(rules: Rules, desk: Desk, event: Event) -> None:
    """The customer's name, for the mails about him; or that nobody states him any more."""
    data = cast("profiles.ProfileChanged", event.data)
    if data.kind not in ("person", "organisation"):
        return
    held = desk.get(ACCOUNTS) or Account()
    if data.withdrawn:
        account = without_snapshot(held, data.revision)
    else:
        account = with_snapshot(held, data.name or "", data.revision, data.external_role or "")
    if account is not held:
        keep(desk, rules, account)


def calendar_set(rules: Rules, desk: Desk, event: Event) -> None:
    """The customer's announced closures: his silence on these days says nothing."""
    if desk.subject == "company" or "/" in desk.subject:
        raise Refused(
            "bad_field",
            f"closures of {desk.subject} are of no single customer; expected a customer's account as subject (those of "
            "the whole company are the setting RAPPORT_ALERTS_CLOSED_DAYS)",
            "$.subject",
        )
    data = cast("settings.CalendarSet", event.data)
    held = (desk.get(RHYTHMS) or RhythmCard()).calendar
    closures = [Closure(first=one.first, last=one.last) for one in data.closures]
    calendar_known(desk, rules, with_calendar(held, FactKey.of(event), closures), cause_of(event))

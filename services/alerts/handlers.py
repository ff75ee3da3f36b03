"""Events in: which fold (folds/) takes which. It lays a fact where it belongs; watch/ sees to what follows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import msgspec

from contracts.envelope import Event
from contracts.events import alerts, lifecycle, profiles, settings, staff, trade
from contracts.payload import Payload
from services.alerts import decided
from services.alerts.folds.balances import balance_stated, documents
from services.alerts.folds.books import (
    BOOKS,
    NEEDS,
    document,
    invoice_cancelled,
    invoice_corrected,
    invoice_disputed,
    invoice_issued,
    item_due,
    payment_applied,
    payment_reversed,
)
from services.alerts.folds.colleagues import staff_left, staff_told
from services.alerts.folds.customers import (
    account_due,
    account_tied,
    calendar_set,
    limit_changed,
    owner_changed,
    profile_changed,
    profile_erased,
)
from services.alerts.folds.orders import ORDERED
from services.alerts.folds.priors import prior_fitted
from services.alerts.folds.purchases import BOUGHT
from services.alerts.folds.purchases import NEEDS as PURCHASES_NEEDED
from services.alerts.folds.rates import rate_applied, rate_published
from services.alerts.learning import learn
from services.alerts.model.account import Account
from services.alerts.privacy import export
from services.alerts.refolding import compare
from services.alerts.rules import Rules
from services.alerts.store import ACCOUNTS, CREDIT, ITEMS, PARTS, PRIORS, RATES, RHYTHMS, STAFF
from services.alerts.watch.credit import credit_due
from services.alerts.watch.life import keep
from services.alerts.watch.rhythm import rhythm_due
from services.chassis.aggregate import Desk
from services.chassis.service import Service
from services.chassis.ties import Tie


def alerts_service(rules: Rules) -> Service:
    """The alerts service under the given rules."""
    service = Service("alerts", feeds=("rapport.trade",), books=tuple(payload.TYPE for payload in BOOKS))
    service.stores(ACCOUNTS, STAFF, *PARTS)
    folds: dict[type[Payload], Callable[[Rules, Desk, Event], None]] = {
        trade.InvoiceIssued: invoice_issued,
        trade.InvoiceCorrected: invoice_corrected,
        trade.InvoiceCancelled: invoice_cancelled,
        trade.InvoiceDisputed: invoice_disputed,
        trade.PaymentReceived: partial(document, kind="payment"),
        trade.CreditNoteIssued: partial(document, kind="credit_note"),
        trade.DebtWrittenOff: partial(document, kind="write_off"),
        trade.PaymentApplied: payment_applied,
        trade.PaymentReversed: payment_reversed,
        trade.BalanceStated: balance_stated,
        **BOUGHT,
        **ORDERED,
    }
    needed = NEEDS | PURCHASES_NEEDED | {trade.BalanceStated: documents}
    for payload, fold in folds.items():
        service.on(payload, ACCOUNTS, needs=needed.get(payload))(partial(_of_the_past, rules, fold))
    _who(service, rules)
    service.on(staff.StaffRegistered, STAFF)(staff_told)
    service.on(staff.StaffChanged, STAFF)(staff_told)
    service.on(staff.StaffLeft, STAFF)(staff_left)
    service.withdraws(trade.TradeWithdrawn, ACCOUNTS)
    service.withdraws(lifecycle.LifecycleWithdrawn, ACCOUNTS)
    service.command(alerts.PriorFitted, PRIORS)(prior_fitted)
    service.on(settings.RatePublished, RATES)(partial(rate_published, rules))
    service.command(alerts.RateApplied, ACCOUNTS)(partial(rate_applied, rules))
    decided.register(service)
    _deadlines(service, rules)
    service.after_refold(ACCOUNTS)(partial(compare, rules))
    service.eraser = partial(profile_erased, rules)
    service.exporter = export
    service.opening = partial(learn, rules)
    return service


def _of_the_past(rules: Rules, fold: Callable[[Rules, Desk, Event], None], desk: Desk, event: Event) -> None:
    """Fold an event, having noted of which cut-over it is."""
    if event.history is not None:
        account = desk.get(ACCOUNTS) or Account()
        if account.cutover is None or account.cutover < event.history:
            keep(desk, rules, msgspec.structs.replace(account, cutover=event.history))
    fold(rules, desk, event)


def _who(service: Service, rules: Rules) -> None:
    """What is said of a customer himself. Where several accounts are one, that of his first holds."""
    said: dict[type[Payload], Callable[[Rules, Desk, Event], None]] = {
        lifecycle.OwnerChanged: owner_changed,
        lifecycle.LimitChanged: limit_changed,
        settings.CalendarSet: calendar_set,
    }
    for payload, fold in said.items():
        service.on(payload, ACCOUNTS, of_root=True)(partial(_of_the_past, rules, fold))
    service.on(profiles.ProfileChanged, ACCOUNTS, keep=False, of_root=True)(partial(profile_changed, rules))
    service.on(lifecycle.ProfileMerged, ACCOUNTS, ties=partial(_tie, True))(partial(account_tied, rules))
    service.on(lifecycle.ProfileUnmerged, ACCOUNTS, ties=partial(_tie, False))(partial(account_tied, rules))
    service.on(lifecycle.ProfileErased, ACCOUNTS, to_root=True)(partial(profile_erased, rules))


def _tie(holds: bool, event: Event) -> Tie:
    said = cast("lifecycle.ProfileMerged", event.data)
    return Tie(said.merged_id, holds, said.revision or 0)


def _deadlines(service: Service, rules: Rules) -> None:
    # What was bought and what was paid: without word of it, silence says nothing of a customer.
    service.supply("purchases", *BOUGHT)
    service.supply("payments", trade.PaymentReceived, trade.PaymentApplied)
    service.due(ITEMS, rests_on="payments")(partial(item_due, rules))
    service.due(RHYTHMS, rests_on="purchases")(partial(rhythm_due, rules))
    service.due(ACCOUNTS)(partial(account_due, rules))
    service.due(CREDIT, rests_on="payments")(partial(credit_due, rules))

"""Rule receivable_overdue laid beside the alerts of one invoice."""

from __future__ import annotations

import msgspec

from services.alerts.model import alert as alerts
from services.alerts.model.alert import Change
from services.alerts.model.rules import receivable_overdue
from services.alerts.rules import Rules
from services.alerts.store import ACCOUNTS, ALERTS, ITEMS, Item
from services.alerts.watch.life import follow, told
from services.chassis.aggregate import Desk


def watch(desk: Desk, rules: Rules, key: str, card: Item, because: str, *, by_clock: bool = False) -> None:
    """Store an invoice whose facts or whose day changed, with all that follows from it.

    Bad news waits for the clock, good news does not: what would raise an alert is only marked as due now, and raised
    when everything that lies unread has been read, for it may hold the payment.
    """
    today = rules.day(desk.now)
    params = rules.overdue_for(desk.get(ACCOUNTS), today)
    changes: list[Change] = []
    if card.alerts or receivable_overdue.may_stand(card.item, params, today):
        found = receivable_overdue.episodes(card.item, params, today)
        known = {name: owned.alert for name in card.alerts if (owned := desk.get(ALERTS, name)) is not None}
        changes = alerts.reconcile(known, found, desk.now, today, because)
    due = receivable_overdue.next_due(card.item, params, today)
    moment = rules.midnight(due) if due is not None else None
    if follow(desk, rules, changes, by_clock=by_clock):
        moment = desk.now
    ids = tuple(dict.fromkeys((*card.alerts, *told(changes, by_clock=by_clock))))
    desk.put(ITEMS, msgspec.structs.replace(card, alerts=ids), key, due=moment)

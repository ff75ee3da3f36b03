"""What the books state in, laid beside what we have of that day."""

from __future__ import annotations

from typing import cast

import msgspec

from contracts.envelope import Event
from contracts.events import trade
from services.alerts.model.account import Account
from services.alerts.model.balance import (
    Net,
    compared,
    is_later,
    moved,
    net_of_item,
    net_of_settlement,
    with_stated,
)
from services.alerts.model.facts import FactKey
from services.alerts.rules import Rules
from services.alerts.store import ACCOUNTS, ITEMS, SETTLEMENTS
from services.alerts.watch.life import keep
from services.chassis.aggregate import EVERY, Desk, Kind


def documents(event: Event) -> list[tuple[Kind, str]]:
    """A statement is laid beside all documents there are; what comes later moves what came of that."""
    return [(ITEMS, EVERY), (SETTLEMENTS, EVERY)]


def balance_stated(rules: Rules, desk: Desk, event: Event) -> None:
    """The books say what was open at the end of a day."""
    data = cast("trade.BalanceStated", event.data)
    account = desk.get(ACCOUNTS) or Account()
    company, key = data.company or "", FactKey.of(event)
    if any(one.company == company and not is_later(data.as_of, key, one) for one in account.stated):
        return
    ours = [net_of_item(card.item) for card in desk.all(ITEMS).values() if company in ("", card.item.company)]
    ours += [net_of_settlement(one) for one in desk.all(SETTLEMENTS).values() if company in ("", one.company)]
    stated = {money.currency: money.amount for money in data.open}
    fresh = compared(company, data.as_of, key, stated, ours)
    keep(desk, rules, msgspec.structs.replace(account, stated=with_stated(account.stated, fresh)))


def restate(desk: Desk, rules: Rules, company: str, before: Net, after: Net) -> None:
    """Compare again, when a document of the company counts as `after` instead of `before`: on the day of the books it
    may have counted too, however late it comes.
    """
    account = desk.get(ACCOUNTS)
    if account is None or not account.stated:
        return
    stated = moved(account.stated, company, before, after)
    if stated != account.stated:
        keep(desk, rules, msgspec.structs.replace(account, stated=stated))

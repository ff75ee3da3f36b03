"""Exchange rates in: the company's, as they are published, and those that a customer's money is worth something by."""

from __future__ import annotations

from typing import Final, cast

import msgspec

from contracts.envelope import Event
from contracts.events import alerts, settings
from contracts.refusal import Refused
from services.alerts.model.abroad import newly_rated, with_rates
from services.alerts.model.account import Account
from services.alerts.model.facts import FactKey
from services.alerts.model.quotes import Quote, with_quote
from services.alerts.model.rules.receivable_over_limit import RATE_CHANGED, Fact
from services.alerts.rules import Rules
from services.alerts.store import ACCOUNTS, RATES, KnownRates
from services.alerts.watch.credit import judge
from services.alerts.watch.life import keep
from services.chassis.aggregate import Desk, cause_of

COMPANY: Final = "company"
MOST: Final = 300  # rates at a time: one document holds them, and must not grow past 64 KB


def rate_published(rules: Rules, desk: Desk, event: Event) -> None:
    """A rate of the company, for a day. Customers it concerns are brought it by the worker of rating.py."""
    if desk.subject != COMPANY:
        raise Refused(
            "bad_field",
            f"rates of {desk.subject} are not known here; expected `{COMPANY}` as subject, for they hold for all "
            "customers",
            "$.subject",
        )
    data = cast("settings.RatePublished", event.data)
    key = FactKey(time=event.time, source=event.source, id=event.id)
    quote = Quote(currency=data.currency, base=data.base, rate=data.rate, on=data.on, key=key)
    known = desk.get(RATES) or KnownRates()
    quotes = with_quote(known.quotes, quote, rules.day(desk.now))
    if len(quotes) > MOST:
        raise Refused(
            "bad_field",
            f"{len(known.quotes)} rates that hold or will are known already; expected at most {MOST}, for fewer "
            "currencies or days ahead",
            "$.on",
        )
    desk.put(RATES, msgspec.structs.replace(known, quotes=quotes))


def rate_applied(rules: Rules, desk: Desk, event: Event) -> None:
    """The rates that the customer's account wanted, or others in their place."""
    data = cast("alerts.RateApplied", event.data)
    quotes = [
        Quote(
            currency=one.currency,
            base=one.base,
            rate=one.rate,
            on=one.on,
            key=FactKey(time=one.published_at, source=one.source, id=one.id),
        )
        for one in data.rates
    ]
    before = desk.get(ACCOUNTS) or Account()
    after = with_rates(before, quotes, rules.day(desk.now))
    if after is before:
        return
    keep(desk, rules, after)
    begun = newly_rated(before, after)
    past = bool(begun) and all(one.past for one in begun)  # what was loaded of the past stays past, see model/abroad.py
    judge(desk, rules, Fact(cause_of(event), RATE_CHANGED, past))

"""What waiting alone will make of what is known: alerts that would be raised, and those that would be told at last."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from contracts.money import Money
from services.alerts.model.account import Account
from services.alerts.model.alert import alert_id
from services.alerts.model.credit import granted_on
from services.alerts.model.open_item import OpenItem
from services.alerts.model.rules import churn_risk, purchase_slowdown, receivable_over_limit, receivable_overdue
from services.alerts.model.rules.receivable_over_limit import Params as CreditParams
from services.alerts.model.rules.receivable_overdue import Params

_DAY: Final = timedelta(days=1)


class Coming(msgspec.Struct, frozen=True, kw_only=True):
    """An alert of which somebody will be told on a day, if nothing happens until then. `about`: the invoice, or the
    legal entity of the limit.
    """

    on: date
    rule: str
    stage: int
    about: str = ""
    amount: Money | None = None


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Days from `since` up to and without `until`."""

    since: date
    until: date

    def __contains__(self, day: date) -> bool:
        return self.since <= day < self.until


def of_invoice(
    item: OpenItem, params: Params, span: Span, known: Collection[str], untold: Collection[str]
) -> Iterator[Coming]:
    """Of an invoice: `known` are the ids of its alerts, `untold` those of which nobody has been told: there the next
    stage is news.
    """
    for episode in receivable_overdue.episodes(item, params, span.until - _DAY):
        if episode.closed_on is not None:
            continue
        name = alert_id(episode.rule, episode.subject, episode.cause, episode.opening_fact)
        if name in known and name not in untold:
            continue
        steps = episode.stages if name in known else episode.stages[:1]
        if name not in known and episode.opened_on not in span:
            continue
        for day, stage in steps:
            if day in span and stage > episode.past:
                owed = Money(Decimal(episode.figures["open"]), episode.figures["currency"])
                yield Coming(on=day, rule=episode.rule, stage=stage, about=item.invoice_id, amount=owed)
                break


def of_limit(account: Account, company: str, params: CreditParams, span: Span, held: int) -> Iterator[Coming]:
    """Of a credit limit, of one company or of all (empty): `held` is the stage that stands, 0 for none."""
    days = {limit.valid_from for limit in account.limits if limit.company == company}
    for sums in (account.owed, account.ordered if params.orders else ()):
        days |= {ahead.on for one in sums if company in ("", one.company) for ahead in one.ahead}
    days |= {one.on for one in account.rates}
    for day in sorted(day for day in days if day in span):
        weighed = receivable_over_limit.weigh(account, granted_on(account.limits, company, day), day, params)
        if weighed is not None and weighed.stage > held:
            owed = Money(weighed.exposure, weighed.currency)
            yield Coming(on=day, rule=receivable_over_limit.RULE, stage=weighed.stage, about=company, amount=owed)
            return


def of_rhythm(alarm_on: date | None, lost_on: date | None, count: int, span: Span) -> Iterator[Coming]:
    """Of a customer's rhythm: the day of alarm and the day from whose end he is likely lost, each told on the morning
    after; `count` are the days on which he has bought, which decide whose alert the latter is.
    """
    slow, seldom = purchase_slowdown, count < churn_risk.RHYTHM_DAYS
    if alarm_on is not None and alarm_on + _DAY in span:
        yield Coming(on=alarm_on + _DAY, rule=slow.RULE, stage=slow.STAGES["stop"])
    if lost_on is not None and lost_on + _DAY in span:
        rule, stage = (churn_risk.RULE, churn_risk.STAGE) if seldom else (slow.RULE, slow.LOST)
        yield Coming(on=lost_on + _DAY, rule=rule, stage=stage)

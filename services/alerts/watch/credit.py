"""Rule receivable_over_limit laid beside the alerts of a customer's credit limits."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final, Literal

import msgspec

from contracts.envelope import Event
from contracts.events import sales, trade
from services.alerts.model import alert as alerts
from services.alerts.model.abroad import looked_over
from services.alerts.model.account import Account
from services.alerts.model.alert import Alert, Change, alert_id
from services.alerts.model.credit import Moves, granted_on, next_move, shifted
from services.alerts.model.episode import Episode
from services.alerts.model.rules import receivable_over_limit as over_limit
from services.alerts.model.rules.receivable_over_limit import CALENDAR, RATE_CHANGED, RULE, WITHIN, Fact, Standing
from services.alerts.rules import Rules
from services.alerts.store import ACCOUNTS, ALERTS, CREDIT, Credit
from services.alerts.watch.life import follow, keep, told
from services.chassis.aggregate import Desk, cause_of

_OUTCOMES: Final = {
    trade.PaymentReceived.TYPE: "paid",
    trade.PaymentApplied.TYPE: "paid",
    trade.CreditNoteIssued.TYPE: "credited",
    trade.DebtWrittenOff.TYPE: "written_off",
    trade.InvoiceCorrected.TYPE: "corrected",
    trade.InvoiceCancelled.TYPE: "cancelled",
    sales.OrderChanged.TYPE: "order_changed",
    sales.OrderClosed.TYPE: "order_closed",
}
_DAYS: Final = ("issued_on", "dated_on", "applied_on", "cancelled_on", "ordered_on", "closed_on", "stated_on")


def fact_of(event: Event) -> Fact:
    """What an event of the books does to an episode it ends, and whether it is of before the company's cut-over: it was
    loaded as such, and its own day lies before.
    """
    history = event.history
    day = next((day for name in _DAYS if (day := getattr(event.data, name, None)) is not None), date.min)
    return Fact(cause_of(event), _OUTCOMES.get(event.type, WITHIN), history is not None and day < history)


def count(
    desk: Desk, rules: Rules, company: str, before: Moves, after: Moves, what: Literal["owed", "ordered"] = "owed"
) -> None:
    """Move the customer's sums by what a document counts for now instead of before."""
    account = desk.get(ACCOUNTS) or Account()
    held = getattr(account, what)
    sums = shifted(held, company, before, after, rules.day(desk.now))
    if sums != held:
        keep(desk, rules, msgspec.structs.replace(account, **{what: sums}))


def judge(desk: Desk, rules: Rules, fact: Fact) -> None:
    """Hold the customer against each of his limits, now that a fact has come."""
    account = desk.get(ACCOUNTS)
    if account is None or not account.limits:
        return
    counted = looked_over(account, rules.credit.orders, rules.day(desk.now), past=fact.past)
    if counted is not account:
        keep(desk, rules, counted)
    account = counted
    for company in sorted({limit.company for limit in account.limits if limit.amount is not None}):
        _lay(desk, rules, account, company, fact)


def credit_due(rules: Rules, desk: Desk, key: str, held: Credit) -> None:
    """The limit is passed and all that was unread is read, or the day has come on which something takes hold."""
    account = desk.get(ACCOUNTS) or Account()
    _lay(desk, rules, account, held.company, CALENDAR, by_clock=True)


def _lay(desk: Desk, rules: Rules, account: Account, company: str, fact: Fact, *, by_clock: bool = False) -> None:
    """Bad news waits for the clock, good news does not (see watch/invoice.py)."""
    key, today = over_limit.cause(company), rules.day(desk.now)
    if not fact.ref and account.cutover is not None and today < account.cutover:
        fact = fact._replace(past=True)
    if not fact.ref and desk.now == rules.midnight(today) and (begun := _begun(account, today)):
        fact = fact._replace(ref=begun, outcome=RATE_CHANGED)
    stored = desk.stored(CREDIT, key)
    held: Credit = stored.value or Credit(company=company)
    limit = granted_on(account.limits, company, today)
    weighed = over_limit.weigh(account, limit, today, rules.credit)
    known = _known(desk, key, held.standing)
    standing, episode = over_limit.judged(desk.subject, held.standing, limit, weighed, rules.credit, today, fact)
    if episode is not None and weighed is None:
        episode = msgspec.structs.replace(episode, figures=_last(known))
    elif episode is not None and any(alert.stage == episode.stage for alert in known.values()):
        figures = over_limit.to_say(_last(known), episode.figures, rules.credit)
        episode = msgspec.structs.replace(episode, figures=figures if episode.closed_on is None else episode.figures)
    changes = _changes(desk, known, episode, today, fact)
    waits = follow(desk, rules, changes, by_clock=by_clock)
    if standing is not None and told(changes, by_clock=by_clock):
        standing = msgspec.structs.replace(standing, raised=True)
    # Also in place of a day that the clock has not come to yet: the present was judged just now, and that day is past.
    moment = desk.now if waits else _next(rules, account, company, today)
    now = Credit(company=company, standing=standing)
    if stored.value is not None or standing is not None or moment is not None:
        _put(desk, key, now, moment)


def _begun(account: Account, today: date) -> str:
    """The rate that was published ahead and holds from today on; of a limit that does so too the calendar speaks."""
    if any(limit.valid_from == today for limit in account.limits):
        return ""
    return next((one.key.ref for one in account.rates if one.on == today), "")


def _put(desk: Desk, key: str, now: Credit, moment: datetime | None) -> None:
    if (now, moment) != desk.stored(CREDIT, key):
        desk.put(CREDIT, now, key, due=moment)


def _known(desk: Desk, cause: str, standing: Standing | None) -> dict[str, Alert]:
    """The alert of what stands. Those of what is over are left alone: they are of other days."""
    if standing is None or not standing.raised:
        return {}
    name = alert_id(RULE, desk.subject, cause, standing.opening_fact)
    owned = desk.get(ALERTS, name)
    return {name: owned.alert} if owned is not None else {}


def _changes(desk: Desk, known: dict[str, Alert], episode: Episode | None, today: date, fact: Fact) -> list[Change]:
    if episode is not None and episode.closed_on is not None and not known:
        return []  # it was over before the clock had looked
    found = () if episode is None else (episode,)
    return alerts.reconcile(known, found, desk.now, today, fact.ref)


def _last(known: dict[str, Alert]) -> dict[str, str]:
    return next((dict(alert.figures) for alert in known.values()), {})


def _next(rules: Rules, account: Account, company: str, today: date) -> datetime | None:
    """When waiting alone may change something next: another limit, or money that begins or ceases to count."""
    days = [limit.valid_from for limit in account.limits if limit.company == company and limit.valid_from > today]
    for sums in (account.owed, account.ordered if rules.credit.orders else ()):
        day = next_move(sums, company, today)
        days += [day] if day is not None else []
    days += [one.on for one in account.rates if one.on > today]
    return rules.midnight(min(days)) if days else None

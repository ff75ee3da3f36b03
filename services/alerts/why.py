"""An alert as people see it, and why there is one: the numbers, the rule, the events behind it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, cast
from urllib.parse import unquote

from services.alerts.channels.render_books import books_say
from services.alerts.channels.words import Language
from services.alerts.model.account import Account, grace_on
from services.alerts.model.alert import Alert, TimelineEntry, Worked
from services.alerts.model.decisions import woken
from services.alerts.model.notification import Notification
from services.alerts.model.open_item import (
    Entry,
    OpenItem,
    applied_on,
    bucket,
    days_past_due,
    disputed_on,
    open_on,
    unusable,
)
from services.alerts.model.rules import receivable_over_limit
from services.alerts.model.signals import Signal
from services.alerts.money_view import MoneyView
from services.alerts.rules import Rules
from services.alerts.sentences import sentences
from services.alerts.store import Owned
from services.alerts.views import (
    AlertCard,
    AlertView,
    AttemptView,
    EntryView,
    EventView,
    FiguresView,
    InvoiceView,
    NotificationView,
    PromiseView,
    RuleView,
    Severity,
    ShownState,
    TimelineView,
    Why,
    WorkedView,
)
from services.alerts.views_signals import SignalView
from services.alerts.why_over_limit import LimitWhy
from services.alerts.why_purchases import RULES as PURCHASE_RULES
from services.alerts.why_purchases import purchase_figures, purchase_rule, purchase_sentences
from services.chassis.mongo import Doc


@dataclass(frozen=True, slots=True)
class Found:
    """An alert as stored, with its customer's name; `told`: somebody got a message about its present opening; `apart`:
    the books state another balance of him.
    """

    owned: Owned
    customer_name: str
    told: bool
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Behind:
    """All that an alert rests on, as stored: the invoice, ledger rows by ref, people's texts by their event's ref."""

    account: Account
    item: OpenItem | None
    rows: Mapping[str, Doc]
    texts: Mapping[str, str]
    notifications: Mapping[str, Notification]
    items: Sequence[OpenItem] = ()  # all of the customer's, where the alert is about what he owes in all
    signals: Sequence[Signal] = ()  # where he is likely lost


def invoice_of(alert: Alert) -> tuple[str, str]:
    """Company and number of the invoice that is the alert's cause (see OpenItem.cause); both empty for another one."""
    kind, _, rest = alert.cause.partition("/")
    company, _, invoice_id = rest.partition("/")
    return (unquote(company), unquote(invoice_id)) if kind == "invoice" else ("", "")


def last_accepted(notifications: Iterable[Notification]) -> frozenset[str]:
    """The alerts of whose present opening somebody was told, given their messages, the oldest first."""
    last: dict[str, tuple[datetime, bool]] = {}
    for one in notifications:
        told = one.state == "accepted"
        if one.alert_id in last and last[one.alert_id][0] == one.created_at:
            told = told or last[one.alert_id][1]  # the same message by another channel
        last[one.alert_id] = (one.created_at, told)
    return frozenset(alert_id for alert_id, (_, told) in last.items() if told)


def card(found: Found, now: datetime, today: date) -> AlertCard:
    """An alert in a list."""
    alert, figures = woken(found.owned.alert, now), found.owned.alert.figures
    company, invoice_id = invoice_of(alert)
    due_on = date.fromisoformat(figures["due_on"]) if "due_on" in figures else None
    return AlertCard(
        id=alert.alert_id,
        rule=alert.rule,
        state=shown_state(alert, found.told),
        severity=cast("Severity", alert.severity),
        stage=alert.stage,
        customer=alert.subject,
        customer_name=found.customer_name or None,
        company=company or figures.get("company"),
        invoice=invoice_id or None,
        owner_id=found.owned.owner_id or None,
        opened_on=alert.opened_on,
        raised_at=alert.raised_at,
        total=_figure(figures, "total"),
        open=_figure(figures, "open"),
        due_on=due_on,
        days_past_due=(_day_of(alert, today) - due_on).days if due_on is not None else None,
        limit=_figure(figures, "limit"),
        exposure=_figure(figures, "exposure"),
        utilisation=figures.get("utilisation"),
        kind=cast("Literal['stop', 'slowdown'] | None", figures.get("kind")),
        closed_on=alert.closed_on,
        outcome=alert.outcome,
        resolved_by=alert.resolved_by or None,
        assigned_to=alert.assigned_to or None,
        acknowledged_by=alert.acknowledged_by or None,
        acknowledged_at=alert.acknowledged_at,
        snoozed_until=alert.snoozed_until,
        out_of_balance=found.apart,
    )


def shown_state(alert: Alert, told: bool) -> ShownState:
    """The state people are shown: a raised alert is `notified` once somebody was told."""
    return "notified" if alert.state == "raised" and told else alert.state


def view(found: Found, behind: Behind, rules: Rules, language: Language, now: datetime) -> AlertView:
    """An alert with why."""
    alert, today = found.owned.alert, rules.day(now)
    shown = card(found, now, today)
    return AlertView(
        **shown.model_dump(),
        because=list(alert.because),
        worked=_worked(alert.worked),
        why=_why(alert, shown, behind, rules, language, today),
        timeline=[_moment(entry, behind.texts) for entry in woken(alert, now).timeline],
        notifications=[notification_view(key, one) for key, one in behind.notifications.items()],
    )


def _why(alert: Alert, shown: AlertCard, behind: Behind, rules: Rules, language: Language, today: date) -> Why:
    if alert.rule == receivable_over_limit.RULE:
        day = _day_of(alert, today)
        about = LimitWhy(alert, shown, behind.account, behind.items, rules, language, day)
        return about.why(list(events(alert, behind)))
    figures = figures_view(alert, behind.item, today)
    rule = rule_view(alert, behind.account, rules, figures.as_of)
    role = behind.account.role
    return Why(
        sentences=purchase_sentences(alert, shown, figures, rule, role, behind.signals, language)
        if alert.rule in PURCHASE_RULES
        else sentences(alert, shown, figures, rule, books_say(behind.account.stated, language), language),
        figures=figures,
        rule=rule,
        invoice=invoice_view(behind.item, today) if behind.item is not None else None,
        signals=[SignalView.of(one) for one in behind.signals] or None,
        events=list(events(alert, behind)),
    )


def figures_view(alert: Alert, item: OpenItem | None, today: date) -> FiguresView:
    """The numbers at the end of the day it ended, or of today."""
    day = _day_of(alert, today)
    if alert.rule in PURCHASE_RULES:
        return purchase_figures(alert, day)
    facts = item.invoice if item is not None else None
    if item is None or facts is None:
        return FiguresView(as_of=day, total=_figure(alert.figures, "total"), open=_figure(alert.figures, "open"))
    late = days_past_due(item, day) or 0
    return FiguresView(
        as_of=day,
        total=MoneyView.of(facts.total, facts.currency),
        paid=MoneyView.of(applied_on(item, day), facts.currency),
        open=MoneyView.of(open_on(item, day), facts.currency),
        due_on=facts.due_on,
        days_past_due=late,
        bucket=bucket(late),
    )


def rule_view(alert: Alert, account: Account, rules: Rules, day: date) -> RuleView:
    """The rule's parameters for this customer on a day, and at which level they were set."""
    if alert.rule in PURCHASE_RULES:
        return purchase_rule(alert, rules)
    params = rules.overdue_for(account, day)
    own = grace_on(account, day, -1) >= 0
    return RuleView(
        name=alert.rule,
        grace_days=params.grace_days,
        stages=list(params.stages),
        level="customer" if own else "default",
    )


def invoice_view(item: OpenItem, today: date) -> InvoiceView:
    """The invoice as it is known now."""
    facts = item.invoice
    useless = unusable(item)
    return InvoiceView(
        invoice=item.invoice_id,
        company=item.company or None,
        issued_on=facts.issued_on if facts is not None else None,
        due_on=facts.due_on if facts is not None else None,
        total=MoneyView.of(facts.total, facts.currency) if facts is not None else None,
        corrected=item.corrected is not None,
        cancelled_on=item.cancelled.on if item.cancelled is not None else None,
        disputed=disputed_on(item, today),
        settled=[entry_view(entry, entry not in useless) for entry in item.entries],
    )


def entry_view(entry: Entry, usable: bool) -> EntryView:
    """What a settlement did to an invoice."""
    return EntryView(
        document=entry.document_id,
        kind=entry.kind,
        on=entry.on,
        amount=MoneyView.of(entry.amount, entry.currency),
        rate=format(entry.rate, "f") if entry.rate is not None else None,
        usable=usable,
        event=entry.key.ref,
    )


def refs(alert: Alert, item: OpenItem | None) -> list[str]:
    """The events behind an alert, each once: what opened it, what ended it, what its figures rest on."""
    keys = []
    if item is not None:
        keys = [one.key for one in (item.issued, item.corrected, item.cancelled) if one is not None]
        keys += [dispute.key for dispute in item.disputes] + [entry.key for entry in item.entries]
    return list(dict.fromkeys((*alert.opened_by, *alert.because, *(key.ref for key in keys))))


def events(alert: Alert, behind: Behind) -> Iterator[EventView]:
    """The events behind an alert as the ledger has them."""
    for ref in refs(alert, behind.item):
        role: Literal["opened", "ended", "figures"] = "figures"
        if ref in alert.opened_by or ref in alert.because:
            role = "opened" if ref in alert.opened_by else "ended"
        row = behind.rows.get(ref)
        if row is None:
            yield EventView(id=ref, source="", role=role)
        else:
            cut = row["n"]
            yield EventView(id=ref[cut + 1 :], source=ref[:cut], role=role, type=row["t"], time=row["time"])


def notification_view(key: str, one: Notification) -> NotificationView:
    """A message and its attempts."""
    last = len(one.attempts) - 1
    return NotificationView(
        id=key,
        channel=one.channel,
        recipient=one.recipient or None,
        reason=one.reason,
        state=one.state,
        why=one.why or None,
        created_at=one.created_at,
        accepted_at=one.accepted_at,
        in_doubt=one.doubts,
        attempts=[
            AttemptView(
                at=attempt.at,
                answer=attempt.answer or None,
                open=one.state == "sending" and n == last,
                in_doubt=attempt.in_doubt,
            )
            for n, attempt in enumerate(one.attempts)
        ],
    )


def _moment(entry: TimelineEntry, texts: Mapping[str, str]) -> TimelineView:
    text = next((texts[ref] for ref in entry.facts if ref in texts), None)
    return TimelineView(
        at=entry.at,
        what=entry.what,
        by=entry.by or None,
        detail=entry.note or None,
        text=text,
        facts=list(entry.facts),
    )


def _worked(worked: Worked) -> WorkedView:
    promise, recovered = worked.promise, worked.recovered
    return WorkedView(
        cause=worked.cause or None,
        measure=worked.measure or None,
        promise=PromiseView(amount=MoneyView.of(promise.amount, promise.currency), by=promise.by) if promise else None,
        recovered=MoneyView.of(recovered.amount, recovered.currency) if recovered else None,
    )


def _day_of(alert: Alert, today: date) -> date:
    return alert.closed_on if alert.state == "resolved" and alert.closed_on is not None else today


def _figure(figures: Mapping[str, str], name: str) -> MoneyView | None:
    if name not in figures or "currency" not in figures:
        return None
    return MoneyView(amount=figures[name], currency=figures["currency"])

"""Why there is an alert and what to do about it, said in words, in the reader's language. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from services.alerts.channels.render import day, money
from services.alerts.channels.words import WORDS, Language, say, say_number
from services.alerts.model.alert import WITHDRAWN, Alert
from services.alerts.money_view import MoneyView
from services.alerts.views import AlertCard, FiguresView, RuleView, Sentences

_STEPS = ("next.call", "next.check", "next.dispute")


def sentences(
    alert: Alert, shown: AlertCard, figures: FiguresView, rule: RuleView, books: Sequence[str], language: Language
) -> Sentences:
    """The sentences about an alert with these figures under this rule; `books`: what the books say otherwise."""
    why = [*_cause(alert, shown, figures, language), *_paid(figures, language), *books, _rule(rule, language)]
    return Sentences(language=language, why=why, todo=list(_todo(alert, shown, figures, language)))


def _cause(alert: Alert, shown: AlertCard, figures: FiguresView, language: Language) -> Iterator[str]:
    if alert.outcome == WITHDRAWN:
        yield say(language, "over.withdrawn", invoice=shown.invoice)
    elif alert.resolved_by:
        yield say(language, "over.by_person", by=alert.resolved_by, outcome=alert.outcome)
    elif alert.state == "resolved":
        key = f"over.{alert.outcome}"
        ended = day(figures.as_of, language)
        yield say(
            language, key if key in WORDS else "over.other", invoice=shown.invoice, date=ended, outcome=alert.outcome
        )
    elif figures.open is not None:
        name, late = shown.customer_name or shown.customer, figures.days_past_due or 0
        yield say_number(
            language, "lead", late, customer=name, invoice=shown.invoice, open=_said(figures.open, language)
        )


def _paid(figures: FiguresView, language: Language) -> Iterator[str]:
    if figures.paid is None or figures.total is None:
        return
    if Decimal(figures.paid.amount):
        yield say(language, "paid_some", paid=_said(figures.paid, language), total=_said(figures.total, language))
    else:
        yield say(language, "paid_nothing")


def _rule(rule: RuleView, language: Language) -> str:
    grace = rule.grace_days
    says = say_number(language, "rule_says", grace) if grace else say(language, "rule_says_no_grace")
    return say(language, "rule_sentence", says=says, level=say(language, f"set_for.{rule.level}"))


def _todo(alert: Alert, shown: AlertCard, figures: FiguresView, language: Language) -> Iterator[str]:
    if alert.state != "resolved":
        urge = f"urge.{figures.bucket}"
        if urge in WORDS:
            yield say(language, urge)
        yield from (say(language, step) for step in _STEPS)
    elif alert.resolved_by and figures.open is not None and Decimal(figures.open.amount):
        yield say(language, "next.still_open", invoice=shown.invoice, open=_said(figures.open, language))
    elif alert.outcome == "disputed" and not alert.resolved_by:
        yield say(language, "next.settle_dispute")
    else:
        yield say(language, "next.nothing")


def _said(value: MoneyView, language: Language) -> str:
    return money(value.money(), language)

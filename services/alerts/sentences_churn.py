"""A likely loss in words: why there is an alert of churn_risk, what a step of another says of it, how a customer
stands. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from services.alerts.channels.render import day
from services.alerts.channels.render_churn import chance, lead, rule_says, said_signals
from services.alerts.channels.words import WORDS, Language, say
from services.alerts.channels.words_rhythm import kind_of
from services.alerts.model.alert import WITHDRAWN, Alert
from services.alerts.model.signals import Signal
from services.alerts.views import ActivityFigures, AlertCard, FiguresView, RuleView, Sentences
from services.alerts.views_cadence import ActivityView


def churn_sentences(
    alert: Alert,
    shown: AlertCard,
    figures: FiguresView,
    rule: RuleView,
    role: str,
    signals: Iterable[Signal],
    language: Language,
) -> Sentences:
    """The sentences about an alert of churn_risk."""
    buying = say(language, f"rhythm.buying.{kind_of(role)}")
    why = [*_over(alert, figures, buying, language)]
    held = figures.activity
    if alert.outcome != WITHDRAWN and held is not None and held.last_purchase is not None:
        name, silent = shown.customer_name or shown.customer, (held.lost_since - held.last_purchase).days
        why.append(lead(name, buying, held.last_purchase, silent, language))
        why += likely(held, signals, buying, language)
    threshold = Decimal(rule.probability or "0")
    says = rule_says(buying, rule.horizon_days or 0, threshold, rule.purchases or 0, language)
    why.append(say(language, "churn.rule_sentence", says=says))
    resolved = alert.state == "resolved"
    todo = [say(language, "next.nothing")] if resolved else churn_todo(buying, language)
    return Sentences(language=language, why=why, todo=todo)


def likely(held: ActivityFigures, signals: Iterable[Signal], buying: str, language: Language) -> Iterator[str]:
    """How likely it is, and what else points to it."""
    yield chance(buying, Decimal(held.p_none), held.expected, held.horizon_days, language)
    if told := said_signals(signals, buying, language):
        comma = "；" if language == "zh-CN" else "; "
        yield f"{say(language, 'churn.signals')}{say(language, 'colon')}{comma.join(told)}."


def churn_todo(buying: str, language: Language) -> list[str]:
    """What to do about it."""
    return [say(language, "churn.todo.visit"), say(language, "churn.todo.offer", buying=buying)]


def activity_sentences(view: ActivityView, role: str, language: Language) -> list[str]:
    """From when on the customer counts as likely lost."""
    buying = say(language, f"rhythm.buying.{kind_of(role)}")
    if view.lost_since is not None:
        return [say(language, "churn.likely", date=day(view.lost_since, language))]
    if view.likely_on is not None:
        return [say(language, "churn.likely_on", buying=buying, date=day(view.likely_on, language))]
    return []


def _over(alert: Alert, figures: FiguresView, buying: str, language: Language) -> Iterator[str]:
    if alert.outcome == WITHDRAWN:
        yield say(language, "churn.over.withdrawn", buying=buying)
    elif alert.resolved_by:
        yield say(language, "over.by_person", by=alert.resolved_by, outcome=alert.outcome)
    elif alert.state == "resolved":
        key = f"churn.over.{alert.outcome}"
        known = key if key in WORDS else "churn.over.bought_again"
        yield say(language, known, buying=buying, date=day(figures.as_of, language))

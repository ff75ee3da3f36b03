"""Why there is an alert of purchase_slowdown or churn_risk: the numbers, the rule, the words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from services.alerts.channels.words import Language, say
from services.alerts.channels.words_rhythm import kind_of
from services.alerts.model.alert import Alert
from services.alerts.model.rules import churn_risk, purchase_slowdown
from services.alerts.model.signals import Signal, of_churn
from services.alerts.rules import Rules
from services.alerts.sentences_churn import churn_sentences, churn_todo, likely
from services.alerts.sentences_rhythm import rhythm_sentences
from services.alerts.views import ActivityFigures, AlertCard, FiguresView, RhythmFigures, RuleView, Sentences

RULES: Final = (purchase_slowdown.RULE, churn_risk.RULE)


def purchase_figures(alert: Alert, day: date) -> FiguresView:
    """The numbers on the day on which it was raised, or stepped up."""
    rhythm = RhythmFigures.model_validate(alert.figures) if alert.rule == purchase_slowdown.RULE else None
    activity = ActivityFigures.model_validate(alert.figures) if of_churn(alert) else None
    return FiguresView(as_of=day, rhythm=rhythm, activity=activity)


def purchase_rule(alert: Alert, rules: Rules) -> RuleView:
    """The rules' parameters; a step up has those of both."""
    churn = rules.churn
    shown = RuleView(name=alert.rule, level="default")
    if alert.rule == purchase_slowdown.RULE:
        shown.budget = rules.cadence.budget
    if of_churn(alert):
        shown.probability, shown.horizon_days = f"{churn.threshold:g}", churn.horizon_days
        shown.purchases = churn.least_purchases
    return shown


def purchase_sentences(
    alert: Alert,
    shown: AlertCard,
    figures: FiguresView,
    rule: RuleView,
    role: str,
    signals: Sequence[Signal],
    language: Language,
) -> Sentences:
    """The sentences about an alert of this customer, who is of `role`."""
    if alert.rule == churn_risk.RULE:
        return churn_sentences(alert, shown, figures, rule, role, signals, language)
    said = rhythm_sentences(alert, shown, figures, rule, role, language)
    if figures.activity is None or alert.state == "resolved":
        return said
    buying = say(language, f"rhythm.buying.{kind_of(role)}")
    why = [*said.why[:-1], *likely(figures.activity, signals, buying, language), said.why[-1]]
    return Sentences(language=language, why=why, todo=churn_todo(buying, language))

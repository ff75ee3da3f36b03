"""Rule purchase_slowdown in words: why there is an alert, and how a customer's rhythm stands. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from services.alerts.channels.render import day, percent
from services.alerts.channels.words import WORDS, Language, say
from services.alerts.channels.words_rhythm import kind_of
from services.alerts.model.alert import WITHDRAWN, Alert
from services.alerts.views import AlertCard, FiguresView, RuleView, Sentences
from services.alerts.views_cadence import CadenceView


def rhythm_sentences(
    alert: Alert, shown: AlertCard, figures: FiguresView, rule: RuleView, role: str, language: Language
) -> Sentences:
    """The sentences about an alert of this customer, who is of `role`."""
    buying = say(language, f"rhythm.buying.{kind_of(role)}")
    why = [*_cause(alert, shown, figures, buying, language)]
    why.append(say(language, "rhythm.rule", buying=buying, budget=f"{rule.budget:g}"))
    if alert.state == "resolved":
        return Sentences(language=language, why=why, todo=[say(language, "next.nothing")])
    todo = [say(language, f"rhythm.todo.{step}", buying=buying) for step in ("call", "check")]
    return Sentences(language=language, why=why, todo=todo)


def _cause(alert: Alert, shown: AlertCard, figures: FiguresView, buying: str, language: Language) -> Iterator[str]:
    held = figures.rhythm
    if alert.outcome == WITHDRAWN:
        yield say(language, "rhythm.over.withdrawn", buying=buying)
        return
    if alert.resolved_by:
        yield say(language, "over.by_person", by=alert.resolved_by, outcome=alert.outcome)
    elif alert.state == "resolved":
        key = f"rhythm.over.{alert.outcome}"
        yield say(
            language, key if key in WORDS else "rhythm.over.recovered", buying=buying, date=_on(figures, language)
        )
    if held is None:
        return
    name = shown.customer_name or shown.customer
    said = {"customer": name, "buying": buying, "gap": held.usual_gap, "days": held.silent_days}
    yield say(language, f"rhythm.lead.{held.kind}", last=day(held.last_purchase, language), **said)
    p = percent(Decimal(held.p), language)
    yield say(language, "rhythm.expected", buying=buying, expected=day(held.expected_by, language), p=p)
    if alert.state != "resolved" and held.bought_since:
        yield say(language, "rhythm.since", buying=buying, n=held.bought_since)


def _on(figures: FiguresView, language: Language) -> str:
    return day(figures.as_of, language)


def cadence_sentences(view: CadenceView, role: str, language: Language) -> list[str]:
    """How the rhythm stands."""
    buying = say(language, f"rhythm.buying.{kind_of(role)}")
    if view.state == "not_judged":
        return [say(language, "rhythm.not_judged", buying=buying, n=view.gaps)]
    said: list[str] = []
    if view.alarm is not None:
        said.append(say(language, "rhythm.alarm", date=day(view.alarm.opened_on, language)))
    elif view.expected_next is not None:
        alarm = _day(view.alarm_on, language)
        said.append(
            say(language, "rhythm.in_rhythm", buying=buying, expected=day(view.expected_next, language), alarm=alarm)
        )
    if view.reach_days is not None:
        said.append(say(language, "rhythm.reach", days=view.reach_days))
    if view.earlier_late:
        said.append(say(language, "rhythm.late_before", buying=buying))
    return said


def _day(value: date | None, language: Language) -> str:
    return day(value, language) if value is not None else "-"

"""Why there is an alert about a credit limit: the numbers, the limit in force, the invoices behind, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from services.alerts.channels.render import day, money, percent
from services.alerts.channels.render_books import books_say
from services.alerts.channels.render_over_limit import converted_says, kind_of, lead
from services.alerts.channels.words import WORDS, Language, say
from services.alerts.model.account import Account
from services.alerts.model.ageing import age
from services.alerts.model.alert import WITHDRAWN, Alert
from services.alerts.model.credit import Granted, granted_on
from services.alerts.model.open_item import OpenItem, disputed_on
from services.alerts.model.quotes import Counted, counted_in
from services.alerts.model.rules.receivable_over_limit import Weighed, weigh
from services.alerts.money_view import MoneyView
from services.alerts.rules import Rules
from services.alerts.views import (
    AlertCard,
    EventView,
    FiguresView,
    LimitInForce,
    OpenItemView,
    RuleView,
    Sentences,
    Why,
)
from services.alerts.views_rates import converted_view, counted_of

LARGEST = 10
_STEPS = ("limit.next.pay", "limit.next.apply", "limit.next.limit")


@dataclass(frozen=True, slots=True)
class LimitWhy:
    """What an answer is made from: the customer, his invoices, the day it is about, the reader's language."""

    alert: Alert
    shown: AlertCard
    account: Account
    items: Sequence[OpenItem]
    rules: Rules
    language: Language
    day: date

    @property
    def company(self) -> str:
        """Whose limit it is; empty: that of all."""
        return self.alert.figures.get("company", "")

    @property
    def limit(self) -> Granted | None:
        """The limit in force."""
        return granted_on(self.account.limits, self.company, self.day)

    def why(self, events: list[EventView]) -> Why:
        """The whole answer."""
        figures = self.figures()
        return Why(
            sentences=Sentences(language=self.language, why=list(self._said(figures)), todo=list(self._todo())),
            figures=figures,
            rule=self._rule(),
            limit=limit_view(self.limit) if self.limit is not None else None,
            largest=largest(self.items, self.company, self.day),
            events=events,
        )

    def figures(self) -> FiguresView:
        """The numbers: those of today while it stands, those it ended with once it is over."""
        weighed = weigh(self.account, self.limit, self.day, self.rules.credit)
        if self.alert.state == "resolved" or weighed is None:
            shown = self.shown
            return FiguresView(
                as_of=self.day,
                limit=shown.limit,
                exposure=shown.exposure,
                utilisation=shown.utilisation,
                converted=converted_view(counted_in(self.alert.figures.get("converted", ""))) or None,
            )
        return weighed_view(weighed, self.day)

    def _rule(self) -> RuleView:
        params = self.rules.credit
        return RuleView(
            name=self.alert.rule, notice=format(params.notice, "f"), orders_count=params.orders, level="default"
        )

    def _said(self, figures: FiguresView) -> Iterator[str]:
        alert, language = self.alert, self.language
        if alert.outcome == WITHDRAWN:
            yield say(language, "limit.over.withdrawn")
        elif alert.resolved_by:
            yield say(language, "over.by_person", by=alert.resolved_by, outcome=alert.outcome)
        elif alert.state == "resolved":
            key = f"limit.reason.{alert.outcome}"
            reason = say(language, key) if key in WORDS else alert.outcome
            yield say(language, "limit.over", date=day(self.day, language), reason=reason)
        elif figures.limit is not None and figures.exposure is not None:
            yield _lead(self.shown, figures, alert.stage, language)
        if self.company:
            yield say(language, "limit.only_company", company=self.company)
        if figures.orders is not None:
            yield say(language, "limit.orders_in_it", orders=money(figures.orders.money(), language))
        for one in figures.converted or ():
            yield converted_says(counted_of(one), language)
        if figures.not_counted:
            amounts = say(language, "comma").join(money(one.money(), language) for one in figures.not_counted)
            yield say(language, "limit.not_counted_says", amounts=amounts)
        yield from books_say(self.account.stated, language)
        says = say(language, "limit.rule_says", percent=percent(self.rules.credit.notice, language))
        yield say(language, "rule_sentence", says=says, level=say(language, "set_for.default"))

    def _todo(self) -> Iterator[str]:
        alert, language = self.alert, self.language
        if alert.state == "resolved":
            yield say(language, "next.nothing")
            return
        limit = Decimal(alert.figures["limit"]) if "limit" in alert.figures else Decimal(1)
        yield say(language, f"limit.urge.{kind_of(limit, alert.stage)}")
        yield from (say(language, step) for step in _STEPS)


def limit_view(limit: Granted) -> LimitInForce:
    """A limit as it was granted."""
    return LimitInForce(
        company=limit.company or None,
        limit=MoneyView.of(limit.amount, limit.currency) if limit.amount is not None else None,
        valid_from=limit.valid_from,
        event=limit.key.ref,
    )


def weighed_view(weighed: Weighed, as_of: date) -> FiguresView:
    """A customer against a limit, in numbers."""
    return FiguresView(
        as_of=as_of,
        limit=MoneyView.of(weighed.limit, weighed.currency),
        exposure=MoneyView.of(weighed.exposure, weighed.currency),
        utilisation=format(weighed.utilisation, "f") if weighed.utilisation is not None else None,
        orders=MoneyView.of(weighed.orders, weighed.currency) if weighed.orders else None,
        converted=converted_view(map(Counted.of, weighed.converted)) or None,
        not_counted=[MoneyView.of(one.amount, one.currency) for one in weighed.not_counted] or None,
    )


def open_items(items: Sequence[OpenItem], as_of: date) -> Iterator[OpenItemView]:
    """The invoices with something open on a day."""
    for item in items:
        facts = item.invoice
        for row in age([item], (), as_of).open_items:
            if facts is not None:
                yield OpenItemView(
                    invoice=row.invoice,
                    company=item.company or None,
                    issued_on=facts.issued_on,
                    due_on=row.due_date,
                    total=MoneyView.of(facts.total, row.currency),
                    open=MoneyView.of(row.open, row.currency),
                    days_past_due=row.days_past_due,
                    bucket=row.bucket,
                    disputed=disputed_on(item, as_of),
                )


def largest(items: Sequence[OpenItem], company: str, as_of: date) -> list[OpenItemView]:
    """The invoices of a company (empty: of all) with the most open."""
    found = [one for one in open_items(items, as_of) if company in ("", one.company)]
    return sorted(found, key=lambda one: (-Decimal(one.open.amount), one.invoice))[:LARGEST]


def _lead(shown: AlertCard, figures: FiguresView, stage: int, language: Language) -> str:
    if figures.limit is None or figures.exposure is None:
        return ""
    limit, used = figures.limit.money(), figures.utilisation
    kind = kind_of(limit.amount, stage)
    share = Decimal(used) if used is not None else None
    return lead(language, kind, shown.customer_name or shown.customer, limit, figures.exposure.money(), share)

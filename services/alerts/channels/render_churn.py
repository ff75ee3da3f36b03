"""What a likely loss looks like as a mail: subject, text, HTML, picture, in the receiver's language. It is the same for
an alert of churn_risk and for one of purchase_slowdown that has stepped up.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from services.alerts.channels.mail import Picture, one_line
from services.alerts.channels.render import day, money, percent, templated
from services.alerts.channels.render_rhythm import RhythmHeading, drawn, picture_says, shown
from services.alerts.channels.words import Language, say
from services.alerts.model.signals import Signal

TEMPLATE = "churn_risk"


class ChurnMail(RhythmHeading, frozen=True, kw_only=True):
    """The figures of a likely loss as of `lost_since`, the company's day from whose end it is likely.

    `p_none` is the chance of no purchase in the `horizon_days` after it and `expected` how many are expected then;
    `threshold` and `least_purchases` are the rule's. `days` are the latest purchase days. `step`: an alert about the
    rhythm has stepped up.
    """

    lost_since: date
    p_none: Decimal
    expected: str
    horizon_days: int
    threshold: Decimal
    least_purchases: int
    signals: tuple[Signal, ...] = ()
    step: bool = False
    rule: str = "churn_risk"

    @property
    def silent_days(self) -> int:
        """From the last purchase to the day from whose end he is likely lost."""
        return (self.lost_since - self.last_purchase).days


def brief_churn(mail: ChurnMail) -> tuple[str, str]:
    """(title, text) where there is room for a few lines only."""
    return _subject(mail), f"{_lead(mail)}\n{_chance(mail)}\n{say(mail.language, 'churn.todo.visit')}"


def render_churn(mail: ChurnMail) -> tuple[str, str, str]:
    """(subject, text, html) of the mail to the customer's owner; the html shows `pictures`."""
    language, buying = mail.language, mail.buying
    values = {
        **shown(mail),
        "lead": _lead(mail),
        "chance": _chance(mail),
        "within": say(language, "churn.within", p=percent(mail.p_none, language), horizon=mail.horizon_days),
        "signals": said_signals(mail.signals, buying, language),
        "rule_says": rule_says(buying, mail.horizon_days, mail.threshold, mail.least_purchases, language),
        "picture_says": picture_says(mail, mail.days, mail.lost_since, mail.silent_days),
    }
    return templated(TEMPLATE, language, _subject(mail), values)


def pictures(mail: ChurnMail) -> tuple[Picture, ...]:
    """The purchase days and the silence, drawn."""
    return drawn(mail, mail.lost_since)


def said_signals(signals: Iterable[Signal], buying: str, language: Language) -> list[str]:
    """The signals in words, with their figures and days."""
    return [
        say(
            language,
            f"churn.signal.{one.code}",
            buying=buying,
            n=one.n,
            day=day(one.day, language) if one.day is not None else "-",
            amounts=say(language, "comma").join(money(amount, language) for amount in one.amounts),
            before=money(one.before, language) if one.before is not None else "-",
            usual=one.usual,
        )
        for one in signals
    ]


def chance(buying: str, p_none: Decimal, expected: str, horizon_days: int, language: Language) -> str:
    """How likely it is, in words."""
    return say(
        language,
        "churn.chance",
        buying=buying,
        p=percent(p_none, language),
        expected=expected,
        horizon=horizon_days,
    )


def lead(customer: str, buying: str, last: date, silent_days: int, language: Language) -> str:
    """What has happened, in a sentence."""
    return say(language, "churn.lead", customer=customer, buying=buying, last=day(last, language), days=silent_days)


def rule_says(buying: str, horizon_days: int, threshold: Decimal, least: int, language: Language) -> str:
    """The rule in words."""
    said = {"horizon": horizon_days, "threshold": percent(threshold, language), "least": least}
    return say(language, "churn.rule", buying=buying, **said)


def _subject(mail: ChurnMail) -> str:
    return say(
        mail.language,
        "churn.subject",
        customer=mail.short_name,
        days=mail.silent_days,
        buying=mail.buying,
        horizon=mail.horizon_days,
        p=percent(mail.p_none, mail.language),
    )


def _lead(mail: ChurnMail) -> str:
    return lead(one_line(mail.customer_name), mail.buying, mail.last_purchase, mail.silent_days, mail.language)


def _chance(mail: ChurnMail) -> str:
    return chance(mail.buying, mail.p_none, mail.expected, mail.horizon_days, mail.language)

"""What an alert of receivable_over_limit looks like as a mail: subject, text and HTML, in the receiver's language."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final, Literal

import msgspec

from contracts.money import Money
from services.alerts.channels.mail import one_line
from services.alerts.channels.render import EventBehind, Heading, Line, day, money, percent, templated, with_books
from services.alerts.channels.words import Language, say
from services.alerts.model.quotes import Counted, rate_text

Kind = Literal["near", "over", "none"]
LARGEST_SHOWN: Final = 5


class OpenInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice behind the exposure; `days_past_due` is below zero before it is due."""

    invoice_id: str
    due_on: date
    days_past_due: int
    open: Money


class LimitMail(Heading, frozen=True, kw_only=True):
    """The figures of a receivable_over_limit alert; `as_of` is the company's day they hold for.

    `utilisation` and `notice` are shares of the limit, 1 being all of it; `utilisation` is None under a limit of zero.
    `exposure` includes `orders` and what `converted` is worth. `largest` are the largest open invoices, in that order.
    """

    company: str = ""
    limit: Money
    valid_from: date | None = None
    exposure: Money
    utilisation: Decimal | None = None
    orders: Money | None = None
    converted: tuple[Counted, ...] = ()
    not_counted: tuple[Money, ...] = ()
    as_of: date
    stage: int
    notice: Decimal
    largest: tuple[OpenInvoice, ...] = ()
    events: tuple[EventBehind, ...] = ()
    rule: str = "receivable_over_limit"

    @property
    def kind(self) -> Kind:
        """In which of three ways it is said."""
        return kind_of(self.limit.amount, self.stage)

    @property
    def rates(self) -> list[str]:
        """What counts of other currencies, and by which rates, in sentences."""
        return [converted_says(one, self.language) for one in self.converted]


def kind_of(limit: Decimal, stage: int) -> Kind:
    """No credit at all, above the limit, or near it."""
    if not limit:
        return "none"
    return "over" if stage > 1 else "near"


def lead(
    language: Language, kind: Kind, customer: str, limit: Money, exposure: Money, utilisation: Decimal | None
) -> str:
    """What has happened, in a sentence."""
    return _said(language, f"limit.lead.{kind}", customer, limit, exposure, utilisation)


def converted_says(one: Counted, language: Language) -> str:
    """What money of another currency counts for, and by which rates of which days, in a sentence."""
    rates = [
        say(
            language,
            "limit.rate",
            currency=by.currency,
            base=by.base,
            rate=rate_text(by.rate),
            date=day(by.on, language),
        )
        for by in one.quotes
    ]
    worth = money(one.worth, language)
    by = say(language, "comma").join(rates)
    return say(language, "limit.converted_says", amount=money(one.amount, language), worth=worth, rates=by)


def brief_limit(mail: LimitMail) -> tuple[str, str]:
    """(title, text) where there is room for a few lines only."""
    return _subject(mail), "\n".join(
        (_lead(mail), say(mail.language, f"limit.urge.{mail.kind}"), *mail.rates, *mail.books)
    )


def render_limit(mail: LimitMail) -> tuple[str, str, str]:
    """(subject, text, html) of the mail to the customer's owner."""
    return templated(mail.rule, mail.language, _subject(mail), {"mail": mail, "lead": _lead(mail)})


def line_limit(mail: LimitMail, on: date) -> Line:
    """A receivable_over_limit in a line."""
    language = mail.language
    exposure, used = money(mail.exposure, language), percent(mail.utilisation or Decimal(0), language)
    reason = say(
        language, f"digest.limit.{mail.kind}", exposure=exposure, limit=money(mail.limit, language), percent=used
    )
    return Line(
        title=say(language, "limit.alert"),
        number=exposure,
        reason=with_books(reason, mail),
        todo=say(language, f"limit.urge.{mail.kind}"),
        stake=mail.exposure,
    )


def _subject(mail: LimitMail) -> str:
    return _said(
        mail.language, f"limit.subject.{mail.kind}", mail.short_name, mail.limit, mail.exposure, mail.utilisation
    )


def _lead(mail: LimitMail) -> str:
    return lead(mail.language, mail.kind, one_line(mail.customer_name), mail.limit, mail.exposure, mail.utilisation)


def _said(
    language: Language, key: str, customer: str, limit: Money, exposure: Money, utilisation: Decimal | None
) -> str:
    return say(
        language,
        key,
        customer=customer,
        limit=money(limit, language),
        exposure=money(exposure, language),
        percent=percent(utilisation or Decimal(0), language),
    )

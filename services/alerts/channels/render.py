"""What an alert looks like as a mail: subject, text and HTML, in the receiver's language."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Literal

import msgspec
from babel.dates import format_date
from babel.numbers import format_currency, format_percent
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from contracts.money import Money
from services.alerts.channels.mail import one_line
from services.alerts.channels.words import LOCALES, WORDS, Language, say, say_number
from services.alerts.model.open_item import bucket

TEMPLATES = Path(__file__).parent / "templates"
# A name may have 200 characters; in a list of mails the invoice and the amount behind it must still be seen.
SUBJECT_NAME = 40
EVENTS_SHOWN = 12
FORMS = 4096  # written amounts and dates that are remembered: text and HTML say the same ones, and so do many mails
BESIDE_SHOWN = 5

AgeingStage = Literal["1-30", "31-60", "61-90", "91+"]


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a payment, credit note or write-off that was applied to the invoice, in the invoice's currency."""

    document_id: str
    kind: Literal["payment", "credit_note", "write_off"]
    dated_on: date
    amount: Money


class EventBehind(msgspec.Struct, frozen=True, kw_only=True):
    """A fact the alert rests on. `name` is its type without prefix and version, as in invoice.issued."""

    id: str
    source: str
    name: str


class Overdue(msgspec.Struct, frozen=True, kw_only=True):
    """Another invoice of the customer of which an alert stands."""

    invoice_id: str
    days_past_due: int
    open: Money


class Heading(msgspec.Struct, frozen=True, kw_only=True):
    """What the mails of all rules begin with. `link` is the page of the alert. `books`: sentences about what the books
    say otherwise, where the mail is about money, and the same in a few words.
    """

    language: Language
    receiver_name: str = ""
    alert_id: str
    link: str
    customer_id: str
    customer_name: str
    books: tuple[str, ...] = ()
    books_short: str = ""

    @property
    def short_name(self) -> str:
        """The customer's name as a subject has room for it."""
        return shorten(one_line(self.customer_name), SUBJECT_NAME)


class AlertMail(Heading, frozen=True, kw_only=True):
    """The figures of a receivable_overdue alert that was raised; `as_of` is the company's day they hold for.

    `open` is `total` less the amounts of `settlements`. `set_for` says at which of the three levels the grace was
    set. `beside` are the customer's other overdue invoices, the oldest first.
    """

    company: str = ""
    invoice_id: str
    issued_on: date | None = None
    due_on: date
    as_of: date
    days_past_due: int
    stage: AgeingStage
    total: Money
    open: Money
    settlements: tuple[Settlement, ...] = ()
    rule: str = "receivable_overdue"
    grace_days: int
    set_for: Literal["default", "group", "customer"] = "default"
    events: tuple[EventBehind, ...] = ()
    beside: tuple[Overdue, ...] = ()

    @property
    def overdue_in_all(self) -> list[Money]:
        """What is overdue of this customer, this invoice included, by currency: never added across them."""
        sums: dict[str, Decimal] = {self.open.currency: self.open.amount}
        for other in self.beside:
            sums[other.open.currency] = sums.get(other.open.currency, Decimal(0)) + other.open.amount
        return [Money(amount, currency) for currency, amount in sums.items()]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What a digest says of an alert: the rule's name, the figure that tells most, the reason in a sentence, and what
    to do. `stake`: the money it is about.
    """

    title: str
    number: str = ""
    reason: str
    todo: str
    stake: Money | None = None


def brief(mail: AlertMail) -> tuple[str, str]:
    """(title, text) where there is room for a few lines only: what has happened, and how to go about it."""
    lead = say_number(
        mail.language,
        "lead",
        mail.days_past_due,
        customer=one_line(mail.customer_name),
        invoice=one_line(mail.invoice_id),
        open=money(mail.open, mail.language),
    )
    return _subject(mail), "\n".join((lead, say(mail.language, f"urge.{mail.stage}"), *mail.books))


def render_alert_raised(mail: AlertMail) -> tuple[str, str, str]:
    """(subject, text, html) of the mail to the customer's owner."""
    values = {
        "mail": mail,
        "shown": mail.events[:EVENTS_SHOWN],
        "more": len(mail.events) - EVENTS_SHOWN,
        "beside": mail.beside[:BESIDE_SHOWN],
        "beside_more": len(mail.beside) - BESIDE_SHOWN,
    }
    return templated(mail.rule, mail.language, _subject(mail), values)


def line_overdue(mail: AlertMail, on: date) -> Line:
    """A receivable_overdue in a line, as late as the invoice is by the digest's day."""
    days = max((on - mail.due_on).days, mail.days_past_due)
    stage = bucket(days)
    owed = money(mail.open, mail.language)
    reason = say_number(
        mail.language,
        "digest.overdue",
        days,
        invoice=one_line(mail.invoice_id),
        due=day(mail.due_on, mail.language),
        open=owed,
    )
    return Line(
        title=say(mail.language, "alert"),
        number=owed,
        reason=with_books(reason, mail),
        todo=say(mail.language, "digest.overdue.call" if stage == "1-30" else f"urge.{stage}"),
        stake=mail.open,
    )


def with_books(reason: str, mail: Heading) -> str:
    """The reason, and in a few words that the books say otherwise."""
    return f"{reason} {mail.books_short}" if mail.books_short else reason


def templated(rule: str, language: Language, subject: str, values: Mapping[str, object]) -> tuple[str, str, str]:
    """(subject, text, html) from the two templates of a rule, which are given these values and the language's words."""
    templates = _templates(language)
    text = templates.get_template(f"{rule}.txt.j2").render(values)
    html = templates.get_template(f"{rule}.html.j2").render(values, subject=subject)
    return subject, text, html


@lru_cache(FORMS)
def money(value: Money, language: Language) -> str:
    """An amount as the language writes it, with all decimals of its currency."""
    return str(format_currency(value.amount, value.currency, locale=LOCALES[language]))


@lru_cache(FORMS)
def percent(share: Decimal, language: Language) -> str:
    """A share as per cent, with up to two decimals: 0.8 is 80%."""
    return str(format_percent(share, "#,##0.##%", locale=LOCALES[language]))


@lru_cache(FORMS)
def day(value: date, language: Language) -> str:
    """A date with its month in words (en) or with 年月日 (zh-CN)."""
    return str(format_date(value, "long", locale=LOCALES[language]))


def shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _subject(mail: AlertMail) -> str:
    return say_number(
        mail.language,
        "subject",
        mail.days_past_due,
        customer=mail.short_name,
        invoice=shorten(one_line(mail.invoice_id), SUBJECT_NAME),
        open=money(mail.open, mail.language),
    )


def _event_name(event: str, language: Language) -> str:
    key = f"event.{event}"
    return say(language, key) if key in WORDS else event


@cache
def _templates(language: Language) -> Environment:
    """The templates of a language, whose words are filters: what of them rests on no figure is put in, and escaped,
    when a template is compiled, and costs its mails nothing.
    """
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    templates.filters |= {
        "line": one_line,
        "w": partial(say, language),
        "n": partial(say_number, language),
        "money": partial(money, language=language),
        "day": partial(day, language=language),
        "percent": partial(percent, language=language),
        "event_name": partial(_event_name, language=language),
    }
    return templates

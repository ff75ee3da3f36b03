"""What an alert of purchase_slowdown looks like as a mail: subject, text, HTML, picture, in the receiver's language."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Final, Literal

from services.alerts.channels import rhythm_picture
from services.alerts.channels.mail import Picture, one_line
from services.alerts.channels.render import EventBehind, Heading, Line, day, percent, templated
from services.alerts.channels.words import Language, say, say_number
from services.alerts.channels.words_rhythm import kind_of

PICTURE: Final = "rhythm"
_LEAST: Final = Decimal("0.0001")  # a smaller chance would be shown as none at all


class SlowdownMail(Heading, frozen=True, kw_only=True):
    """The figures of a purchase_slowdown alert as of `raised_on`, the company's day of crossing.

    `usual_gap` is the mean of the customer's own gaps, in days with one decimal; `p` the chance of so long a silence;
    `bought_since` the purchase days since. `reach_days`: 99 of 100 such gaps are no longer, None where that is not
    known any more. `days` are the purchase days around the alarm, the earliest first, `last_purchase` among them.
    """

    role: str = ""
    kind: Literal["stop", "slowdown"]
    last_purchase: date
    usual_gap: str
    expected_by: date
    silent_days: int
    raised_on: date
    p: Decimal
    bought_since: int = 0
    reach_days: int | None = None
    budget: float
    days: tuple[date, ...]
    events: tuple[EventBehind, ...] = ()
    rule: str = "purchase_slowdown"

    @property
    def buying(self) -> str:
        """The word for what this customer does."""
        return say(self.language, f"rhythm.buying.{kind_of(self.role)}")

    @property
    def title(self) -> str:
        """The rule's name for this customer."""
        return say(self.language, f"rhythm.alert.{kind_of(self.role)}")


def brief_slowdown(mail: SlowdownMail) -> tuple[str, str]:
    """(title, text) where there is room for a few lines only."""
    return _subject(mail), f"{_lead(mail)}\n{say(mail.language, 'rhythm.todo.call', buying=mail.buying)}"


def render_slowdown(mail: SlowdownMail) -> tuple[str, str, str]:
    """(subject, text, html) of the mail to the customer's owner; the html shows `pictures`."""
    language, buying = mail.language, mail.buying
    kind = say(language, f"rhythm.kind.{mail.kind}", buying=buying)
    values = {
        "mail": mail,
        "buying": buying,
        "kind": kind[:1].upper() + kind[1:],
        "lead": _lead(mail),
        "chance": _chance(mail.p, language),
        "gaps": gaps_between(mail.days),
        "later": lambda days: say_number(language, "rhythm.later", days),
        "budget": f"{mail.budget:g}",
        "picture": PICTURE,
        "picture_says": _picture_says(mail),
    }
    return templated(mail.rule, language, _subject(mail), values)


def line_slowdown(mail: SlowdownMail, on: date) -> Line:
    """A purchase_slowdown in a line, as long as the silence is by the digest's day."""
    language = mail.language
    bought = mail.bought_since > 0 or any(one > mail.last_purchase for one in mail.days)
    days = mail.silent_days if bought else max((on - mail.last_purchase).days, mail.silent_days)
    return Line(
        title=mail.title,
        number=say_number(language, "days", days),
        reason=say(
            language,
            f"digest.slowdown.{'since' if bought else mail.kind}",
            gap=mail.usual_gap,
            buying=mail.buying,
            last=day(mail.last_purchase, language),
            n=days,
        ),
        todo=say(language, "rhythm.todo.call", buying=mail.buying),
    )


def pictures(mail: SlowdownMail) -> tuple[Picture, ...]:
    """The rhythm, drawn. It takes a tenth of a second, and seconds the first time."""
    drawn = rhythm_picture.png(mail.days, None, mail.raised_on, mail.language)
    return (Picture(name=PICTURE, png=drawn),)


def _subject(mail: SlowdownMail) -> str:
    return say_number(
        mail.language,
        "rhythm.subject",
        mail.silent_days,
        alert=mail.title,
        customer=mail.short_name,
        buying=mail.buying,
        gap=mail.usual_gap,
    )


def _lead(mail: SlowdownMail) -> str:
    return say(
        mail.language,
        f"rhythm.lead.{mail.kind}",
        customer=one_line(mail.customer_name),
        gap=mail.usual_gap,
        buying=mail.buying,
        last=day(mail.last_purchase, mail.language),
        days=mail.silent_days,
    )


def _chance(p: Decimal, language: Language) -> str:
    return percent(p, language) if p >= _LEAST else f"<{percent(_LEAST, language)}"


def gaps_between(days: Sequence[date]) -> list[tuple[date, int | None]]:
    """Each purchase day with the days since the one before it; the first has none."""
    return [*((one, None) for one in days[:1]), *((one, (one - before).days) for before, one in pairwise(days))]


def _picture_says(mail: SlowdownMail) -> str:
    language, buying = mail.language, mail.buying
    comma = say(language, "rhythm.list_comma")
    early = comma.join(day(one, language) for one in mail.days if one <= mail.raised_on)
    since = comma.join(day(one, language) for one in mail.days if one > mail.raised_on)
    until = day(mail.raised_on, language)
    said = [say(language, "rhythm.picture", buying=buying, days=early, date=until, n=mail.silent_days)]
    said += [say(language, "rhythm.picture_since", buying=buying, days=since)] if since else []
    return " ".join(said)

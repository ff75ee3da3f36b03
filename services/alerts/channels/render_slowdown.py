"""What an alert of purchase_slowdown looks like as a mail: subject, text, HTML, picture, in the receiver's language."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final, Literal

from services.alerts.channels.mail import Picture, one_line
from services.alerts.channels.render import Line, day, percent, templated
from services.alerts.channels.render_rhythm import RhythmHeading, drawn, listed, picture_says, shown
from services.alerts.channels.words import Language, say, say_number

_LEAST: Final = Decimal("0.0001")  # a smaller chance would be shown as none at all


class SlowdownMail(RhythmHeading, frozen=True, kw_only=True):
    """The figures of a purchase_slowdown alert as of `raised_on`, the company's day of crossing.

    `usual_gap` is the mean of the customer's own gaps, in days with one decimal; `p` the chance of so long a silence;
    `bought_since` the purchase days since. `reach_days`: 99 of 100 such gaps are no longer, None where that is not
    known any more. `days` are the purchase days around the alarm.
    """

    kind: Literal["stop", "slowdown"]
    usual_gap: str
    expected_by: date
    silent_days: int
    raised_on: date
    p: Decimal
    bought_since: int = 0
    reach_days: int | None = None
    budget: float
    rule: str = "purchase_slowdown"


def brief_slowdown(mail: SlowdownMail) -> tuple[str, str]:
    """(title, text) where there is room for a few lines only."""
    return _subject(mail), f"{_lead(mail)}\n{say(mail.language, 'rhythm.todo.call', buying=mail.buying)}"


def render_slowdown(mail: SlowdownMail) -> tuple[str, str, str]:
    """(subject, text, html) of the mail to the customer's owner; the html shows `pictures`."""
    language = mail.language
    kind = say(language, f"rhythm.kind.{mail.kind}", buying=mail.buying)
    values = {
        **shown(mail),
        "kind": kind[:1].upper() + kind[1:],
        "lead": _lead(mail),
        "chance": _chance(mail.p, language),
        "budget": f"{mail.budget:g}",
        "picture_says": _picture_says(mail),
    }
    return templated(mail.rule, language, _subject(mail), values)


def line_slowdown(mail: SlowdownMail, on: date) -> Line:
    """A purchase_slowdown in a line, as long as the silence is by the digest's day."""
    language = mail.language
    bought = mail.bought_since > 0 or any(one > mail.last_purchase for one in mail.days)
    days = mail.silent_days if bought else max((on - mail.last_purchase).days, mail.silent_days)
    return Line(
        title=mail.slowing,
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
    """The rhythm up to the alarm, drawn."""
    return drawn(mail, mail.raised_on)


def _subject(mail: SlowdownMail) -> str:
    return say_number(
        mail.language,
        "rhythm.subject",
        mail.silent_days,
        alert=mail.slowing,
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


def _picture_says(mail: SlowdownMail) -> str:
    early = [one for one in mail.days if one <= mail.raised_on]
    since = listed(mail.days[len(early) :], mail.language)
    said = [picture_says(mail, early, mail.raised_on, mail.silent_days)]
    said += [say(mail.language, "rhythm.picture_since", buying=mail.buying, days=since)] if since else []
    return " ".join(said)

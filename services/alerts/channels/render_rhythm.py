"""What the mails about a customer's purchases have in common: that he buys less often, and that he is likely lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import pairwise
from typing import Any, Final

from services.alerts.channels import rhythm_picture
from services.alerts.channels.mail import Picture
from services.alerts.channels.render import EventBehind, Heading, day
from services.alerts.channels.words import Language, say, say_number
from services.alerts.channels.words_rhythm import kind_of

PICTURE: Final = "rhythm"


class RhythmHeading(Heading, frozen=True, kw_only=True):
    """`days` are purchase days, the earliest first, `last_purchase` among them."""

    role: str = ""
    last_purchase: date
    days: tuple[date, ...]
    events: tuple[EventBehind, ...] = ()

    @property
    def buying(self) -> str:
        """The word for what this customer does."""
        return say(self.language, f"rhythm.buying.{kind_of(self.role)}")

    @property
    def slowing(self) -> str:
        """The name, for this customer, of the rule that he buys less often."""
        return say(self.language, f"rhythm.alert.{kind_of(self.role)}")


def shown(mail: RhythmHeading) -> dict[str, Any]:
    """What the templates of all these mails show."""
    return {
        "mail": mail,
        "buying": mail.buying,
        "gaps": gaps_between(mail.days),
        "later": lambda days: say_number(mail.language, "rhythm.later", days),
        "picture": PICTURE,
    }


def gaps_between(days: Sequence[date]) -> list[tuple[date, int | None]]:
    """Each purchase day with the days since the one before it; the first has none."""
    return [*((one, None) for one in days[:1]), *((one, (one - before).days) for before, one in pairwise(days))]


def drawn(mail: RhythmHeading, until: date) -> tuple[Picture, ...]:
    """The purchase days and the silence up to a day. It takes a tenth of a second, and seconds the first time."""
    return (Picture(name=PICTURE, png=rhythm_picture.png(mail.days, None, until, mail.language)),)


def picture_says(mail: RhythmHeading, days: Iterable[date], until: date, silent_days: int) -> str:
    """The picture in words, for who does not see it."""
    said, end = listed(days, mail.language), day(until, mail.language)
    return say(mail.language, "rhythm.picture", buying=mail.buying, days=said, date=end, n=silent_days)


def listed(days: Iterable[date], language: Language) -> str:
    """Days in a row."""
    return say(language, "rhythm.list_comma").join(day(one, language) for one in days)

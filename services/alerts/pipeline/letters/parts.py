"""What the letters of all rules share: what a letter is to the channels, and who makes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, TypedDict, cast

from services.alerts.channels.mail import Picture
from services.alerts.channels.render import EventBehind, Heading, Line
from services.alerts.channels.render_books import books_in_short, books_say
from services.alerts.channels.words import Language
from services.alerts.model.account import Account
from services.alerts.model.alert import Alert
from services.alerts.model.staff import Colleague
from services.alerts.settings import AlertsSettings
from services.chassis.mongo import Database, Doc, find

_FIGURED: Final = ("raised", "updated", "reopened")


class Withheld(Exception):  # noqa: N818 - a decision, not an error
    """The notification is not to be sent; the text is the reason's code."""


@dataclass(frozen=True)
class Content:
    """What a message says, for any channel: `brief` gives (title, text), `render` (subject, text, html), and
    `pictures` draws what the html shows. `line` is what a digest of a day says of it.
    """

    language: Language
    customer_name: str
    link: str
    brief: Callable[[], tuple[str, str]]
    render: Callable[[], tuple[str, str, str]]
    pictures: Callable[[], tuple[Picture, ...]] = tuple
    line: Callable[[date], Line] | None = None

    @classmethod
    def of(
        cls,
        said: Heading,
        brief: Callable[[], tuple[str, str]],
        render: Callable[[], tuple[str, str, str]],
        pictures: Callable[[], tuple[Picture, ...]] = tuple,
        line: Callable[[date], Line] | None = None,
    ) -> Content:
        """From a rule's content and the ways of showing it."""
        return cls(said.language, said.customer_name, said.link, brief, render, pictures, line)

    def in_digest(self, day: date) -> Line:
        """What a digest of a day says of it; of a rule without words for that, what it says in a few lines."""
        if self.line is not None:
            return self.line(day)
        title, text = self.brief()
        reason, _, todo = text.partition("\n")
        return Line(title=title, reason=reason, todo=todo)


# Raises Withheld where there is nothing to say any more.
Write = Callable[[Alert, Account, Colleague, AlertsSettings], Content]
Read = Callable[[Database, Sequence[Alert]], Awaitable[Write]]


class Headed(TypedDict):
    """The fields of a Heading."""

    language: Language
    receiver_name: str
    alert_id: str
    link: str
    customer_id: str
    customer_name: str


class Books(TypedDict):
    """The fields of a Heading that say what the books say otherwise."""

    books: tuple[str, ...]
    books_short: str


def books(account: Account, colleague: Colleague) -> Books:
    """What a mail about money says of a customer whose balance is another in the books; nothing where it is not."""
    language = cast("Language", colleague.language)
    return Books(books=books_say(account.stated, language), books_short=books_in_short(account.stated, language))


def heading(alert: Alert, account: Account, colleague: Colleague, settings: AlertsSettings) -> Headed:
    """What the mail about an alert begins with."""
    return Headed(
        language=cast("Language", colleague.language),
        receiver_name=colleague.name,
        alert_id=alert.alert_id,
        link=f"{settings.public_url}/alerts/{alert.alert_id}",
        customer_id=alert.subject,
        customer_name=account.name or alert.subject,
    )


def figured_at(alert: Alert) -> datetime:
    """When the alert got the figures it has."""
    return next((entry.at for entry in reversed(alert.timeline) if entry.what in _FIGURED), alert.raised_at)


async def rows_behind(db: Database, alerts: Sequence[Alert]) -> dict[str, Doc]:
    """The ledger's rows of what opened these alerts, by ref, as `named` reads them."""
    refs = sorted({ref for alert in alerts for ref in alert.opened_by})
    rows = await find(db, "ledger", {"_id": {"$in": refs}}, fields={"t": 1, "n": 1})
    return {row["_id"]: row for row in rows}


def named(refs: Iterable[str], rows: Mapping[str, Doc]) -> Iterable[EventBehind]:
    """The events behind refs (source:id), by their rows of the ledger (fields t, n); one without is left out."""
    for ref in refs:
        row = rows.get(ref)
        if row is not None:
            cut, kind = row["n"], str(row["t"])
            name = kind.removeprefix("rapport.").rpartition(".")[0]
            yield EventBehind(id=ref[cut + 1 :], source=ref[:cut], name=name)

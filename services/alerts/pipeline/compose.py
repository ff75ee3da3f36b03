"""From a queued notification to what is sent: who gets it, by which channels, what stands in it. Names and addresses
are looked up here and go no further.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property

from services.alerts import emits
from services.alerts.channels.mail import Mail, Picture
from services.alerts.channels.render_digest import DigestMail, Entry, ordered, render_digest
from services.alerts.channels.webhook import Delivery, Hook, HookData, Keyring, body
from services.alerts.model.account import Account
from services.alerts.model.alert import Alert
from services.alerts.model.digest import next_digest, urgent
from services.alerts.model.notification import NO_ADDRESS, NO_OWNER, Channel, Notification
from services.alerts.model.staff import Colleague, addresses, gone
from services.alerts.pipeline.letters import LETTERS
from services.alerts.pipeline.letters.parts import Content, Withheld, Write
from services.alerts.settings import AlertsSettings
from services.alerts.store import ACCOUNTS, ALERTS, STAFF, Owned
from services.chassis.mongo import Database, find, from_doc

EVENTS_MOST = 50


@dataclass(frozen=True)
class Letter:
    """All that a message says, whatever channel it goes by; `addresses` are its receiver's, by channel."""

    notification_id: str
    notification: Notification
    alert: Alert
    content: Content
    name: str
    addresses: Mapping[Channel, str]


@dataclass(frozen=True)
class Shelf:
    """What the messages of one round are made from, read in a few queries however many they are. `now` is the
    service's moment.
    """

    settings: AlertsSettings
    now: datetime
    alerts: Mapping[str, Alert]
    accounts: Mapping[str, Account]
    staff: Mapping[str, Colleague]
    writes: Mapping[str, Write]  # by rule

    def letter(self, subject: str, key: str, notification: Notification) -> Letter:
        """What a notification says.

        Raises:
            Withheld: nobody can or should get it.
        """
        alert, account = self.alerts.get(notification.alert_id), self.accounts.get(subject)
        if account is None:
            raise Withheld("erased")
        if alert is None or alert.state == "resolved":  # or it fell away when facts or accounts were taken out
            raise Withheld("already_over")
        if not notification.recipient:
            raise Withheld(NO_OWNER)
        colleague = self.staff.get(notification.recipient)
        if colleague is None or gone(colleague, self.settings.rules.day(self.now)):
            raise Withheld(NO_ADDRESS)
        ways = addresses(colleague, self._usable)
        if not ways or (notification.copy_of and notification.channel not in ways):
            raise Withheld(NO_ADDRESS)
        write = self.writes.get(alert.rule)
        if write is None:
            raise Withheld("no_letter")
        content = write(alert, account, colleague, self.settings)
        return Letter(key, notification, alert, content, colleague.name, ways)

    def held_until(self, letter: Letter) -> datetime | None:
        """The moment of the digest that the letter waits for; None where it waits for none."""
        if urgent(letter.alert.severity, self.settings.digests):
            return None
        colleague = self.staff[letter.notification.recipient]
        return next_digest(colleague, letter.notification.next_at, self.settings.digests, self.settings.zone)

    def _usable(self, channel: Channel, address: str) -> bool:
        return channel != "webhook" or bool(self._keys.of(address, self.settings.outward))

    @cached_property
    def _keys(self) -> Keyring:
        return self.settings.keyring


def mail(letter: Letter, settings: AlertsSettings) -> Mail:
    """The letter as a mail."""
    return _mail(letter, letter.content.render(), settings, letter.content.pictures())


def _mail(
    letter: Letter, said: tuple[str, str, str], settings: AlertsSettings, pictures: tuple[Picture, ...] = ()
) -> Mail:
    title, text, html = said
    return Mail(
        message_id=letter.notification.message_id,
        sender=settings.mail_sender,
        sender_name=settings.mail_sender_name,
        to=letter.addresses["mail"],
        to_name=letter.name,
        subject=title,
        text=text,
        html=html,
        language=letter.content.language,
        sent_at=datetime.now(UTC),
        pictures=pictures,
    )


def webhook(letter: Letter, settings: AlertsSettings) -> Delivery:
    """The letter as a webhook."""
    notification, alert, content = letter.notification, letter.alert, letter.content
    title, text = content.brief()
    data = HookData(
        notification_id=letter.notification_id,
        alert_id=alert.alert_id,
        rule=alert.rule,
        change=notification.reason,
        severity=alert.severity,
        subject=alert.subject,
        subject_name=content.customer_name,
        cause=alert.cause,
        owner_id=notification.recipient,
        language=content.language,
        title=title,
        text=text,
        link=content.link,
        since=alert.opened_on,
        raised_at=alert.raised_at,
        amounts=emits.amounts(alert) or {},
        figures=emits.figures(alert),
        events=list(alert.opened_by[:EVENTS_MOST]),
    )
    hook = Hook(type=f"alert.{notification.reason}.v1", timestamp=notification.created_at, data=data)
    return Delivery(id=notification.message_id, address=letter.addresses["webhook"], body=body(hook))


def digest(letters: Sequence[Letter], settings: AlertsSettings, now: datetime) -> Mail:
    """Letters to one person as one mail."""
    first, as_of = letters[0], settings.rules.day(now)
    content = DigestMail(
        language=first.content.language,
        receiver_name=first.name,
        as_of=as_of,
        customers=ordered((one.alert.subject, one.content.customer_name, _entry(one, as_of)) for one in letters),
    )
    return _mail(first, render_digest(content), settings)


def _entry(letter: Letter, as_of: date) -> Entry:
    alert, content = letter.alert, letter.content
    return Entry(
        alert_id=alert.alert_id,
        rule=alert.rule,
        severity=alert.severity,
        link=content.link,
        line=content.in_digest(as_of),
    )


async def shelf(
    db: Database, settings: AlertsSettings, wanted: Sequence[tuple[str, Notification]], now: datetime
) -> Shelf:
    """Read what the messages about `wanted` (subject and notification) are made from, as of a moment of the service."""
    alerts, accounts, staff = await asyncio.gather(
        find(db, ALERTS.name, {"k": {"$in": [notification.alert_id for _, notification in wanted]}}),
        find(db, ACCOUNTS.name, {"_id": {"$in": [subject for subject, _ in wanted]}}),
        find(db, STAFF.name, {"_id": {"$in": [notification.recipient for _, notification in wanted]}}),
    )
    held = {doc["k"]: from_doc(doc["state"], Owned).alert for doc in alerts}
    return Shelf(
        settings,
        now,
        held,
        {doc["_id"]: from_doc(doc["state"], Account) for doc in accounts if "state" in doc},
        {doc["_id"]: from_doc(doc["state"], Colleague) for doc in staff if "state" in doc},
        await _writes(db, held.values()),
    )


async def _writes(db: Database, alerts: Iterable[Alert]) -> dict[str, Write]:
    by_rule: dict[str, list[Alert]] = {}
    for alert in alerts:
        if alert.rule in LETTERS:
            by_rule.setdefault(alert.rule, []).append(alert)
    found = await asyncio.gather(*(LETTERS[rule](db, of_rule) for rule, of_rule in by_rule.items()))
    return dict(zip(by_rule, found, strict=True))

"""From a queued notification to what is sent: who gets it, by which channels, what stands in it. Names and addresses
are looked up here and go no further.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from typing import cast
from urllib.parse import unquote

import msgspec

from contracts.money import Money
from services.alerts import emits
from services.alerts.channels.mail import Mail
from services.alerts.channels.render import (
    AgeingStage,
    AlertMail,
    EventBehind,
    Overdue,
    Settlement,
    brief,
    render_alert_raised,
)
from services.alerts.channels.webhook import Delivery, Hook, HookData, Keyring, body
from services.alerts.channels.words import Language
from services.alerts.model.account import Account
from services.alerts.model.alert import Alert
from services.alerts.model.exchange import convert
from services.alerts.model.facts import FactKey
from services.alerts.model.notification import NO_ADDRESS, NO_OWNER, Channel, Notification
from services.alerts.model.open_item import Entry, OpenItem
from services.alerts.model.rules.receivable_overdue import RULE
from services.alerts.model.staff import Colleague, addresses, gone
from services.alerts.settings import AlertsSettings
from services.alerts.store import ACCOUNTS, ALERTS, ITEMS, STAFF, Item, Owned
from services.chassis.mongo import Database, Doc, find, from_doc

EVENTS_MOST = 50
_NAMES = {"payment": "payment.received", "credit_note": "credit_note.issued", "write_off": "debt.written_off"}


class Withheld(Exception):  # noqa: N818 - a decision, not an error
    """The notification is not to be sent; the text is the reason's code."""


@dataclass(frozen=True)
class Letter:
    """All that a message says, whatever channel it goes by; `addresses` are its receiver's, by channel."""

    notification_id: str
    notification: Notification
    alert: Alert
    content: AlertMail
    name: str
    addresses: Mapping[Channel, str]


@dataclass(frozen=True)
class Shelf:
    """What the messages of one round are made from, read in five queries however many they are."""

    settings: AlertsSettings
    alerts: Mapping[str, Alert]
    items: Mapping[str, OpenItem]  # by alert
    accounts: Mapping[str, Account]
    staff: Mapping[str, Colleague]
    standing: Mapping[str, Sequence[Doc]]  # by customer: what he has overdue

    def letter(self, subject: str, key: str, notification: Notification) -> Letter:
        """What a notification says.

        Raises:
            Withheld: nobody can or should get it.
        """
        alert, account = self.alerts.get(notification.alert_id), self.accounts.get(subject)
        item = self.items.get(notification.alert_id)
        if alert is None or account is None or item is None:
            raise Withheld("erased")
        if alert.state == "resolved":
            raise Withheld("already_over")
        if not notification.recipient:
            raise Withheld(NO_OWNER)
        colleague = self.staff.get(notification.recipient)
        today = self.settings.rules.day(datetime.now(UTC))
        if colleague is None or gone(colleague, today):
            raise Withheld(NO_ADDRESS)
        ways = addresses(colleague, self._usable)
        if not ways or (notification.copy_of and notification.channel not in ways):
            raise Withheld(NO_ADDRESS)
        content = letter(alert, item, account, colleague, self.settings)
        beside = overdue_beside(self.standing.get(subject, ()), alert.alert_id, content.as_of)
        content = msgspec.structs.replace(content, beside=tuple(beside))
        return Letter(key, notification, alert, content, colleague.name, ways)

    def _usable(self, channel: Channel, address: str) -> bool:
        return channel != "webhook" or bool(self._keys.of(address, self.settings.outward))

    @cached_property
    def _keys(self) -> Keyring:
        return self.settings.keyring


def mail(letter: Letter, settings: AlertsSettings) -> Mail:
    """The letter as a mail."""
    title, text, html = render_alert_raised(letter.content)
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
    )


def webhook(letter: Letter, settings: AlertsSettings) -> Delivery:
    """The letter as a webhook."""
    notification, alert, content = letter.notification, letter.alert, letter.content
    title, text = brief(content)
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


async def shelf(db: Database, settings: AlertsSettings, wanted: Sequence[tuple[str, Notification]]) -> Shelf:
    """Read what the messages about `wanted` (subject and notification) are made from."""
    ids = [notification.alert_id for _, notification in wanted]
    subjects = [subject for subject, _ in wanted]
    recipients = [notification.recipient for _, notification in wanted]
    alerts, cards, accounts, staff, overdue = await asyncio.gather(
        find(db, ALERTS.name, {"k": {"$in": ids}}),
        find(db, ITEMS.name, {"s": {"$in": subjects}, "state.alerts": {"$in": ids}}),
        find(db, ACCOUNTS.name, {"_id": {"$in": subjects}}),
        find(db, STAFF.name, {"_id": {"$in": recipients}}),
        find(
            db,
            ALERTS.name,
            {"s": {"$in": subjects}, "state.alert.rule": RULE, "state.alert.state": {"$ne": "resolved"}},
            fields={"s": 1, "k": 1, "state.alert.cause": 1, "state.alert.figures": 1},
        ),
    )
    held = [from_doc(doc["state"], Item) for doc in cards]
    standing: dict[str, list[Doc]] = {}
    for row in overdue:
        standing.setdefault(row["s"], []).append(row)
    return Shelf(
        settings,
        {doc["k"]: from_doc(doc["state"], Owned).alert for doc in alerts},
        {name: card.item for card in held for name in card.alerts},
        {doc["_id"]: from_doc(doc["state"], Account) for doc in accounts if "state" in doc},
        {doc["_id"]: from_doc(doc["state"], Colleague) for doc in staff if "state" in doc},
        standing,
    )


def letter(alert: Alert, item: OpenItem, account: Account, colleague: Colleague, settings: AlertsSettings) -> AlertMail:
    """What the mail about a raised receivable_overdue says."""
    figures = alert.figures
    currency = figures["currency"]
    as_of = settings.rules.day(alert.raised_at)
    grace = settings.rules.overdue_for(account, as_of).grace_days
    return AlertMail(
        language=cast("Language", colleague.language),
        receiver_name=colleague.name,
        alert_id=alert.alert_id,
        link=f"{settings.public_url}/alerts/{alert.alert_id}",
        customer_id=alert.subject,
        customer_name=account.name or alert.subject,
        company=item.company,
        invoice_id=item.invoice_id,
        issued_on=item.invoice.issued_on if item.invoice else None,
        due_on=date.fromisoformat(figures["due_on"]),
        as_of=as_of,
        days_past_due=int(figures["days_past_due"]),
        stage=cast("AgeingStage", figures["bucket"]),
        total=Money(Decimal(figures["total"]), currency),
        open=Money(Decimal(figures["open"]), currency),
        settlements=tuple(paid(item.entries, currency, as_of)),
        grace_days=grace,
        set_for="customer" if account.graces else "default",
        events=tuple(behind(item)),
    )


def overdue_beside(rows: Iterable[Doc], alert_id: str, as_of: date) -> list[Overdue]:
    """The customer's other overdue invoices, of which alerts stand, the oldest first."""
    found = []
    for row in rows:
        alert = row["state"]["alert"]
        figures = alert["figures"]
        if row["k"] != alert_id:
            _, _, invoice_id = alert["cause"].split("/")  # see OpenItem.cause
            days = (as_of - date.fromisoformat(figures["due_on"])).days
            owed = Money(Decimal(figures["open"]), figures["currency"])
            found.append(Overdue(invoice_id=unquote(invoice_id), days_past_due=days, open=owed))
    return sorted(found, key=lambda one: (-one.days_past_due, one.invoice_id))


def paid(entries: Iterable[Entry], currency: str, as_of: date) -> Iterable[Settlement]:
    """What each document has settled by a day, net of what was taken back, in the invoice's currency."""
    sums: dict[str, tuple[Entry, Decimal]] = {}
    for entry in entries:
        usable = entry.currency == currency or entry.rate is not None
        if entry.on > as_of or not usable:
            continue
        own = entry.amount if entry.currency == currency else convert(entry.amount, entry.rate or Decimal(1), currency)
        sums[entry.document_id] = (entry, sums.get(entry.document_id, (entry, Decimal(0)))[1] + own)
    for document_id, (entry, amount) in sums.items():
        if amount > 0:
            kind = entry.kind
            yield Settlement(document_id=document_id, kind=kind, dated_on=entry.on, amount=Money(amount, currency))


def behind(item: OpenItem) -> Iterable[EventBehind]:
    """The events the figures rest on, each once."""
    named: dict[FactKey, str] = {}
    if item.issued is not None:
        named[item.issued.key] = "invoice.issued"
    if item.corrected is not None:
        named[item.corrected.key] = "invoice.corrected"
    for dispute in item.disputes:
        named[dispute.key] = "invoice.disputed"
    for entry in item.entries:
        named.setdefault(entry.key, _NAMES[entry.kind] if entry.amount > 0 else "payment.reversed")
    return (EventBehind(id=key.id, source=key.source, name=name) for key, name in named.items())

"""From a queued notification to the mail: who gets it, what stands in it. Names and addresses are looked up here and
go no further.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import cast

from contracts.money import Money
from services.alerts.channels.mail import Mail
from services.alerts.channels.render import AgeingStage, AlertMail, EventBehind, Settlement, render_alert_raised
from services.alerts.channels.words import Language
from services.alerts.model.account import Account
from services.alerts.model.alert import Alert
from services.alerts.model.exchange import convert
from services.alerts.model.facts import FactKey
from services.alerts.model.notification import NO_ADDRESS, NO_OWNER, Notification
from services.alerts.model.open_item import Entry, OpenItem
from services.alerts.model.staff import Colleague, gone
from services.alerts.settings import AlertsSettings
from services.alerts.store import ACCOUNTS, ALERTS, ITEMS, STAFF, Item, Owned
from services.chassis.mongo import Database, find, from_doc

_NAMES = {"payment": "payment.received", "credit_note": "credit_note.issued", "write_off": "debt.written_off"}


class Withheld(Exception):  # noqa: N818 - a decision, not an error
    """The notification is not to be sent; the text is the reason's code."""


@dataclass(frozen=True)
class Shelf:
    """What the mails of one round are made from, read in four queries however many they are."""

    settings: AlertsSettings
    alerts: Mapping[str, Alert]
    items: Mapping[str, OpenItem]  # by alert
    accounts: Mapping[str, Account]
    staff: Mapping[str, Colleague]

    def mail(self, subject: str, notification: Notification) -> Mail:
        """The mail.

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
        if colleague is None or gone(colleague, today) or not colleague.mail:
            raise Withheld(NO_ADDRESS)
        content = letter(alert, item, account, colleague, self.settings)
        title, text, html = render_alert_raised(content)
        return Mail(
            message_id=notification.message_id,
            sender=self.settings.mail_sender,
            sender_name=self.settings.mail_sender_name,
            to=colleague.mail,
            to_name=colleague.name,
            subject=title,
            text=text,
            html=html,
            language=content.language,
            sent_at=datetime.now(UTC),
        )


async def shelf(db: Database, settings: AlertsSettings, wanted: Sequence[tuple[str, Notification]]) -> Shelf:
    """Read what the mails about `wanted` (subject and notification) are made from."""
    ids = [notification.alert_id for _, notification in wanted]
    subjects = [subject for subject, _ in wanted]
    recipients = [notification.recipient for _, notification in wanted]
    alerts, cards, accounts, staff = await asyncio.gather(
        find(db, ALERTS.name, {"k": {"$in": ids}}),
        find(db, ITEMS.name, {"s": {"$in": subjects}, "state.alerts": {"$in": ids}}),
        find(db, ACCOUNTS.name, {"_id": {"$in": subjects}}),
        find(db, STAFF.name, {"_id": {"$in": recipients}}),
    )
    held = [from_doc(doc["state"], Item) for doc in cards]
    return Shelf(
        settings,
        {doc["k"]: from_doc(doc["state"], Owned).alert for doc in alerts},
        {name: card.item for card in held for name in card.alerts},
        {doc["_id"]: from_doc(doc["state"], Account) for doc in accounts if "state" in doc},
        {doc["_id"]: from_doc(doc["state"], Colleague) for doc in staff if "state" in doc},
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

"""What a message about a receivable_overdue says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from typing import cast
from urllib.parse import unquote

import msgspec

from contracts.money import Money
from services.alerts.channels.render import (
    AgeingStage,
    AlertMail,
    EventBehind,
    Overdue,
    Settlement,
    brief,
    line_overdue,
    render_alert_raised,
)
from services.alerts.model.account import Account
from services.alerts.model.alert import Alert
from services.alerts.model.exchange import convert
from services.alerts.model.facts import FactKey
from services.alerts.model.open_item import Entry, OpenItem
from services.alerts.model.rules.receivable_overdue import RULE
from services.alerts.model.staff import Colleague
from services.alerts.pipeline.letters.parts import Content, Withheld, Write, books, figured_at, heading
from services.alerts.settings import AlertsSettings
from services.alerts.store import ALERTS, ITEMS, Item
from services.chassis.mongo import Database, Doc, find, from_doc

_NAMES = {"payment": "payment.received", "credit_note": "credit_note.issued", "write_off": "debt.written_off"}


async def read(db: Database, alerts: Sequence[Alert]) -> Write:
    """What the messages about these alerts are made from: their invoices, and what else the customers have overdue."""
    subjects = sorted({alert.subject for alert in alerts})
    ids = [alert.alert_id for alert in alerts]
    cards, overdue = await asyncio.gather(
        find(db, ITEMS.name, {"s": {"$in": subjects}, "state.alerts": {"$in": ids}}),
        find(
            db,
            ALERTS.name,
            {"s": {"$in": subjects}, "state.alert.rule": RULE, "state.alert.state": {"$ne": "resolved"}},
            fields={"s": 1, "k": 1, "state.alert.cause": 1, "state.alert.figures": 1},
        ),
    )
    held = [from_doc(doc["state"], Item) for doc in cards]
    items = {name: card.item for card in held for name in card.alerts}
    standing: dict[str, list[Doc]] = {}
    for row in overdue:
        standing.setdefault(row["s"], []).append(row)

    def write(alert: Alert, account: Account, colleague: Colleague, settings: AlertsSettings) -> Content:
        item = items.get(alert.alert_id)
        if item is None:
            raise Withheld("erased")
        said = letter(alert, item, account, colleague, settings)
        beside = tuple(overdue_beside(standing.get(alert.subject, ()), alert.alert_id, said.as_of))
        said = msgspec.structs.replace(said, beside=beside)
        return Content.of(
            said, partial(brief, said), partial(render_alert_raised, said), line=partial(line_overdue, said)
        )

    return write


def letter(alert: Alert, item: OpenItem, account: Account, colleague: Colleague, settings: AlertsSettings) -> AlertMail:
    """What the mail about a raised receivable_overdue says."""
    figures = alert.figures
    currency = figures["currency"]
    as_of = settings.rules.day(figured_at(alert))
    grace = settings.rules.overdue_for(account, as_of).grace_days
    return AlertMail(
        **heading(alert, account, colleague, settings),
        **books(account, colleague),
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

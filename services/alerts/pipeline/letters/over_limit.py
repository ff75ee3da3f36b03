"""What a message about a receivable_over_limit says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import partial

from contracts.money import Money
from services.alerts.channels.render_over_limit import (
    LARGEST_SHOWN,
    LimitMail,
    OpenInvoice,
    brief_limit,
    line_limit,
    render_limit,
)
from services.alerts.model.account import Account
from services.alerts.model.alert import Alert
from services.alerts.model.credit import granted_on
from services.alerts.model.open_item import OpenItem, days_past_due, open_on
from services.alerts.model.quotes import counted_in
from services.alerts.model.staff import Colleague
from services.alerts.pipeline.letters.parts import (
    Content,
    Withheld,
    Write,
    books,
    figured_at,
    heading,
    named,
    rows_behind,
)
from services.alerts.settings import AlertsSettings
from services.alerts.store import ITEMS, Item
from services.chassis.mongo import Database, Doc, find, from_doc


async def read(db: Database, alerts: Sequence[Alert]) -> Write:
    """What the messages about these alerts are made from: the customers' invoices, and the events that opened them."""
    subjects = sorted({alert.subject for alert in alerts})
    cards, known = await asyncio.gather(
        find(db, ITEMS.name, {"s": {"$in": subjects}}),
        rows_behind(db, alerts),
    )
    items: dict[str, list[OpenItem]] = {}
    for doc in cards:
        items.setdefault(doc["s"], []).append(from_doc(doc["state"], Item).item)

    def write(alert: Alert, account: Account, colleague: Colleague, settings: AlertsSettings) -> Content:
        if "limit" not in alert.figures:
            raise Withheld("already_over")
        said = letter(alert, items.get(alert.subject, ()), account, colleague, settings, known)
        return Content.of(said, partial(brief_limit, said), partial(render_limit, said), line=partial(line_limit, said))

    return write


def letter(
    alert: Alert,
    items: Iterable[OpenItem],
    account: Account,
    colleague: Colleague,
    settings: AlertsSettings,
    rows: Mapping[str, Doc],
) -> LimitMail:
    """What the mail about a raised receivable_over_limit says."""
    figures, currency = alert.figures, alert.figures["currency"]
    as_of, company = settings.rules.day(figured_at(alert)), figures.get("company", "")
    limit = granted_on(account.limits, company, as_of)
    used, orders = figures.get("utilisation"), figures.get("orders")
    return LimitMail(
        **heading(alert, account, colleague, settings),
        **books(account, colleague),
        company=company,
        limit=Money(Decimal(figures["limit"]), currency),
        valid_from=limit.valid_from if limit is not None else None,
        exposure=Money(Decimal(figures["exposure"]), currency),
        utilisation=Decimal(used) if used is not None else None,
        orders=Money(Decimal(orders), currency) if orders is not None else None,
        converted=tuple(counted_in(figures.get("converted", ""))),
        not_counted=tuple(not_counted(figures)),
        as_of=as_of,
        stage=alert.stage,
        notice=settings.rules.credit.notice,
        largest=tuple(largest(items, company, as_of)),
        events=tuple(named(alert.opened_by, rows)),
    )


def not_counted(figures: Mapping[str, str]) -> Iterable[Money]:
    """The money that the figures name as not counted."""
    for one in figures.get("not_counted", "").split(", "):
        amount, _, currency = one.partition(" ")
        if currency:
            yield Money(Decimal(amount), currency)


def largest(items: Iterable[OpenItem], company: str, day: date, most: int = LARGEST_SHOWN) -> list[OpenInvoice]:
    """The invoices of a company (empty: of all) with the most open; across currencies the numbers alone decide."""
    found = [
        OpenInvoice(
            invoice_id=item.invoice_id,
            due_on=item.invoice.due_on,
            days_past_due=days_past_due(item, day) or 0,
            open=Money(owed, item.invoice.currency),
        )
        for item in items
        if item.invoice is not None and company in ("", item.company) and (owed := open_on(item, day))
    ]
    return sorted(found, key=lambda one: (-one.open.amount, one.invoice_id))[:most]

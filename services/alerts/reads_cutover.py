"""What the report on a cut-over reads from the database, some hundred documents at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import date
from typing import Any, Final

from services.alerts.cutover import Line, at_stake
from services.alerts.model.account import Account, owner_on
from services.alerts.model.alert import WITHDRAWN, Alert
from services.alerts.model.forecast import Coming, Span, of_invoice, of_limit, of_rhythm
from services.alerts.model.notification import HISTORY
from services.alerts.rules import Rules
from services.alerts.store import (
    ACCOUNTS,
    ALERTS,
    CREDIT,
    ITEMS,
    NOTIFICATIONS,
    RHYTHMS,
    Credit,
    Item,
    Owned,
    RhythmCard,
)
from services.alerts.watch.rhythm import lost_on
from services.alerts.why import invoice_of
from services.chassis.aggregate import Part
from services.chassis.mongo import Database, Doc, find, from_doc

_SOME: Final = 500
_Found = Callable[[Doc, Account, Rules, Span, dict[str, Alert]], Iterator[Coming]]


async def stood(db: Database, day: date) -> AsyncIterator[list[Line]]:
    """The alerts that stood at the beginning of a day, as they are known now."""
    where: Doc = {
        "state.alert.opened_on": {"$lt": day.isoformat()},
        "state.alert.outcome": {"$ne": WITHDRAWN},
        "$or": [{"state.alert.state": {"$ne": "resolved"}}, {"state.alert.closed_on": {"$gte": day.isoformat()}}],
    }
    async for rows in _some(db, ALERTS, where):
        cards = [from_doc(row["state"], Owned) for row in rows]
        accounts = await _accounts(db, (card.alert.subject for card in cards))
        told = {"state.alert_id": {"$in": [card.alert.alert_id for card in cards]}, "state.why": HISTORY}
        quiet = {row["state"]["alert_id"] for row in await find(db, NOTIFICATIONS.name, told)}
        yield [_standing(card, accounts, card.alert.alert_id in quiet) for card in cards]


async def coming(db: Database, rules: Rules, span: Span) -> AsyncIterator[list[Line]]:
    """What somebody will be told of on the days of a span, if nothing happens until then."""
    due: Doc = {"due": {"$lt": rules.midnight(span.until)}}
    kinds: tuple[tuple[Part[Any], _Found], ...] = ((ITEMS, _invoices), (CREDIT, _limits), (RHYTHMS, _rhythms))
    for kind, found in kinds:
        async for rows in _some(db, kind, due):
            accounts = await _accounts(db, (row["s"] for row in rows))
            known = await _alerts(db, rows) if found is _invoices else {}
            yield [
                _coming(row["s"], accounts.get(row["s"]) or Account(), one)
                for row in rows
                for one in found(row, accounts.get(row["s"]) or Account(), rules, span, known)
            ]


def _invoices(row: Doc, account: Account, rules: Rules, span: Span, known: dict[str, Alert]) -> Iterator[Coming]:
    card = from_doc(row["state"], Item)
    untold = [name for name in card.alerts if name in known and known[name].untold]
    params = rules.overdue_for(account, span.since)
    return of_invoice(card.item, params, span, card.alerts, untold)


def _limits(row: Doc, account: Account, rules: Rules, span: Span, known: dict[str, Alert]) -> Iterator[Coming]:
    held = from_doc(row["state"], Credit)
    stage = held.standing.stages[-1][1] if held.standing is not None else 0
    return of_limit(account, held.company, rules.credit, span, stage)


def _rhythms(row: Doc, account: Account, rules: Rules, span: Span, known: dict[str, Alert]) -> Iterator[Coming]:
    card = from_doc(row["state"], RhythmCard)
    return of_rhythm(card.course.alarm_on, lost_on(card), card.silence.count, span)


def _standing(card: Owned, accounts: dict[str, Account], suppressed: bool) -> Line:
    alert = card.alert
    account = accounts.get(alert.subject) or Account()
    return Line(
        stood=True,
        day=alert.opened_on,
        rule=alert.rule,
        stage=alert.stage,
        customer=alert.subject,
        customer_name=account.name,
        owner_id=card.owner_id,
        about=invoice_of(alert)[1] or alert.figures.get("company", ""),
        amount=at_stake(alert),
        suppressed=suppressed,
    )


def _coming(customer: str, account: Account, one: Coming) -> Line:
    return Line(
        stood=False,
        day=one.on,
        rule=one.rule,
        stage=one.stage,
        customer=customer,
        customer_name=account.name,
        owner_id=owner_on(account, one.on),
        about=one.about,
        amount=one.amount,
    )


async def _accounts(db: Database, customers: Iterable[str]) -> dict[str, Account]:
    rows = await find(db, ACCOUNTS.name, {"_id": {"$in": sorted(set(customers))}})
    return {row["_id"]: from_doc(row["state"], Account) for row in rows if "state" in row}


async def _alerts(db: Database, rows: Iterable[Doc]) -> dict[str, Alert]:
    names = [name for row in rows for name in row["state"].get("alerts", ())]
    return {row["k"]: from_doc(row["state"], Owned).alert for row in await find(db, ALERTS.name, {"k": {"$in": names}})}


async def _some(db: Database, kind: Part[Any], where: Doc) -> AsyncIterator[list[Doc]]:
    """Documents, some at a time, in the order of their ids, so that one that is written meanwhile is not seen twice."""
    last = ""
    while rows := await find(db, kind.name, {"$and": [where, {"_id": {"$gt": last}}]}, sort=[("_id", 1)], limit=_SOME):
        yield rows
        last = rows[-1]["_id"]

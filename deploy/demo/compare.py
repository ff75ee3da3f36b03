"""What stands at the end, rule by rule: by the services, and by the plain commands and models on the same books."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

import httpx

from deploy.demo.books import Books
from deploy.demo.files import Files, FinalBooks
from deploy.demo.watch import Tally
from services.alerts.model.cadence.decision import kind_of
from services.alerts.model.cadence.histories import histories
from services.alerts.model.cadence.priors import Dated, untried
from services.alerts.model.cadence.replay import replay
from services.alerts.model.cadence.timeline import dated
from services.alerts.model.rules import purchase_slowdown, receivable_over_limit, receivable_overdue
from services.alerts.settings import AlertsSettings
from services.chassis.auth import Role
from services.chassis.settings import Settings
from services.chassis.tokens import LocalIssuer

RULES: Final = (receivable_overdue.RULE, receivable_over_limit.RULE, purchase_slowdown.RULE)
PAGE: Final = 500
_LINK: Final = re.compile(r"/alerts/([0-9a-f-]{36})")


@dataclass(frozen=True)
class Sides:
    """A rule on both sides: what stands by the services, and what should, each named by what must be the same."""

    rule: str
    standing: frozenset[str]
    expected: frozenset[str]
    raised: int
    some: bool = True  # something should stand, or the comparison says nothing; not so in a part of the base

    @property
    def agrees(self) -> bool:
        """Whether both are the same, and something is."""
        return bool(self.standing or not self.some) and self.standing == self.expected


@dataclass(frozen=True)
class Told:
    """What became of every alert that was raised or came back: `named` are those found in a mail."""

    news: int
    sent: int
    suppressed: dict[str, int]
    bounced: int
    mails: int
    accepted: frozenset[str]
    named: frozenset[str]

    @property
    def agrees(self) -> bool:
        """Each was sent or has a reason, and what was sent is what lies in the mailbox."""
        accounted = self.sent + sum(self.suppressed.values()) == self.news
        return accounted and bool(self.sent) and not self.bounced and self.accepted == self.named


@dataclass(frozen=True)
class Compared:
    """All of it."""

    rules: tuple[Sides, ...]
    told: Told

    @property
    def agrees(self) -> bool:
        """Whether the demo has proven what it says."""
        return self.told.agrees and all(one.agrees for one in self.rules)


def expected(files: Files, books: Books, final: FinalBooks, tally: Tally) -> dict[str, frozenset[str]]:
    """What should stand, by rule."""
    tables = _aged(files, books.last_day)
    disputed = {line.split(",")[0] for line in files.invoices.read_text().splitlines() if line.endswith(",true")}
    late = (row["invoice"] for row in tables["open_items"] if int(row["days_past_due"]) > 0)
    return {
        # A dispute suspends the alert.
        receivable_overdue.RULE: frozenset(late) - disputed,
        receivable_over_limit.RULE: frozenset(_exceeded(tables["exposure"])),
        purchase_slowdown.RULE: slowdowns(final, tally.priors, books.last_day),
    }


def _aged(files: Files, as_of: date) -> dict[str, Any]:
    """The tables of `rapport age`."""
    given = ("--invoices", files.invoices, "--settlements", files.settlements, "--limits", files.limits)
    command = [sys.executable, "-m", "services.cli", "age", *map(str, given), "--as-of", as_of.isoformat(), "--json"]
    tables: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return tables


def _exceeded(rows: Iterable[dict[str, Any]]) -> Iterable[str]:
    """Customers above their limit, and those who have used the share of it from which a notice stands."""
    for row in rows:
        if row["over_limit"]:
            yield f"{row['customer']} warning"
        elif row["utilisation"] is not None and Decimal(row["utilisation"]) >= receivable_over_limit.DEFAULTS.notice:
            yield f"{row['customer']} notice"


def slowdowns(final: FinalBooks, priors: Sequence[Dated], last_day: date) -> frozenset[str]:
    """The alarms that stand by the replay of `rapport backtest cadence` on the same purchases, under the priors that
    the service has fitted in this run. One whose day is the last one would be raised at the midnight that ends it.
    """
    days: dict[str, set[date]] = {}
    for customer, data in final.purchases:
        days.setdefault(customer, set()).add(data.purchased_on)
    base = histories({customer: sorted(own) for customer, own in days.items()})
    first = Dated(valid_from=date.min, priors=untried(AlertsSettings().alerts_cadence_budget))
    found = replay(base, dated([first, *priors]), last_day.toordinal()).alarms
    standing: set[str] = set()
    for at in range(len(found.customer)):
        raised = date.fromordinal(int(found.raised[at]))
        if not found.ended[at] and raised < last_day:
            kind = kind_of(float(found.statistic[at]), float(found.full_bar[at]))
            standing.add(f"{base.names[found.customer[at]]} {raised.isoformat()} {kind}")
    return frozenset(standing)


async def standing(settings: Settings, url: str) -> dict[str, frozenset[str]]:
    """What stands, by rule: page by page from the API, as any client would read it."""
    token = LocalIssuer(settings).issue("demo", [Role.ADMIN])
    found: dict[str, set[str]] = {rule: set() for rule in RULES}
    cursor: str | None = None
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
        while True:
            query = {"state": "standing", "limit": str(PAGE)} | ({"cursor": cursor} if cursor else {})
            page = (await client.get("/alerts", params=query)).raise_for_status().json()
            for item in page["items"]:
                if item["rule"] in found:  # no plain file says who is likely lost
                    found[item["rule"]].add(_named(item))
            cursor = page.get("next")
            if cursor is None:
                return {rule: frozenset(own) for rule, own in found.items()}


def _named(item: dict[str, Any]) -> str:
    if item["rule"] == receivable_overdue.RULE:
        return str(item["invoice"])
    if item["rule"] == receivable_over_limit.RULE:
        return f"{item['customer']} {item['severity']}"
    return f"{item['customer']} {item['opened_on']} {item['kind']}"


async def told(mailbox: str, tally: Tally) -> Told:
    """What the bus says of messages, beside what lies in the mailbox."""
    suppressed: dict[str, int] = {}
    for reason in tally.suppressed.values():
        suppressed[reason] = suppressed.get(reason, 0) + 1
    named: set[str] = set()
    mails = after = 0
    async with httpx.AsyncClient(base_url=mailbox, timeout=30) as client:
        while True:
            page = (await client.get("/api/messages", params={"after": after, "limit": PAGE})).raise_for_status().json()
            paths = [f"/api/messages/{item['id']}" for item in page["items"]]
            for mail in await asyncio.gather(*map(client.get, paths)):
                named.update(_LINK.findall(mail.raise_for_status().json()["text"]))
            mails += len(page["items"])
            if page["next"] == after:
                break
            after = page["next"]
    return Told(
        news=len(tally.news),
        sent=len(tally.sent),
        suppressed=suppressed,
        bounced=len(tally.bounced),
        mails=mails,
        accepted=frozenset(tally.sent.values()),
        named=frozenset(named),
    )

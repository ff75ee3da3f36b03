"""What a cut-over brings: what stood that day and was told to nobody, and what the days after it will tell. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from pydantic import BaseModel, Field

from contracts.money import Money, amount_text
from services.alerts.model.alert import Alert
from services.alerts.money_view import MoneyView

CSV_HEAD: Final = (
    *("part", "day", "rule", "stage", "customer", "customer_name", "owner_id", "about", "currency", "amount"),
    "suppressed",
)
_AMOUNT: Final = ("open", "exposure")  # of an alert's figures, the one that is at stake


class Line(NamedTuple):
    """An alert in the report: one that stood (`stood`), since `day`, or one that is to be told on `day`. `suppressed`:
    nobody was told, because it is history.
    """

    stood: bool
    day: date
    rule: str
    stage: int
    customer: str
    customer_name: str
    owner_id: str
    about: str
    amount: Money | None
    suppressed: bool = False

    @property
    def cells(self) -> list[str | Decimal]:
        """In a table."""
        currency = self.amount.currency if self.amount is not None else ""
        owed: str | Decimal = ""
        if self.amount is not None:
            owed = Decimal(amount_text(self.amount.amount, currency))
        known = (self.rule, str(self.stage), self.customer, self.customer_name, self.owner_id, self.about, currency)
        part = "stands" if self.stood else "coming"
        return [part, self.day.isoformat(), *known, owed, "yes" if self.suppressed else ""]


class Group(BaseModel):
    """Alerts of one rule for one colleague; amounts are never added across currencies."""

    rule: str
    owner_id: str | None = Field(default=None, description="Absent: nobody answers for these customers.")
    alerts: int
    suppressed: int = Field(description="Of which nobody was told: they are history.")
    amounts: list[MoneyView]


class OfDay(BaseModel):
    """How many alerts a day will bring."""

    day: date
    alerts: int


class CutoverView(BaseModel):
    """What stood at the beginning of `day`, and what is told from `since` up to and without `until` if nothing happens:
    nobody pays, buys, is invoiced or gets another limit.
    """

    day: date
    since: date
    until: date
    standing: list[Group]
    coming: list[Group]
    days: list[OfDay]


class Report:
    """Adds up lines, however many they are."""

    def __init__(self, day: date, since: date, days: int) -> None:
        self.day, self.since, self.until = day, since, since + timedelta(days=days)
        self._groups: dict[tuple[bool, str, str], tuple[list[int], dict[str, Decimal]]] = {}
        self._days: dict[date, int] = {}

    def add(self, lines: Iterable[Line]) -> None:
        """Some more lines."""
        for line in lines:
            counts, sums = self._groups.setdefault((line.stood, line.rule, line.owner_id), ([0, 0], {}))
            counts[0] += 1
            counts[1] += line.suppressed
            if line.amount is not None:
                code = line.amount.currency
                sums[code] = sums.get(code, Decimal(0)) + line.amount.amount
            if not line.stood:
                self._days[line.day] = self._days.get(line.day, 0) + 1

    def view(self) -> CutoverView:
        """All of it."""
        return CutoverView(
            day=self.day,
            since=self.since,
            until=self.until,
            standing=self._of(stood=True),
            coming=self._of(stood=False),
            days=[OfDay(day=day, alerts=self._days[day]) for day in sorted(self._days)],
        )

    def _of(self, *, stood: bool) -> list[Group]:
        return [
            Group(
                rule=rule,
                owner_id=owner or None,
                alerts=counts[0],
                suppressed=counts[1],
                amounts=[MoneyView.of(sums[code], code) for code in sorted(sums)],
            )
            for (part, rule, owner), (counts, sums) in sorted(self._groups.items())
            if part is stood
        ]


def at_stake(alert: Alert) -> Money | None:
    """The money an alert is about, as it was when it last changed; None where it is about none."""
    currency = alert.figures.get("currency")
    amount = next((alert.figures[name] for name in _AMOUNT if name in alert.figures), None)
    return Money(Decimal(amount), currency) if amount is not None and currency is not None else None

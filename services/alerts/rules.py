"""What the rules are told beside the facts: the company's zone and the rules' parameters. Levels: default here,
customer in the account.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.alerts.cadence import Cadence
from services.alerts.churn import Churn
from services.alerts.model.account import Account, grace_on
from services.alerts.model.rules.receivable_over_limit import Params as CreditParams
from services.alerts.model.rules.receivable_overdue import Params


@dataclass(frozen=True)
class Rules:
    """Parameters of all rules, and whose midnight ends a day."""

    zone: ZoneInfo
    overdue: Params = field(default_factory=Params)
    credit: CreditParams = field(default_factory=CreditParams)
    cadence: Cadence = field(default_factory=Cadence)
    churn: Churn = field(default_factory=Churn)

    def day(self, moment: datetime) -> date:
        """The company's date at a moment."""
        return moment.astimezone(self.zone).date()

    def midnight(self, day: date) -> datetime:
        """The moment at which a day of the company begins."""
        return _midnight(self.zone, day)

    def overdue_for(self, account: Account | None, day: date) -> Params:
        """Parameters of receivable_overdue for one customer on a day."""
        if account is None or not account.graces:
            return self.overdue
        return Params(grace_days=grace_on(account, day, self.overdue.grace_days), stages=self.overdue.stages)


@lru_cache(maxsize=1024)  # asked for the same few days by every invoice
def _midnight(zone: ZoneInfo, day: date) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)

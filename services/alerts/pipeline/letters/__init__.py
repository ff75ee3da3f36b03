"""What messages say, a rule a file. A new rule brings a module with `read(db, alerts)`, which gives what writes about
each of them, and is named here; its words and templates lie in channels/.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.alerts.model.rules import churn_risk, purchase_slowdown, receivable_over_limit, receivable_overdue
from services.alerts.pipeline.letters import churn, over_limit, overdue, slowdown
from services.alerts.pipeline.letters.parts import Read

LETTERS: Final[Mapping[str, Read]] = {
    receivable_overdue.RULE: overdue.read,
    receivable_over_limit.RULE: over_limit.read,
    purchase_slowdown.RULE: slowdown.read,
    churn_risk.RULE: churn.read,
}

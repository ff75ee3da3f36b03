"""Rule purchase_slowdown (进货频率下降 for dealers, 购买频率下降 for consumers): a customer buys later than his own
rhythm allows (methods.md, Purchase cadence).

An episode is named after the last purchase before it: a gap raises at most one alarm, so that is one name an episode
for ever, and new priors or a late fact that move its day keep its alert. It begins on the deadline, at the midnight
that ends it (who buys on that day is in time), and ends on the day of the purchase that ends it. While the customer is
likely lost (`churn_risk`) it stands one stage higher.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from services.alerts.model.activity.risk import ChurnRisk
from services.alerts.model.cadence.course import Stretch
from services.alerts.model.episode import Episode, cut_over, past_on
from services.alerts.model.rules import churn_risk

RULE: Final = "purchase_slowdown"
CAUSE: Final = "rhythm"  # a customer has one
STAGES: Final = {"slowdown": 1, "stop": 2}
LOST: Final = 3


def episode(subject: str, found: Stretch, lost: ChurnRisk | None = None) -> Episode:
    """What a stretch of the cadence is to alerts; `lost`: by now the customer is likely lost, which counts while it
    stands.
    """
    one = found.episode
    ended = one.ended_on
    lost = lost if ended is None else None
    stages = (
        (one.raised_on, STAGES[one.kind]),
        *(((max(one.raised_on, lost.since), LOST),) if lost is not None else ()),
    )
    return Episode(
        rule=RULE,
        subject=subject,
        cause=CAUSE,
        opening_fact=opening_fact(one.last_purchase),
        account=found.opened[-1].account if found.opened else "",
        opened_on=one.raised_on,
        opened_by=tuple(bought.key.ref for bought in found.opened),
        stages=stages,
        past=past_on(one.raised_on, stages, cut_over(bought.key for bought in found.opened)),
        closed_on=ended,
        outcome=one.outcome if ended is not None else None,
        because=tuple(bought.key.ref for bought in found.ended),
        figures={
            "kind": one.kind,
            "last_purchase": one.last_purchase.isoformat(),
            "usual_gap": f"{one.mean_gap:.1f}",
            "expected_by": (one.last_purchase + timedelta(days=round(one.mean_gap))).isoformat(),
            "silent_days": str((one.raised_on - one.last_purchase).days),
            "p": f"{one.p:.2g}",
            "bought_since": str(found.since),
            **(churn_risk.figures(lost) if lost is not None else {}),
        },
    )


def opening_fact(last_purchase: date) -> str:
    """What names the alarm in the gap after a purchase."""
    return last_purchase.isoformat()

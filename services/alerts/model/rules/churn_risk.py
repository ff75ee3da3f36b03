"""Rule churn_risk (客户流失预警): a customer has been silent so long that he will probably buy no more (methods.md,
Activity).

One silence, one alert. Who has bought often enough to have a rhythm is judged by that: `purchase_slowdown` comes first,
keeps its budget of unfounded alarms, and when the customer becomes likely lost while it stands, that is a step up of
the same alert. An alert of this rule is about whoever bought too seldom to have a rhythm.

It is named after the last purchase before the silence, begins on the day from whose end he is likely lost (who buys on
that day is in time), and ends with the next purchase.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.alerts.model.activity.risk import ChurnRisk
from services.alerts.model.cadence.rhythm import JUDGED_GAPS
from services.alerts.model.episode import Episode, cut_over, past_on
from services.alerts.model.purchase import Bought

RULE: Final = "churn_risk"
CAUSE: Final = "activity"  # a customer has one
STAGE: Final = 2
BOUGHT_AGAIN: Final = "bought_again"
RHYTHM_DAYS: Final = JUDGED_GAPS + 1  # who bought on so many days has a rhythm


def episode(subject: str, risk: ChurnRisk, opened: Sequence[Bought], ended: Bought | None) -> Episode:
    """What a silence after the purchases `opened` (in order, one a day) is to alerts; `ended` is the next one."""
    last, stages = opened[-1].on, ((risk.since, STAGE),)
    return Episode(
        rule=RULE,
        subject=subject,
        cause=CAUSE,
        opening_fact=last.isoformat(),
        account=opened[-1].account,
        opened_on=risk.since,
        opened_by=tuple(bought.key.ref for bought in opened),
        stages=stages,
        past=past_on(risk.since, stages, cut_over(bought.key for bought in opened)),
        closed_on=ended.on if ended is not None else None,
        outcome=BOUGHT_AGAIN if ended is not None else None,
        because=(ended.key.ref,) if ended is not None else (),
        figures={
            "last_purchase": last.isoformat(),
            "silent_days": str((risk.since - last).days),
            "purchases": str(len(opened)),
            **figures(risk),
        },
    )


def figures(risk: ChurnRisk) -> dict[str, str]:
    """What is said of the risk on the day on which it began, also as a step of another alert."""
    return {
        "lost_since": risk.since.isoformat(),
        "p_none": f"{risk.p_none:.3f}",
        "expected": f"{risk.expected:.2f}",
        "horizon_days": str(risk.horizon_days),
    }

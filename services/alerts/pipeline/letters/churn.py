"""What a message about a likely loss says: of churn_risk, or of a purchase_slowdown that has stepped up."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import partial

from services.alerts.channels.render_churn import ChurnMail, brief_churn, pictures, render_churn
from services.alerts.model.account import Account
from services.alerts.model.alert import Alert
from services.alerts.model.rules import churn_risk
from services.alerts.model.signals import Trade, of_churn, signals
from services.alerts.model.staff import Colleague
from services.alerts.pipeline.letters.parts import Content, Withheld, Write, heading, named, rows_behind
from services.alerts.reads_signals import trade_of
from services.alerts.settings import AlertsSettings
from services.chassis.mongo import Database, Doc


async def read(db: Database, alerts: Sequence[Alert]) -> Write:
    """What the messages about these alerts are made from: what the customers have done, and the events that opened the
    alerts.
    """
    trade, events = await asyncio.gather(
        trade_of(db, [alert for alert in alerts if of_churn(alert)]), rows_behind(db, alerts)
    )

    def write(alert: Alert, account: Account, colleague: Colleague, settings: AlertsSettings) -> Content:
        if not of_churn(alert):
            raise Withheld("already_over")
        done = trade.get(alert.subject)
        if done is None:
            raise Withheld("erased")
        said = letter(alert, done, account, colleague, settings, events)
        return Content.of(said, partial(brief_churn, said), partial(render_churn, said), partial(pictures, said))

    return write


def letter(
    alert: Alert,
    done: Trade,
    account: Account,
    colleague: Colleague,
    settings: AlertsSettings,
    rows: Mapping[str, Doc] | None = None,
) -> ChurnMail:
    """What the mail says of an alert about a likely loss."""
    figures, churn = alert.figures, settings.rules.churn
    lost_since = date.fromisoformat(figures["lost_since"])
    days = tuple(one.on for one in done.course.recent if one.on <= lost_since)
    last = days[-1] if days else date.fromisoformat(figures["last_purchase"])
    return ChurnMail(
        **heading(alert, account, colleague, settings),
        role=account.role,
        last_purchase=last,
        lost_since=lost_since,
        p_none=Decimal(figures["p_none"]),
        expected=figures["expected"],
        horizon_days=int(figures["horizon_days"]),
        threshold=Decimal(str(churn.threshold)),
        least_purchases=churn.least_purchases,
        signals=tuple(signals(alert, done)),
        days=days or (last,),
        events=tuple(named(alert.opened_by, rows or {})),
        step=alert.rule != churn_risk.RULE,
    )

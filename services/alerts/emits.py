"""What the model says, in the words of the contracts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import cast

from contracts.events.alerts import (
    AlertRaised,
    AlertReopened,
    AlertResolved,
    AlertUpdated,
    NotificationAccepted,
    NotificationBounced,
    NotificationSuppressed,
    Severity,
)
from contracts.money import Money
from contracts.payload import Payload
from services.alerts.model.alert import Alert, ChangeKind
from services.alerts.model.notification import Notification

FACTS_MOST = 50
MONEY = ("open", "total", "exposure", "limit", "orders")  # figures that are amounts in the alert's currency


def alert_fact(alert: Alert, kind: ChangeKind, now: datetime, owner_id: str) -> Payload | None:
    """The event that says what became of an alert; None for one that is only recorded."""
    severity = cast("Severity", alert.severity)
    because = list(alert.because[:FACTS_MOST]) or None
    if kind == "raised":
        return AlertRaised(
            alert_id=alert.alert_id,
            rule=alert.rule,
            cause=alert.cause,
            severity=severity,
            raised_at=now,
            since=alert.opened_on,
            amounts=amounts(alert),
            figures=figures(alert),
            because=list(alert.opened_by[:FACTS_MOST]) or None,
            owner_id=owner_id or None,
            company=alert.figures.get("company"),
        )
    if kind == "updated":
        return AlertUpdated(
            alert_id=alert.alert_id,
            severity=severity,
            updated_at=now,
            amounts=amounts(alert),
            figures=figures(alert),
            because=because,
        )
    if kind in ("resolved", "withdrawn"):
        return AlertResolved(
            alert_id=alert.alert_id,
            resolved_at=now,
            outcome=alert.outcome or kind,
            withdrawn=kind == "withdrawn",
            because=because,
        )
    if kind == "reopened":
        return AlertReopened(alert_id=alert.alert_id, reopened_at=now, severity=severity, because=because)
    return None


def amounts(alert: Alert) -> dict[str, Money] | None:
    """The alert's amounts of money, by name."""
    currency = alert.figures.get("currency")
    if currency is None:
        return None
    return {name: Money(Decimal(alert.figures[name]), currency) for name in MONEY if name in alert.figures}


def figures(alert: Alert) -> dict[str, str | int | float | bool]:
    """The alert's other figures, by name; counts as numbers."""
    named = {name: text for name, text in alert.figures.items() if name not in (*MONEY, "currency")}
    return {name: int(text) if name == "days_past_due" else text for name, text in named.items()}


def notification_fact(key: str, notification: Notification, at: datetime) -> Payload | None:
    """The event that says what became of a message; None while nothing has."""
    if notification.state == "accepted":
        return NotificationAccepted(
            notification_id=key,
            alert_id=notification.alert_id,
            channel=notification.channel,
            recipient=notification.recipient,
            at=at,
            attempt=len(notification.attempts),
            in_doubt_before=notification.doubts > 0,
        )
    if notification.state == "bounced":
        return NotificationBounced(
            notification_id=key,
            alert_id=notification.alert_id,
            channel=notification.channel,
            recipient=notification.recipient,
            at=at,
            reason=notification.why,
        )
    if notification.state == "suppressed":
        return NotificationSuppressed(
            notification_id=key,
            alert_id=notification.alert_id,
            channel=notification.channel,
            recipient=notification.recipient or "nobody",
            at=at,
            reason=notification.why,
        )
    return None

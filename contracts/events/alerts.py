"""Topic rapport.alerts: the life of alerts and of the messages about them. The subject is the alert's customer.

Ids and figures only: names, addresses and free text stay in the alerts service.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from contracts.money import Money
from contracts.payload import (
    Code,
    Currency,
    DoneOn,
    DueOn,
    EventId,
    Figures,
    Id,
    Moment,
    Number,
    Part,
    Payload,
    above_zero,
)

# Open sets: a reader that meets a rule, outcome or reason it does not know shows its name.
RuleName = Annotated[Code, Meta(description="receivable_overdue and the other alerts of the domain")]
Outcome = Annotated[
    Code,
    Meta(
        description="paid, credited, written_off, corrected, cancelled, disputed, within_limit, by_person, erased ..."
    ),
]
SuppressedReason = Annotated[
    Code, Meta(description="muted, snoozed, already_over, no_address, no_owner, repeated, refold, erased, history ...")
]
Severity = Literal["notice", "warning", "serious", "critical"]
AlertChannel = Literal["mail", "chat", "sms", "webhook"]
EventIds = Annotated[list[EventId], Meta(max_length=200)]


class AlertFact(Payload, frozen=True, kw_only=True):
    """Every fact of an alert names it."""

    alert_id: Id


class AlertRaised(AlertFact, frozen=True, kw_only=True):
    """A cause came into being. `cause` names it within the customer, such as the invoice; `because` are event ids."""

    TYPE: ClassVar[str] = "rapport.alert.raised.v1"
    rule: RuleName
    cause: Id
    severity: Severity
    raised_at: Moment
    since: DoneOn | None = None
    amounts: dict[str, Money] | None = None
    figures: Figures | None = None
    because: EventIds | None = None
    owner_id: Id | None = None
    company: Id | None = None


class AlertUpdated(AlertFact, frozen=True, kw_only=True):
    """The same cause, with new figures or another severity."""

    TYPE: ClassVar[str] = "rapport.alert.updated.v1"
    severity: Severity
    updated_at: Moment
    amounts: dict[str, Money] | None = None
    figures: Figures | None = None
    because: EventIds | None = None


class AlertAssigned(AlertFact, frozen=True, kw_only=True):
    """Somebody else works the alert."""

    TYPE: ClassVar[str] = "rapport.alert.assigned.v1"
    owner_id: Id
    assigned_at: Moment
    by: Id | None = None


class AlertAcknowledged(AlertFact, frozen=True, kw_only=True):
    """Somebody has seen it and takes it on."""

    TYPE: ClassVar[str] = "rapport.alert.acknowledged.v1"
    by: Id
    acknowledged_at: Moment


class AlertCommented(AlertFact, frozen=True, kw_only=True):
    """A comment was written; its text stays in the service under `comment_id`."""

    TYPE: ClassVar[str] = "rapport.alert.commented.v1"
    by: Id
    commented_at: Moment
    comment_id: Id


class AlertWorked(AlertFact, frozen=True, kw_only=True):
    """What was found and done: the cause, the measure, the customer's promise, the amount recovered."""

    TYPE: ClassVar[str] = "rapport.alert.worked.v1"
    by: Id
    worked_at: Moment
    cause: Code | None = None
    measure: Code | None = None
    promised: Money | None = None
    promised_by: DueOn | None = None
    recovered: Money | None = None

    def check(self) -> None:
        if self.promised is not None:
            above_zero(self.promised, "$.promised")


class AlertSnoozed(AlertFact, frozen=True, kw_only=True):
    """Nobody is reminded until then."""

    TYPE: ClassVar[str] = "rapport.alert.snoozed.v1"
    by: Id
    snoozed_at: Moment
    until: Moment


class AlertEscalated(AlertFact, frozen=True, kw_only=True):
    """Nobody acknowledged in time: the next in line is told."""

    TYPE: ClassVar[str] = "rapport.alert.escalated.v1"
    escalated_at: Moment
    to_id: Id
    level: Annotated[int, Meta(ge=1, le=20)]
    from_id: Id | None = None


class AlertResolved(AlertFact, frozen=True, kw_only=True):
    """The cause is gone, or a person says so; `withdrawn` when later facts (in `because`) show that it never was."""

    TYPE: ClassVar[str] = "rapport.alert.resolved.v1"
    resolved_at: Moment
    outcome: Outcome
    withdrawn: bool = False
    because: EventIds | None = None
    by: Id | None = None
    amounts: dict[str, Money] | None = None
    lost_reason: Literal["defect", "price", "nothing_special", "changed_habits", "other"] | None = None


class AlertReopened(AlertFact, frozen=True, kw_only=True):
    """The cause is back, or was never gone."""

    TYPE: ClassVar[str] = "rapport.alert.reopened.v1"
    reopened_at: Moment
    severity: Severity
    because: EventIds | None = None
    by: Id | None = None


class OrderApproved(Payload, frozen=True, kw_only=True):
    """An order above the credit limit may go out all the same."""

    TYPE: ClassVar[str] = "rapport.order.approved.v1"
    order_id: Id
    by: Id
    approved_at: Moment
    total: Money | None = None
    company: Id | None = None
    reservation_id: Id | None = None


class PriorFitted(Payload, frozen=True, kw_only=True):
    """A prior, fitted on days up to `fitted_to` and in force from `valid_from`. The subject is its scope."""

    TYPE: ClassVar[str] = "rapport.prior.fitted.v1"
    model: Code
    fitted_to: DoneOn
    valid_from: DueOn
    parameters: dict[str, Number]
    n: Annotated[int, Meta(ge=0)]


class RateHeld(Part, frozen=True, kw_only=True):
    """A rate as it was published, and the event (`source` and `id`) that said it at `published_at`."""

    currency: Currency
    base: Currency
    rate: Number
    on: DueOn
    published_at: Moment
    source: EventId
    id: EventId


class RateApplied(Payload, frozen=True, kw_only=True):
    """By these published rates the subject's money of other currencies is held against his credit limit from now on."""

    TYPE: ClassVar[str] = "rapport.rate.applied.v1"
    rates: Annotated[list[RateHeld], Meta(min_length=1, max_length=1000)]


class NotificationFact(Payload, frozen=True, kw_only=True):
    """A message about one or more alerts to one person through one channel."""

    notification_id: Id
    alert_id: Id
    channel: AlertChannel
    recipient: Id
    at: Moment


class NotificationAccepted(NotificationFact, frozen=True, kw_only=True):
    """The next system took the message (the mail server answered 250)."""

    TYPE: ClassVar[str] = "rapport.notification.accepted.v1"
    attempt: Annotated[int, Meta(ge=1)] | None = None
    in_doubt_before: bool = False


class NotificationBounced(NotificationFact, frozen=True, kw_only=True):
    """The message cannot arrive, and trying again does not help."""

    TYPE: ClassVar[str] = "rapport.notification.bounced.v1"
    reason: Code
    status: Annotated[str, Meta(max_length=40)] | None = None


class NotificationSuppressed(NotificationFact, frozen=True, kw_only=True):
    """No message was sent, and why."""

    TYPE: ClassVar[str] = "rapport.notification.suppressed.v1"
    reason: SuppressedReason

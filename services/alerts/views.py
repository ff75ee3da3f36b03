"""What the HTTP API takes and gives. Money is a text with its currency, never a JSON number; days are the company's."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.alerts.decided import BY_PERSON
from services.alerts.model.decisions import MOST_TEXT
from services.alerts.money_view import MoneyView
from services.alerts.views_rates import ConvertedView
from services.alerts.views_signals import SignalView

Severity = Literal["notice", "warning", "serious", "critical"]
ShownState = Literal["raised", "notified", "acknowledged", "snoozed", "resolved"]
Note = Annotated[str | None, Field(description="Your words; they stay in this service.", max_length=MOST_TEXT)]
Word = Annotated[str, Field(description="A code of your own choice.", max_length=64, pattern=r"^[A-Za-z0-9][\w./-]*$")]


# What people send.


class Sent(BaseModel):
    """A misspelt field is refused, not passed over."""

    model_config = ConfigDict(extra="forbid")


class Acknowledgement(Sent):
    """I have seen it and it is mine to handle."""

    note: Note = None


class Assignment(Sent):
    """It is for a colleague to handle."""

    to: Annotated[str, Field(description="His staff id.", min_length=1, max_length=128, examples=["staff/E017"])]
    note: Note = None


class CommentText(Sent):
    """Something to remember about it."""

    text: Annotated[str, Field(min_length=1, max_length=MOST_TEXT)]


class PromiseView(Sent):
    """The customer has promised to pay so much by a day."""

    amount: MoneyView
    by: date


class WorkDone(Sent):
    """What came of working it: what is given replaces what was held."""

    cause: Annotated[Word | None, Field(examples=["cash_flow"])] = None
    measure: Annotated[Word | None, Field(examples=["visit"])] = None
    promise: PromiseView | None = None
    recovered: MoneyView | None = None
    note: Note = None


class SnoozeUntil(Sent):
    """Leave me alone with it until then."""

    until: AwareDatetime
    note: Note = None


class Resolution(Sent):
    """It is settled in my judgement."""

    outcome: Word = BY_PERSON
    note: Note = None


# What people get.


class AlertCard(BaseModel):
    """An alert in a list. Amounts are what they were when it last changed; `days_past_due` is today's. `utilisation`:
    exposure / limit, absent under a limit of zero. `kind`: whether purchases stopped or slowed down.
    """

    id: str
    rule: str
    state: ShownState
    severity: Severity
    stage: int
    customer: str
    customer_name: str | None = None
    company: str | None = None
    invoice: str | None = None
    owner_id: str | None = None
    opened_on: date
    raised_at: datetime
    total: MoneyView | None = None
    open: MoneyView | None = None
    due_on: date | None = None
    days_past_due: int | None = None
    limit: MoneyView | None = None
    exposure: MoneyView | None = None
    utilisation: str | None = None
    kind: Literal["stop", "slowdown"] | None = None
    closed_on: date | None = None
    outcome: str | None = None
    resolved_by: str | None = None
    assigned_to: str | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    snoozed_until: datetime | None = None
    out_of_balance: bool = Field(
        default=False, description="The books state another balance of this customer: see /reconciliation."
    )


class WorkedView(BaseModel):
    """How it has been handled so far."""

    cause: str | None = None
    measure: str | None = None
    promise: PromiseView | None = None
    recovered: MoneyView | None = None


class EventView(BaseModel):
    """An event behind the alert. `role`: it opened it, ended it, or its figures rest on it. Without `type`: not known
    here any more.
    """

    id: str
    source: str
    role: Literal["opened", "ended", "figures"]
    type: str | None = None
    time: datetime | None = None


class RuleView(BaseModel):
    """The rule and what it was told for this customer; `stages` are days past due at which the next one begins."""

    name: str
    grace_days: int | None = None
    stages: list[int] = []
    notice: str | None = Field(default=None, description="The share of the limit from which on a notice stands.")
    orders_count: bool | None = Field(default=None, description="Whether open orders count against the limit.")
    budget: float | None = Field(default=None, description="Unfounded alarms a customer-year that are put up with.")
    probability: str | None = Field(default=None, description="From which chance of no purchase on he is likely lost.")
    horizon_days: int | None = Field(default=None, description="The days ahead for which that is asked.")
    purchases: int | None = Field(default=None, description="On how many days he must have bought.")
    level: Literal["default", "group", "customer"]


class RhythmFigures(BaseModel):
    """The rhythm on the day of alarm; days. `p`: how often by chance he would be silent for so long. `bought_since`:
    purchase days after it, up to its end.
    """

    kind: Literal["stop", "slowdown"]
    last_purchase: date
    usual_gap: str
    expected_by: date
    silent_days: int
    p: str
    bought_since: int


class ActivityFigures(BaseModel):
    """On the day from whose end he is likely lost: the chance of no purchase in the `horizon_days` after it, and how
    many are expected then.
    """

    last_purchase: date | None = None
    lost_since: date
    p_none: str
    expected: str
    horizon_days: int


class FiguresView(BaseModel):
    """The numbers at the end of `as_of`: the day it ended, or today while it stands."""

    as_of: date
    total: MoneyView | None = None
    paid: MoneyView | None = None
    open: MoneyView | None = None
    due_on: date | None = None
    days_past_due: int | None = None
    bucket: str | None = None
    limit: MoneyView | None = None
    exposure: MoneyView | None = None
    utilisation: str | None = None
    orders: MoneyView | None = None
    converted: list[ConvertedView] | None = None
    not_counted: list[MoneyView] | None = None
    rhythm: RhythmFigures | None = None
    activity: ActivityFigures | None = None


class EntryView(BaseModel):
    """What a payment, credit note or write-off did to the invoice; below zero where it was taken back.

    `rate`: units of the invoice's currency for one of the amount's. Not `usable`: in another currency, and no rate.
    """

    document: str
    kind: str
    on: date
    amount: MoneyView
    rate: str | None = None
    usable: bool
    event: str


class InvoiceView(BaseModel):
    """The invoice as it is known now, with all that was settled on it."""

    invoice: str
    company: str | None = None
    issued_on: date | None = None
    due_on: date | None = None
    total: MoneyView | None = None
    corrected: bool = False
    cancelled_on: date | None = None
    disputed: bool = False
    settled: list[EntryView]


class OpenItemView(BaseModel):
    """An invoice with something open; `days_past_due` is below zero before the due date."""

    invoice: str
    company: str | None = None
    issued_on: date
    due_on: date
    total: MoneyView
    open: MoneyView
    days_past_due: int
    bucket: str
    disputed: bool


class LimitInForce(BaseModel):
    """The credit limit an alert is about, as it is today. Without `limit`: not checked."""

    company: str | None = None
    limit: MoneyView | None = None
    valid_from: date
    event: str


class Sentences(BaseModel):
    """Why it was raised, or ended, and what to do, in the language of the answer."""

    language: Literal["zh-CN", "en"]
    why: list[str]
    todo: list[str]


class Why(BaseModel):
    """Why there is this alert: in words, in numbers, the rule, the events, and what it is about: the invoice, or the
    limit and the invoices with the most open.
    """

    sentences: Sentences
    figures: FiguresView
    rule: RuleView
    invoice: InvoiceView | None = None
    limit: LimitInForce | None = None
    largest: list[OpenItemView] | None = None
    signals: list[SignalView] | None = None
    events: list[EventView]


class TimelineView(BaseModel):
    """Something in the alert's life; without `by` it came by itself. `facts` are events."""

    at: datetime
    what: str
    by: str | None = None
    detail: str | None = None
    text: str | None = None
    facts: list[str]


class AttemptView(BaseModel):
    """One try to deliver. `open`: no answer is known yet. `in_doubt`: none ever came, so it may have arrived twice."""

    at: datetime
    answer: str | None = None
    open: bool
    in_doubt: bool


class NotificationView(BaseModel):
    """A message about the alert to one person."""

    id: str
    channel: str
    recipient: str | None = None
    reason: str
    state: str
    why: str | None = None
    created_at: datetime
    accepted_at: datetime | None = None
    in_doubt: int
    attempts: list[AttemptView]


class AlertView(AlertCard):
    """An alert with why, and all that was done about it."""

    because: list[str]
    worked: WorkedView
    why: Why
    timeline: list[TimelineView]
    notifications: list[NotificationView]

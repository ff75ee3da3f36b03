"""What the HTTP API takes and gives. Money is a text with its currency, never a JSON number; days are the company's."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from contracts.money import AMOUNT_PATTERN, CURRENCY_PATTERN, Money
from contracts.refusal import Refused
from services.alerts.decided import BY_PERSON
from services.alerts.model.decisions import MOST_TEXT

Severity = Literal["notice", "warning", "serious", "critical"]
ShownState = Literal["raised", "notified", "acknowledged", "snoozed", "resolved"]
Note = Annotated[str | None, Field(description="Your words; they stay in this service.", max_length=MOST_TEXT)]
Word = Annotated[str, Field(description="A code of your own choice.", max_length=64, pattern=r"^[A-Za-z0-9][\w./-]*$")]


class MoneyView(BaseModel):
    """An exact amount."""

    amount: Annotated[str, Field(pattern=AMOUNT_PATTERN, examples=["12.50"])]
    currency: Annotated[str, Field(pattern=CURRENCY_PATTERN, examples=["CNY"])]

    @model_validator(mode="after")
    def _is_money(self) -> MoneyView:
        try:
            self.money()
        except Refused as refused:
            raise ValueError(refused.message) from refused
        return self

    def money(self) -> Money:
        """As the code has it. Raises Refused `bad_money`."""
        return Money.from_wire({"amount": self.amount, "currency": self.currency})

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> MoneyView:
        """As it is shown, with all decimals of its currency."""
        return cls(**Money(amount, currency).to_wire())


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
    """An alert in a list. `open`, `total` are what they were when it last changed; `days_past_due` is today's."""

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
    closed_on: date | None = None
    outcome: str | None = None
    resolved_by: str | None = None
    assigned_to: str | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    snoozed_until: datetime | None = None


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
    grace_days: int
    stages: list[int]
    level: Literal["default", "group", "customer"]


class FiguresView(BaseModel):
    """The numbers at the end of `as_of`: the day it ended, or today while it stands."""

    as_of: date
    total: MoneyView | None = None
    paid: MoneyView | None = None
    open: MoneyView | None = None
    due_on: date | None = None
    days_past_due: int | None = None
    bucket: str | None = None


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


class Sentences(BaseModel):
    """Why it was raised, or ended, and what to do, in the language of the answer."""

    language: Literal["zh-CN", "en"]
    why: list[str]
    todo: list[str]


class Why(BaseModel):
    """Why there is this alert: in words, in numbers, the rule, the invoice and the events."""

    sentences: Sentences
    figures: FiguresView
    rule: RuleView
    invoice: InvoiceView | None = None
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

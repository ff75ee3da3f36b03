"""A customer with credit limits: facts are told day by day, and what becomes of the alert is asked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from contracts.envelope import Event
from contracts.events import sales, trade
from contracts.events.lifecycle import LimitChanged, OwnerChanged
from contracts.events.settings import RatePublished
from contracts.money import Amount, Money
from contracts.payload import Payload
from services.alerts.folds.rates import COMPANY
from services.alerts.handlers import alerts_service
from services.alerts.model.abroad import to_bring
from services.alerts.model.account import Account
from services.alerts.model.alert import Alert
from services.alerts.model.quotes import current
from services.alerts.model.rules.receivable_over_limit import RULE, Params
from services.alerts.rating import brought
from services.alerts.rules import Rules
from services.alerts.store import ACCOUNTS, ALERTS, NOTIFICATIONS, RATES, KnownRates
from tests.desk import TestDesk

CUSTOMER = "C-1"
SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = date(2026, 3, 10)


class Credit:
    """The customer, his books, and his day: noon of the company's zone."""

    def __init__(self, *, zone: ZoneInfo = SHANGHAI, orders: bool = False) -> None:
        self.rules = Rules(zone, credit=Params(orders=orders))
        self.desk = TestDesk(alerts_service(self.rules), self.noon(0))
        self.count = 0
        self.tell(OwnerChanged(owner_id="staff/1", valid_from=DAY - timedelta(days=30)))

    def noon(self, after: int) -> datetime:
        """Noon, so many days after the first."""
        moment = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=self.rules.zone) + timedelta(days=after)
        return moment.astimezone(UTC)

    def day(self, after: int) -> date:
        """The day so many days after the first."""
        return DAY + timedelta(days=after)

    def tell(self, payload: Payload, *, look: bool = True) -> str:
        """A fact comes; the clock looks, if it may. Returns the fact's ref."""
        self.count += 1
        name = f"e{self.count}"
        self.desk.take(
            Event(id=name, source="erp", type=payload.TYPE, subject=CUSTOMER, time=self.desk.now, data=payload)
        )
        if look:
            self.desk.advance(self.desk.now + timedelta(seconds=1))
        return f"erp:{name}"

    def wait(self, after: int) -> None:
        """Until noon of a day."""
        self.desk.advance(self.noon(after))

    def wait_a_second(self) -> None:
        """So that what is said next is said later."""
        self.desk.advance(self.desk.now + timedelta(seconds=1))

    def limit(self, amount: str | None, *, on: int = 0, currency: str = "CNY", company: str | None = None) -> str:
        """A limit from a day on; None: not checked."""
        money = None if amount is None else Money.of(amount, currency)
        return self.tell(LimitChanged(limit=money, valid_from=self.day(on), company=company))

    def invoice(self, number: str, total: str, *, on: int = 0, look: bool = True, **more: Any) -> str:
        """An invoice, not due for a long time."""
        currency = more.pop("currency", "CNY")
        issued = trade.InvoiceIssued(
            invoice_id=number,
            issued_on=self.day(on),
            due_on=self.day(on + 300),
            total=Money.of(total, currency),
            **more,
        )
        return self.tell(issued, look=look)

    def pay(self, document: str, total: str, number: str | None = None, *, on: int = 0, look: bool = True) -> str:
        """A payment, used for an invoice or left on account."""
        used = [trade.AppliedTo(invoice_id=number, amount=Amount(Decimal(total)))] if number else None
        paid = trade.PaymentReceived(
            document_id=document, dated_on=self.day(on), total=Money.of(total, "CNY"), applied_to=used
        )
        return self.tell(paid, look=look)

    def order(self, number: str, total: str, currency: str = "CNY") -> str:
        """An order of today."""
        return self.tell(sales.OrderPlaced(order_id=number, ordered_on=DAY, total=Money.of(total, currency)))

    def rate(self, currency: str, rate: str, *, on: int = 0, base: str = "CNY", bring: bool = True) -> str:
        """A rate is published for a day, and brought to whoever wants it. Returns its ref."""
        self.count += 1
        data = RatePublished(currency=currency, base=base, rate=Decimal(rate), on=self.day(on))
        name, now = f"r{self.count}", self.desk.now
        self.desk.take(Event(id=name, source="erp", type=data.TYPE, subject=COMPANY, time=now, data=data))
        if bring:
            self.bring()
        return f"erp:{name}"

    def bring(self) -> bool:
        """What the worker of rating.py does: bring the customer the rates he wants. Returns whether there was any."""
        table = current((self.desk.value(RATES, COMPANY) or KnownRates()).quotes, self.rules.day(self.desk.now))
        new = to_bring(self.account, table)
        if new:
            self.desk.take(brought(CUSTOMER, new, self.desk.now))
            self.desk.advance(self.desk.now + timedelta(seconds=1))
        return bool(new)

    @property
    def account(self) -> Account:
        """His account."""
        return self.desk.value(ACCOUNTS, CUSTOMER) or Account()

    @property
    def alerts(self) -> list[Alert]:
        """The alerts of this rule, the oldest first."""
        found = [one.alert for one in self.desk.every(ALERTS, CUSTOMER).values() if one.alert.rule == RULE]
        return sorted(found, key=lambda one: (one.raised_at, one.alert_id))

    @property
    def only(self) -> Alert:
        """The one alert there is."""
        (alert,) = self.alerts
        return alert

    @property
    def state(self) -> str:
        """The last alert in two words: `none`, `1 notice`, `2 warning`, or how it ended."""
        if not self.alerts:
            return "none"
        last = self.alerts[-1]
        return str(last.outcome) if last.state == "resolved" else f"{last.stage} {last.severity}"

    @property
    def reasons(self) -> list[str]:
        """Why there were messages, in their order."""
        found = self.desk.every(NOTIFICATIONS, CUSTOMER).values()
        return [one.reason for one in sorted(found, key=lambda one: one.created_at)]

    @property
    def messages(self) -> int:
        """How many messages there are."""
        return len(self.desk.every(NOTIFICATIONS, CUSTOMER))

"""The hand that writes a made customer's documents: every event it makes says by its source that it is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Final

from contracts.envelope import Event
from contracts.events import trade
from contracts.money import Amount, Money
from contracts.payload import Payload
from tests.faults.size import OPEN_MS, Size, moment, on

BOOKS: Final = "made/erp"
PROFILES: Final = "made/profiles"
HR: Final = "made/hr"


@dataclass(frozen=True, slots=True)
class Made:
    """An event, and the simulated day on which it is delivered: its own, or a later one for what comes late."""

    day: int
    event: Event


@dataclass(slots=True)
class Hand:
    """Writes what happens to one customer. Random numbers are his own, so that he is the same in every subset."""

    size: Size
    subject: str
    company: str | None = None
    draw: Random = field(default_factory=Random)
    made: list[Made] = field(default_factory=list)
    documents: int = 0

    @classmethod
    def of(cls, size: Size, number: str) -> Hand:
        """The hand for one customer of a seed."""
        draw = Random(f"{size.seed}/{number}")
        return cls(size, f"made-{size.seed}-{number}", "east" if draw.random() < 0.2 else None, draw)

    def say(self, day: int, data: Payload, *, source: str = BOOKS, late: int = 0, at: int | None = None) -> Event:
        """Something happens on a day, at a moment of it (`at`, ms) or at any; it is told `late` days after."""
        event = Event(
            id=f"{self.subject}/{len(self.made)}",
            source=source,
            type=data.TYPE,
            subject=self.subject,
            time=moment(day, self.draw.randrange(OPEN_MS) if at is None else at),
            data=data,
        )
        if day + late <= self.size.last:
            self.made.append(Made(day + late, event))
        return event

    def number(self, kind: str) -> str:
        """The next document's number."""
        self.documents += 1
        return f"{kind}-{self.documents}"

    def amount(self) -> Decimal:
        """A sum with cents."""
        return Decimal(self.draw.randrange(500, 200_000)).scaleb(-2)

    def invoice(self, day: int, due: int, total: Decimal, currency: str = "CNY", *, late: int = 0) -> str:
        """An invoice issued on one day and due on another; returns its number."""
        number = self.number("I")
        self.say(day, self.invoice_data(number, day, due, total, currency), late=late)
        return number

    def invoice_data(
        self, number: str, day: int, due: int, total: Decimal, currency: str = "CNY"
    ) -> trade.InvoiceIssued:
        """What an invoice says."""
        return trade.InvoiceIssued(
            company=self.company,
            invoice_id=number,
            issued_on=on(day),
            due_on=on(due),
            total=Money(total, currency),
        )

    def corrected(self, day: int, number: str, issued: int, due: int, total: Decimal) -> None:
        """The invoice as it should have been."""
        data = trade.InvoiceCorrected(
            company=self.company, invoice_id=number, issued_on=on(issued), due_on=on(due), total=Money(total, "CNY")
        )
        self.say(day, data)

    def settle(
        self,
        day: int,
        total: Decimal,
        parts: dict[str, Decimal] | None,
        *,
        kind: type[trade.Settlement] = trade.PaymentReceived,
        rate: Decimal | None = None,
        late: int = 0,
    ) -> str:
        """A payment, credit note or write-off; `parts` None leaves it on account. Returns its number."""
        number = self.number("D")
        applied = None if parts is None else applied_to(parts, rate)
        data = kind(
            company=self.company,
            document_id=number,
            dated_on=on(day),
            total=Money(total, "CNY"),
            applied_to=applied,
        )
        self.say(day, data, late=late)
        return number

    def applied(self, day: int, document: str, parts: dict[str, Decimal], *, dated: bool = True) -> None:
        """What lay on account is used."""
        data = trade.PaymentApplied(
            company=self.company,
            document_id=document,
            applied_to=applied_to(parts),
            applied_on=on(day) if dated else None,
        )
        self.say(day, data)

    def reversed(self, day: int, document: str, amount: Decimal | None = None) -> None:
        """A payment bounces."""
        data = trade.PaymentReversed(
            company=self.company,
            document_id=document,
            dated_on=on(day),
            amount=None if amount is None else Amount(amount),
        )
        self.say(day, data)

    def disputed(self, day: int, invoice: str, disputed: bool) -> None:
        """A dispute begins or ends."""
        self.say(
            day,
            trade.InvoiceDisputed(company=self.company, invoice_id=invoice, disputed=disputed, stated_on=on(day)),
        )

    def cancelled(self, day: int, invoice: str) -> None:
        """The invoice no longer counts, from the day on which it is said."""
        self.say(day, trade.InvoiceCancelled(company=self.company, invoice_id=invoice))


def applied_to(parts: dict[str, Decimal], rate: Decimal | None = None) -> list[trade.AppliedTo]:
    """The parts of a settlement."""
    return [trade.AppliedTo(invoice_id=invoice, amount=Amount(amount), rate=rate) for invoice, amount in parts.items()]


def event_of(subject: str, source: str, data: Payload, said: datetime, turn: int = 9) -> Event:
    """An event of a moment, outside the made calendar; `turn` tells those of one type apart."""
    return Event(
        id=f"{subject}/{data.TYPE}/{turn}", source=source, type=data.TYPE, subject=subject, time=said, data=data
    )

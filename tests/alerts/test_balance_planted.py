"""Reconciliation finds each of 50 planted differences among a thousand customers, and no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from contracts.events import trade
from contracts.money import Amount, Money
from contracts.payload import Payload
from services.alerts.handlers import alerts_service
from services.alerts.model.account import Account
from services.alerts.model.hints import Hint, hints
from services.alerts.store import ACCOUNTS, ITEMS, SETTLEMENTS
from tests.alerts.refoldkit import RULES, START
from tests.desk import Sender, TestDesk

CUSTOMERS, PLANTED = 1000, 50
AS_OF = date(2026, 2, 28)
CURRENCIES = ("CNY", "USD", "EUR", "JPY")
Effect = tuple[date, str, Decimal]  # what a document does to the balance, on a day, in a currency


@dataclass
class Ledger:
    """A customer's account as a bookkeeper keeps it, in plain sums, beside the facts that reach us of it."""

    chance: Random
    facts: list[Payload] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    numbers: Counter[str] = field(default_factory=Counter)

    def number(self, letter: str) -> str:
        self.numbers[letter] += 1
        return f"{letter}{self.numbers[letter]}"

    def day(self, first: int = -60, last: int = 20) -> date:
        """Most before the day of the books, some after it: those are in flight."""
        return AS_OF + timedelta(days=self.chance.randint(first, last))

    def amount(self, code: str) -> Decimal:
        cents = self.chance.randint(1_00, 90_000_00)
        return Decimal(cents // 100) if code == "JPY" else Decimal(cents).scaleb(-2)

    def invoice(self, code: str) -> tuple[str, date, Decimal]:
        number, on, total = self.number("I"), self.day(), self.amount(code)
        self.facts.append(_invoice(number, on, Money(total, code)))
        self.effects.append((on, code, total))
        return number, on, total

    def settle(self, code: str, kind: type[trade.Settlement], invoice: tuple[str, date, Decimal] | None) -> None:
        """A payment, credit note or write-off, dated after its invoice: applied, applied later, or never."""
        on = invoice[1] + timedelta(days=self.chance.randint(0, 30)) if invoice else self.day()
        part = invoice[2] if invoice else self.amount(code)
        if invoice and self.chance.random() < 0.4:
            part = max(Decimal(1), (part / 3).quantize(Decimal(1)))
        part = min(part, invoice[2]) if invoice else part
        number = self.number("P")
        applied = [trade.AppliedTo(invoice_id=invoice[0], amount=Amount(part))] if invoice else None
        later = applied is not None and kind is trade.PaymentReceived and self.chance.random() < 0.3
        self.facts.append(
            kind(document_id=number, dated_on=on, total=Money(part, code), applied_to=None if later else applied)
        )
        self.effects.append((on, code, -part))
        if later and applied is not None:
            said = trade.PaymentApplied(
                document_id=number, applied_to=applied, applied_on=on + timedelta(days=self.chance.randint(0, 9))
            )
            self.facts.append(said)
        if kind is trade.PaymentReceived and self.chance.random() < 0.15:
            back = on + timedelta(days=self.chance.randint(0, 9))
            self.facts.append(trade.PaymentReversed(document_id=number, dated_on=back))
            self.effects.append((back, code, part))

    def correct(self, code: str) -> None:
        number, on, total = self.invoice(code)
        now = self.amount(code)
        self.facts.append(trade.InvoiceCorrected(invoice_id=number, issued_on=on, due_on=on, total=Money(now, code)))
        self.effects += [(on, code, now - total)]

    def cancel(self, code: str) -> None:
        number, on, total = self.invoice(code)
        gone = on + timedelta(days=self.chance.randint(0, 30))
        self.facts.append(trade.InvoiceCancelled(invoice_id=number, cancelled_on=gone))
        self.effects.append((gone, code, -total))

    def abroad(self) -> None:
        """Dollars that pay an invoice in renminbi, at a rate."""
        number, on, total = self.invoice("CNY")
        dollars = (total / 8).quantize(Decimal("0.01")) or Decimal("0.01")
        part = trade.AppliedTo(invoice_id=number, amount=Amount(dollars), rate=Decimal("7"))
        day = on + timedelta(days=3)
        self.facts.append(
            trade.PaymentReceived(
                document_id=self.number("P"), dated_on=day, total=Money(dollars, "USD"), applied_to=[part]
            )
        )
        self.effects.append((day, "CNY", -(dollars * 7)))

    def stated(self) -> trade.BalanceStated:
        """What the bookkeeper says is open at the end of the day."""
        sums: dict[str, Decimal] = {}
        for on, code, amount in self.effects:
            if on <= AS_OF:
                sums[code] = sums.get(code, Decimal(0)) + amount
        return trade.BalanceStated(as_of=AS_OF, open=[Money(amount, code) for code, amount in sums.items() if amount])


def _invoice(number: str, on: date, total: Money) -> trade.InvoiceIssued:
    return trade.InvoiceIssued(invoice_id=number, issued_on=on, due_on=on + timedelta(days=30), total=total)


def kept(seed: int) -> Ledger:
    """A customer's account with every kind of document."""
    chance = Random(seed)
    ledger = Ledger(chance)
    for code in chance.sample(CURRENCIES, chance.randint(1, 3)):
        for _ in range(chance.randint(1, 4)):
            invoice = ledger.invoice(code)
            kinds = (None, trade.PaymentReceived, trade.PaymentReceived, trade.CreditNoteIssued, trade.DebtWrittenOff)
            if (kind := chance.choice(kinds)) is not None:
                ledger.settle(code, kind, invoice)
        ledger.settle(code, chance.choice((trade.PaymentReceived, trade.CreditNoteIssued)), None)
        chance.choice((ledger.correct, ledger.cancel))(code)
    ledger.abroad()
    return ledger


# What goes wrong between the books and us: each takes an account whose books are right, and spoils what reaches us.


def missing_invoice(ledger: Ledger) -> None:
    ledger.effects.append((AS_OF - timedelta(days=2), "CNY", Decimal("432.10")))


def missing_payment(ledger: Ledger) -> None:
    ledger.facts.append(_invoice("lost", AS_OF - timedelta(days=20), Money.of("77.70", "CNY")))


def a_cent(ledger: Ledger) -> None:
    ledger.facts.append(_invoice("cent", AS_OF, Money.of("10.01", "EUR")))
    ledger.effects.append((AS_OF, "EUR", Decimal("10.00")))


def doubled(ledger: Ledger) -> None:
    ledger.facts += [_invoice(number, AS_OF - timedelta(days=1), Money.of("55.50", "USD")) for number in ("d1", "d2")]
    ledger.effects.append((AS_OF - timedelta(days=1), "USD", Decimal("55.50")))


def swapped(ledger: Ledger) -> None:
    ledger.facts.append(_invoice("swap", AS_OF - timedelta(days=5), Money.of("300", "JPY")))
    ledger.effects.append((AS_OF - timedelta(days=5), "CNY", Decimal("300")))


def next_day(ledger: Ledger) -> None:
    """Dated a day later here than in the books."""
    ledger.facts.append(_invoice("late", AS_OF + timedelta(days=1), Money.of("88.88", "CNY")))
    ledger.effects.append((AS_OF, "CNY", Decimal("88.88")))


SPOILT: dict[Callable[[Ledger], None], tuple[dict[str, Decimal], set[str]]] = {
    missing_invoice: ({"CNY": Decimal("-432.10")}, set()),
    missing_payment: ({"CNY": Decimal("77.70")}, {"not_in_books"}),
    a_cent: ({"EUR": Decimal("0.01")}, {"recent"}),
    doubled: ({"USD": Decimal("55.50")}, {"twice"}),
    swapped: ({"JPY": Decimal("300"), "CNY": Decimal("-300")}, {"not_in_books", "other_currency"}),
    next_day: ({"CNY": Decimal("-88.88")}, {"next_day"}),
}


def heard(desk: TestDesk, customer: str, ledger: Ledger) -> None:
    """The facts and the statement reach us, in any order, long after the day."""
    said: list[Payload] = [*ledger.facts, ledger.stated()]
    ledger.chance.shuffle(said)
    erp = Sender(f"erp/{customer}")
    late = START + timedelta(days=60)
    desk.take(*(erp.event(data, customer, late) for data in said), at=late)


def explained(desk: TestDesk, customer: str) -> list[Hint]:
    account = desk.value(ACCOUNTS, customer) or Account()
    items = [card.item for card in desk.every(ITEMS, customer).values()]
    (stated,) = account.stated
    return hints(stated, items, list(desk.every(SETTLEMENTS, customer).values()))


def test_each_of_fifty_planted_differences_is_found_and_no_other() -> None:
    desk = TestDesk(alerts_service(RULES), START)
    ways = list(SPOILT)
    planted = {f"C-{n}": ways[place % len(ways)] for place, n in enumerate(range(7, CUSTOMERS, CUSTOMERS // PLANTED))}
    assert len(planted) == PLANTED
    for n in range(CUSTOMERS):
        customer, ledger = f"C-{n}", kept(n)
        if customer in planted:
            planted[customer](ledger)
        heard(desk, customer, ledger)
    assert desk.dead == []

    accounts = {f"C-{n}": desk.value(ACCOUNTS, f"C-{n}") or Account() for n in range(CUSTOMERS)}
    assert all(len(one.stated) == 1 for one in accounts.values())
    found = {
        customer: {side.currency: side.difference for side in account.stated[0].sides if side.apart}
        for customer, account in accounts.items()
        if account.stated[0].out
    }
    assert found == {customer: SPOILT[way][0] for customer, way in planted.items()}
    for customer, way in planted.items():
        assert SPOILT[way][1] <= {hint.kind for hint in explained(desk, customer)}
    assert all(explained(desk, customer) == [] for customer in accounts if customer not in planted)


def test_the_made_accounts_have_every_kind_of_document_and_some_in_flight() -> None:
    """Or the other test would say little."""
    ledgers = [kept(n) for n in range(CUSTOMERS)]
    kinds = Counter(type(fact).__name__ for ledger in ledgers for fact in ledger.facts)
    assert min(kinds[kind] for kind in (
        "InvoiceIssued", "InvoiceCorrected", "InvoiceCancelled", "PaymentReceived", "PaymentApplied", "PaymentReversed",
        "CreditNoteIssued", "DebtWrittenOff",
    )) > 100  # fmt: skip
    in_flight = sum(on > AS_OF for ledger in ledgers for on, _, _ in ledger.effects)
    assert in_flight > 1000
    assert {code for ledger in ledgers for _, code, _ in ledger.effects} == set(CURRENCIES)

"""Whatever the order, repetition and batching of the facts, the items and settlements are the same, to the cent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.alerts.model.facts import FactKey
from services.alerts.model.open_item import (
    InvoiceFacts,
    OpenItem,
    SettlementKind,
    applied_on,
    excess_on,
    open_on,
    returned_on,
    total_on,
    with_cancelled,
    with_corrected,
    with_dispute,
    with_issued,
)
from services.alerts.model.rules.receivable_overdue import Params, episodes, next_due
from services.alerts.model.settlement import (
    Application,
    Part,
    Receipt,
    Reversal,
    Settlement,
    on_account,
    reenter,
    reversed_on,
    with_application,
    with_receipt,
    with_reversal,
)

START = date(2026, 3, 1)
INVOICES = ("INV1", "INV2")
DOCUMENTS = ("P1", "P2", "C1")
LAST = START + timedelta(days=60)


@dataclass
class Book:
    """A customer's documents as an engine would hold them."""

    items: dict[str, OpenItem] = field(default_factory=dict)
    settlements: dict[str, Settlement] = field(default_factory=dict)

    def item(self, name: str, change: Callable[[OpenItem], OpenItem]) -> None:
        self.items[name] = change(self.items.get(name) or OpenItem(subject="c1", invoice_id=name))

    def settlement(self, name: str, change: Callable[[Settlement], Settlement]) -> None:
        before = self.settlements.get(name) or Settlement(subject="c1", document_id=name)
        after = change(before)
        self.settlements[name] = after
        self.items |= reenter(self.items, before, after)

    def stored(self) -> Book:
        """Through the store and back, as between two batches."""

        def through(value: Any) -> Any:
            return msgspec.convert(msgspec.to_builtins(value, builtin_types=(Decimal, datetime)), type=type(value))

        return Book(
            {name: through(item) for name, item in self.items.items()},
            {name: through(one) for name, one in self.settlements.items()},
        )


Fact = Callable[[Book], None]


def on_item(name: str, change: Callable[[OpenItem], OpenItem]) -> Fact:
    return lambda book: book.item(name, change)


def on_settlement(name: str, change: Callable[[Settlement], Settlement]) -> Fact:
    return lambda book: book.settlement(name, change)


def fold(facts: Iterable[Fact], cuts: set[int]) -> Book:
    book = Book()
    for n, fact in enumerate(facts):
        if n in cuts:
            book = book.stored()
        fact(book)
    return book.stored()


amounts = st.integers(1, 20000).map(lambda n: Decimal(n).scaleb(-2))
days = st.integers(0, 40).map(lambda n: START + timedelta(days=n))
currencies = st.sampled_from(["CNY", "CNY", "USD"])
rates = st.one_of(st.none(), st.decimals("0.1", "9.9", places=4))
parts = st.lists(st.builds(Part, invoice_id=st.sampled_from(INVOICES), amount=amounts, rate=rates), max_size=3).map(
    tuple
)


@st.composite
def facts(draw: st.DrawFn) -> list[Fact]:
    """A customer's facts. Event times have microseconds and meet, so that order by key is tried too."""
    count = 0

    def key() -> FactKey:
        nonlocal count
        count += 1
        micros = draw(st.integers(0, 9000))
        time = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(microseconds=micros)
        return FactKey(time=time, source=draw(st.sampled_from(["erp", "shop"])), id=f"e{count}")

    def invoice() -> InvoiceFacts:
        issued, due = draw(days), draw(days)
        return InvoiceFacts(key=key(), issued_on=issued, due_on=due, total=draw(amounts), currency=draw(currencies))

    found: list[Fact] = []
    for name in INVOICES:
        found += draw(_invoice_facts(name, invoice, key))
    for name in DOCUMENTS:
        found += draw(_settlement_facts(name, key))
    return found


@st.composite
def _invoice_facts(
    draw: st.DrawFn, name: str, invoice: Callable[[], InvoiceFacts], key: Callable[[], FactKey]
) -> list[Fact]:
    found: list[Fact] = []
    if draw(st.booleans()):
        issued = invoice()
        again = msgspec.structs.replace(issued, key=key())
        found += [on_item(name, partial(with_issued, facts=one)) for one in (issued, again)]
    for _ in range(draw(st.integers(0, 2))):
        one = invoice()
        found.append(on_item(name, partial(with_corrected, facts=one)))
    for _ in range(draw(st.integers(0, 3))):
        found.append(on_item(name, partial(with_dispute, key=key(), on=draw(days), disputed=draw(st.booleans()))))
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        found.append(on_item(name, partial(with_cancelled, key=key(), on=draw(days))))
    return found


@st.composite
def _settlement_facts(draw: st.DrawFn, name: str, key: Callable[[], FactKey]) -> list[Fact]:
    found: list[Fact] = []
    if draw(st.integers(0, 9)):
        kinds: list[SettlementKind] = ["credit_note"] if name.startswith("C") else ["payment", "write_off"]
        receipt = Receipt(
            key=key(),
            kind=draw(st.sampled_from(kinds)),
            dated_on=draw(days),
            total=draw(amounts),
            currency=draw(currencies),
            applied_to=draw(parts),
        )
        found.append(on_settlement(name, partial(with_receipt, receipt=receipt)))
    for _ in range(draw(st.integers(0, 2))):
        later = Application(key=key(), on=draw(days), parts=draw(parts))
        found.append(on_settlement(name, partial(with_application, application=later)))
    for _ in range(draw(st.integers(0, 2))):
        back = Reversal(key=key(), dated_on=draw(days), amount=draw(st.one_of(st.none(), amounts)))
        found.append(on_settlement(name, partial(with_reversal, reversal=back)))
    return found


@settings(max_examples=150, deadline=None)
@given(facts=facts(), seed=st.integers(0, 2**32))
def test_any_order_repetition_and_batching_gives_the_same_book(facts: list[Fact], seed: int) -> None:
    reference = fold(facts, set())
    chance = Random(seed)
    shuffled = [*facts, *chance.sample(facts, len(facts) // 2)]
    chance.shuffle(shuffled)
    cuts = {chance.randrange(len(shuffled) + 1) for _ in range(3)}
    book = fold(shuffled, cuts)
    assert book == reference
    for name, item in book.items.items():
        other = reference.items[name]
        assert episodes(item, Params(), LAST) == episodes(other, Params(), LAST)
        assert next_due(item, Params(), START) == next_due(other, Params(), START)


@settings(max_examples=100, deadline=None)
@given(facts=facts())
def test_money_is_conserved_to_the_cent_from_settlements_into_items(facts: list[Fact]) -> None:
    book = fold(facts, set())
    for on in (START + timedelta(days=n) for n in range(0, 60, 4)):
        for currency in ("CNY", "USD"):
            came = account = back = Decimal(0)
            for settlement in book.settlements.values():
                receipt = settlement.receipt
                if receipt is not None and receipt.currency == currency and receipt.dated_on <= on:
                    came += receipt.total
                    account += on_account(settlement, on)
                    back += reversed_on(settlement, on)
            entries = [one for item in book.items.values() for one in item.entries if one.on <= on]
            used = sum((one.amount for one in entries if one.currency == currency), Decimal(0))
            assert came == used + account + back
        for item in book.items.values():
            _check_item(item, on)


def _check_item(item: OpenItem, on: date) -> None:
    total = total_on(item, on)
    if total is None:
        assert open_on(item, on) == 0
        return
    # A write-off beyond the total is the only thing that may vanish, and it is no money.
    over = total - open_on(item, on) - applied_on(item, on)
    write_offs = any(one.kind == "write_off" for one in item.entries)
    assert over + excess_on(item, on) == 0 or (write_offs and over + excess_on(item, on) < 0)
    assert all(amount > 0 for amount in returned_on(item, on).values())

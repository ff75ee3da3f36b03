"""Rates, invoices and limits in any order, brought at any moment: what stands is what the rates make of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.envelope import Event
from contracts.events import trade
from contracts.events.lifecycle import LimitChanged
from contracts.events.settings import RatePublished
from contracts.money import Money
from contracts.payload import Payload
from services.alerts.folds.rates import COMPANY
from services.alerts.model.account import settled_on
from services.alerts.model.ageing import Limit, age
from services.alerts.model.facts import FactKey
from services.alerts.model.open_item import OpenItem
from services.alerts.model.quotes import Quote, conversion, current, useful, with_quote
from services.alerts.model.rates import Rate, Rates
from services.alerts.store import ACCOUNTS, ITEMS
from tests.alerts.creditkit import CUSTOMER, DAY, Credit

CURRENCIES = ("CNY", "USD", "EUR")
CENT = Decimal("0.01")


class Fact(NamedTuple):
    """Something said, at a second of the first day."""

    payload: Payload
    second: int


def _rate(currency: str, rate: int, on: int) -> RatePublished:
    return RatePublished(currency=currency, base="CNY", rate=Decimal(rate) / 10, on=DAY + timedelta(days=on))


def _invoice(number: int, total: int, currency: str) -> trade.InvoiceIssued:
    money = Money(Decimal(total) / 10, currency)
    return trade.InvoiceIssued(invoice_id=f"I{number}", issued_on=DAY, due_on=DAY + timedelta(days=300), total=money)


RATES_SAID = st.builds(_rate, st.sampled_from(("USD", "EUR")), st.integers(1, 99), st.integers(-3, 3))
INVOICES = st.builds(_invoice, st.integers(1, 5), st.integers(1, 400), st.sampled_from(CURRENCIES))
LIMIT = LimitChanged(limit=Money.of("100.00", "CNY"), valid_from=DAY - timedelta(days=5))


@st.composite
def stories(draw: st.DrawFn) -> list[Fact]:
    """A limit, invoices of different numbers, and rates, each said at a moment of its own."""
    invoices = draw(st.lists(INVOICES, max_size=4, unique_by=lambda one: one.invoice_id))
    rates = draw(st.lists(RATES_SAID, max_size=6))
    said: list[Payload] = [LIMIT, *invoices, *rates]
    return [Fact(payload, at) for at, payload in enumerate(said)]


def _holding(story: list[Fact], day: date) -> dict[str, Decimal]:
    """The rate of each currency, by the sentence of the contract alone."""
    said: dict[tuple[str, date], Decimal] = {}
    for payload, _ in sorted(story, key=lambda fact: fact.second):
        if isinstance(payload, RatePublished) and payload.on <= day:
            said[payload.currency, payload.on] = payload.rate
    return {currency: rate for (currency, _), rate in sorted(said.items())} | {"CNY": Decimal(1)}


def _owed(story: list[Fact], day: date) -> Decimal:
    rates = _holding(story, day)
    sums: dict[str, Decimal] = {}
    for payload, _ in story:
        if isinstance(payload, trade.InvoiceIssued):
            sums[payload.total.currency] = sums.get(payload.total.currency, Decimal(0)) + payload.total.amount
    worth = (amount * rates[currency] for currency, amount in sums.items() if currency in rates)
    return sum((one.quantize(CENT, ROUND_HALF_EVEN) for one in worth), Decimal(0))


def _told(story: list[Fact], order: list[int], brings: Callable[[int], bool], days: int) -> Credit:
    one = Credit()
    start = one.desk.now
    for place, at in enumerate(order):
        payload, second = story[at]
        subject = COMPANY if isinstance(payload, RatePublished) else CUSTOMER
        moment = start + timedelta(seconds=second)
        one.desk.take(
            Event(id=f"f{at}", source="erp", type=payload.TYPE, subject=subject, time=moment, data=payload),
            at=start + timedelta(minutes=place + 1),
        )
        if brings(place):
            one.bring()
        one.desk.advance(one.desk.now + timedelta(seconds=2))
    one.bring()
    one.wait(days)
    return one


@settings(max_examples=120, deadline=None)
@given(stories(), st.data())
def test_in_any_order_what_stands_is_what_is_owed_by_the_rates_that_hold(
    story: list[Fact], data: st.DataObject
) -> None:
    days = data.draw(st.integers(0, 4))
    order = data.draw(st.permutations(range(len(story))))
    brings = data.draw(st.lists(st.booleans(), min_size=len(story), max_size=len(story)))
    straight = _told(story, list(range(len(story))), lambda place: True, days)
    crooked = _told(story, order, lambda place: brings[place], days)
    owed, today = _owed(story, DAY + timedelta(days=days)), DAY + timedelta(days=days)
    stage = 2 if owed > 100 else 1 if owed >= 80 else 0
    for one in (straight, crooked):
        assert one.desk.dead == []
        standing = [alert for alert in one.alerts if alert.state != "resolved"]
        assert [alert.stage for alert in standing] == ([stage] if stage else [])
        assert not one.bring(), "what was brought is all that was wanted"
        again = one.desk.refold(ACCOUNTS, CUSTOMER)
        assert (again.said, again.changed) == ([], {})
    assert settled_on(straight.account, today) == settled_on(crooked.account, today)


@settings(max_examples=60, deadline=None)
@given(stories())
def test_exposure_is_that_of_the_command_for_the_same_rates(story: list[Fact]) -> None:
    one = _told(story, list(range(len(story))), lambda place: True, 0)
    known = _holding(story, DAY)
    items: list[OpenItem] = [card.item for card in one.desk.every(ITEMS, CUSTOMER).values()]
    kept = [item for item in items if item.invoice is not None and item.invoice.currency in known]
    rates = Rates([Rate(currency=currency, rate=rate) for currency, rate in known.items()])
    (row,) = age(kept, (), DAY, {CUSTOMER: Limit(amount=Decimal(100), currency="CNY")}, rates).exposure
    assert row.net == _owed(story, DAY)


QUOTES = st.lists(
    st.builds(
        lambda pair, rate, on: RatePublished(
            currency=pair[0], base=pair[1], rate=Decimal(rate), on=DAY + timedelta(days=on)
        ),
        st.permutations((*CURRENCIES, "GBP", "JPY")).map(lambda names: (names[0], names[1])),
        st.integers(1, 9),
        st.integers(-3, 3),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(QUOTES, st.integers(0, 3))
def test_what_is_useful_gives_the_same_as_all_and_no_order_matters(said: list[RatePublished], after: int) -> None:
    start = Credit().noon(0)
    all_of_them = [
        Quote(
            currency=one.currency, base=one.base, rate=one.rate, on=one.on,
            key=FactKey(time=start + timedelta(seconds=at), source="erp", id=str(at)),
        )
        for at, one in enumerate(said)
    ]  # fmt: skip
    straight: tuple[Quote, ...] = ()
    for quote in all_of_them:
        straight = with_quote(straight, quote, DAY)
    crooked: tuple[Quote, ...] = ()
    for quote in reversed(all_of_them):
        crooked = with_quote(crooked, quote, DAY)
    assert current(straight, DAY) == current(crooked, DAY) == current(all_of_them, DAY)
    day = DAY + timedelta(days=after)
    for currency in CURRENCIES:
        for into in CURRENCIES:
            if currency == into:
                continue
            by = conversion(all_of_them, currency, into, day)
            assert conversion(useful(straight, [(currency, into)]), currency, into, day) == by
            assert conversion(current(straight, day), currency, into, day) == by
            if by is not None:
                assert 1 <= len(by.quotes) <= 2

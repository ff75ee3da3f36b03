"""What a customer buys and orders, and how far he has credit: courses of events beside those of his invoices."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from contracts.events.lifecycle import LimitChanged
from contracts.events.sales import (
    GoodsReturned,
    OrderChanged,
    OrderClosed,
    OrderDelivered,
    OrderPlaced,
    PurchaseCorrected,
    PurchaseMade,
)
from contracts.money import Money
from tests.faults.hand import PROFILES, Hand
from tests.faults.size import on

BUYERS, CREDITED, ORDERING = 0.14, 0.25, 0.12  # shares of the customers
LOADED_MS: Final = 60_000  # between two purchases of a history that is loaded on the first morning
OLD: Final = 0.04  # share of the buyers whose history is long enough for the priors to be fitted to


def buy(hand: Hand) -> None:
    """A rhythm: a history that is loaded on the first morning, in order or not, and purchases from then on."""
    draw = hand.draw
    days = rhythm(hand)
    loaded = [day for day in days if day < 0]
    if draw.random() < OLD:
        loaded = [loaded[0] - 30 * step for step in range(7, 0, -1)] + loaded
    if draw.random() < 0.3:
        draw.shuffle(loaded)
    for turn, day in enumerate(loaded):
        hand.say(0, made(hand, day), at=turn * LOADED_MS)
    for day in days[len([day for day in days if day < 0]) :]:
        told(hand, day)


def rhythm(hand: Hand) -> list[int]:
    """The days on which he buys: as ever, or from a turn on more slowly, after a pause, or not at all. The day of alarm
    comes some two weeks after the last purchase, so that most turns lie before the first day.
    """
    draw = hand.draw
    gap = draw.choice((1.5, 2.0, 2.5, 3.0))
    slower, pause = draw.choices(((1.0, 0), (3.0, 0), (1.0, draw.randint(10, 22)), (1.0, 99)), (25, 20, 30, 25))[0]
    turn = draw.randint(-26, hand.size.last - 8)
    day = min(turn, -1) - round(gap * draw.randint(8, 14))
    days = [day]
    while day <= hand.size.last:
        silence = pause if day <= turn < day + gap else 0
        day += max(_gap(hand, gap * (slower if day >= turn else 1.0)), silence)
        days += [day] if day <= hand.size.last else []
    return days


def _gap(hand: Hand, mean: float) -> int:
    return max(1, round(hand.draw.gammavariate(4, mean / 4)))


def made(hand: Hand, day: int) -> PurchaseMade:
    """A purchase of a day."""
    return PurchaseMade(
        company=hand.company,
        purchase_id=hand.number("P"),
        purchased_on=on(day),
        total=Money(hand.amount(), "CNY"),
    )


def told(hand: Hand, day: int) -> None:
    """A purchase, perhaps told late or dated ahead, and what may become of it."""
    draw = hand.draw
    one = made(hand, day + 2 if draw.random() < 0.02 else day)
    hand.say(day, one, late=draw.randint(1, 4) if draw.random() < 0.06 else 0)
    if draw.random() < 0.08:
        hand.say(day, made(hand, day))  # and another on the same day
    if draw.random() < 0.08:
        corrected(hand, day, one)
    if draw.random() < 0.08:
        returned(hand, day, one)


def corrected(hand: Hand, day: int, one: PurchaseMade) -> None:
    """It was on another day, or it came to something else, or to nothing."""
    other = draw_day(hand, day)
    total = hand.draw.choice((Decimal(0), hand.amount()))
    data = PurchaseCorrected(
        company=one.company, purchase_id=one.purchase_id, purchased_on=on(other), total=Money(total, "CNY")
    )
    hand.say(day + hand.draw.randint(0, 2), data, late=hand.draw.choice((0, 0, 3)))


def draw_day(hand: Hand, day: int) -> int:
    """The day itself or one shortly before."""
    return day - hand.draw.choice((0, 0, 1, 3))


def returned(hand: Hand, day: int, one: PurchaseMade) -> None:
    """It comes back, wholly or in part; where it is not said of which purchase, nothing falls away."""
    draw = hand.draw
    whole = draw.random() < 0.6
    back = one.total.amount if whole else (one.total.amount / 2).quantize(Decimal("0.01"))
    then = day + draw.randint(0, 3)
    data = GoodsReturned(
        company=one.company,
        return_id=hand.number("R"),
        returned_on=on(then),
        total=Money(back, "CNY"),
        purchase_id=one.purchase_id if draw.random() < 0.9 else None,
    )
    hand.say(then, data)


def order(hand: Hand) -> None:
    """An order, perhaps changed, delivered and closed; the closing may be told before the placing."""
    draw = hand.draw
    day, number = draw.randrange(hand.size.days), hand.number("O")
    total = Money(hand.amount(), "CNY")
    placed = OrderPlaced(company=hand.company, order_id=number, ordered_on=on(day), total=total)
    hand.say(day, placed, late=draw.choice((0, 0, 0, 4)))
    if draw.random() < 0.3:
        other = Money(hand.amount(), "CNY")
        changed = OrderChanged(company=hand.company, order_id=number, ordered_on=on(day), total=other)
        hand.say(day + draw.randint(0, 2), changed)
    then = day + draw.randint(1, 6)
    if draw.random() < 0.3:
        hand.say(then, OrderDelivered(company=hand.company, order_id=number, delivered_on=on(then)))
    if draw.random() < 0.7:
        closed = OrderClosed(
            company=hand.company,
            order_id=number,
            reason=draw.choice(("invoiced", "cancelled")),
            closed_on=on(then + draw.choice((0, 0, 2))) if draw.random() < 0.7 else None,
        )
        hand.say(then, closed)


def grant(hand: Hand, day: int, amount: Decimal | None, *, since: int, currency: str = "CNY") -> None:
    """A limit is told on one day and holds from another; None: he is not checked."""
    limit = None if amount is None else Money(amount, currency)
    company = hand.company if hand.draw.random() < 0.5 else None
    hand.say(day, LimitChanged(limit=limit, valid_from=on(since), company=company), source=PROFILES)


def some_limit(hand: Hand) -> Decimal:
    """A limit that his invoices may come near, or pass."""
    return Decimal(hand.draw.randrange(300, 7000))


def held(hand: Hand) -> None:
    """One limit for all time."""
    grant(hand, 0, some_limit(hand), since=-10)


def no_credit(hand: Hand) -> None:
    """A limit of 0, at once or later."""
    day = hand.draw.choice((0, hand.draw.randrange(hand.size.days)))
    grant(hand, day, Decimal(0), since=day)


def moved(hand: Hand) -> None:
    """A limit that is raised, lowered or lifted, now or on a day ahead."""
    grant(hand, 0, some_limit(hand), since=0)
    for _ in range(hand.draw.randint(1, 2)):
        day = hand.draw.randrange(1, hand.size.days)
        amount = None if hand.draw.random() < 0.25 else some_limit(hand)
        grant(hand, day, amount, since=day + hand.draw.choice((0, 0, 1, 3)))


def late_limit(hand: Hand) -> None:
    """A limit that was told late: what stands because of the one before may never have been."""
    grant(hand, 0, some_limit(hand), since=0)
    day = hand.draw.randrange(3, hand.size.days)
    grant(hand, day, some_limit(hand) * 3, since=day - hand.draw.randint(1, 12))


def not_checked(hand: Hand) -> None:
    """No limit, said so."""
    grant(hand, 0, None, since=0)


def foreign_limit(hand: Hand) -> None:
    """A limit in another currency than most that he owes: what has no rate is not counted."""
    grant(hand, 0, some_limit(hand) / 10, since=0, currency="EUR")


LIMITS: Final[tuple[tuple[Callable[[Hand], None], int], ...]] = (
    (held, 40),
    (no_credit, 10),
    (moved, 25),
    (late_limit, 12),
    (not_checked, 8),
    (foreign_limit, 5),
)


def trade(hand: Hand, *, every: bool) -> None:
    """What of all this a customer has; `every` of it, or by chance."""
    draw = hand.draw
    if every or draw.random() < CREDITED:
        stories, weights = zip(*LIMITS, strict=True)
        draw.choices(stories, weights)[0](hand)
    if every or draw.random() < ORDERING:
        for _ in range(draw.randint(1, 3)):
            order(hand)
    if every or draw.random() < BUYERS:
        buy(hand)

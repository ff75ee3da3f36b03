"""Whatever the order, repetition and batching of purchases, corrections and returns, the rhythm and the alerts that
stand are those of the facts in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.envelope import Event
from contracts.events.sales import GoodsReturned, PurchaseMade
from services.alerts.model.activity.rate import Params
from services.alerts.model.activity.silence import Dated as DatedActivity
from services.alerts.model.alert import Alert
from services.alerts.model.cadence.priors import Dated
from services.alerts.model.cadence.tell import tell
from services.alerts.model.rules import churn_risk
from services.alerts.model.rules.purchase_slowdown import RULE
from services.alerts.store import ACCOUNTS, PURCHASES, RHYTHMS
from tests.alerts.cadence.cadencekit import PRIORS, START, day, timelines
from tests.alerts.cadence.rhythmkit import DAY, Customer, bought, corrected, returned
from tests.desk import Sender

Facts = list[PurchaseMade | GoodsReturned]
NEVER = Customer([Dated(valid_from=START, priors=PRIORS)])


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    """Purchases of a year and a half; some are corrected, some come back in part, wholly or twice."""
    found: Facts = []
    on = START
    for n in range(draw(st.one_of(st.integers(2, 5), st.integers(0, 16)))):
        step = timedelta(days=draw(st.one_of(st.integers(0, 20), st.integers(0, 20), st.integers(21, 150))))
        on = min(on + step, day(880))
        name = f"P{n}"
        if draw(st.integers(0, 9)):
            found.append(bought(name, on, draw(st.sampled_from([0, 100, 100]))))
        for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
            moved = on + timedelta(days=draw(st.integers(-5, 5)))
            found.append(corrected(name, moved, draw(st.sampled_from([0, 100, 100]))))
        for m in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
            found.append(returned(f"R{n}{m}", name, on + DAY, draw(st.sampled_from([40, 60, 100]))))
    if draw(st.booleans()):
        found.append(returned("R", None, on))
    return found


def events_of(found: Facts) -> list[Event]:
    """Each said once, at a moment of its own that has nothing to do with the order in which it comes."""
    shop, at = Sender("shop"), NEVER.at(day(700))
    return [shop.event(one, NEVER.subject, at + timedelta(milliseconds=n * 7919 % 1009)) for n, one in enumerate(found)]


def ended(customer: Customer, events: Sequence[Event], chance: Random | None, until: date) -> Customer:
    """The customer when all has come, in batches spread over the days from the first to the last, and time has passed
    to the end of `until`. Without chance all comes at once on the last day but one.
    """
    step = until - START
    left = list(events)
    arrivals = sorted(chance.randrange(step.days) for _ in range(4)) if chance else []
    for arrival in arrivals:
        size = chance.randrange(len(left) + 1) if chance else 0
        batch, left = left[:size], left[size:]
        now = customer.at(START + timedelta(days=arrival))
        customer.wait(now)
        customer.desk.take(*batch, at=now)
    last = customer.at(until - DAY)
    customer.wait(last)
    customer.desk.take(*left, at=last)
    customer.wait(customer.at(until + DAY, time(0, 0, 1)))
    return customer


Seen = tuple[str, date, str, date | None, str | None, tuple[str, ...], tuple[tuple[str, str], ...]]


def seen(alert: Alert) -> Seen:
    """What the facts alone make of an alert, without when it became known. The figures of one that is over are those
    it ended with, unless its days have changed since.
    """
    figures = tuple(sorted(alert.figures.items())) if alert.state != "resolved" else ()
    over = alert.closed_on, alert.outcome, alert.because
    return alert.alert_id, alert.opened_on, alert.severity, *over, figures


def standing(customer: Customer, rule: str = RULE) -> list[Seen]:
    """The alerts of a rule that were not withdrawn."""
    return [seen(one) for one in customer.of(rule) if one.outcome != "withdrawn"]


@st.composite
def params(draw: st.DrawFn) -> list[DatedActivity]:
    """Parameters of activity that hold from up to three days on; before the first of them there are none."""
    starts = sorted(draw(st.sets(st.integers(1, 500), max_size=3)))
    return [
        DatedActivity(
            valid_from=day(start),
            params=Params(
                decay=draw(st.sampled_from([0.05, 0.1, 0.3])),
                shape=draw(st.floats(0.02, 0.3)),
                weeks=draw(st.floats(5, 30)),
                as_of=day(start),
                block_days=91,
                blocks=1,
                customers=10,
                purchases=10,
            ),
        )
        for start in starts
    ]


@settings(max_examples=60, deadline=None)
@given(found=facts(), timeline=timelines(), activity=params(), seed=st.integers(0, 2**32))
def test_any_order_repetition_and_batching_gives_the_same_rhythm_and_alerts(
    found: Facts, timeline: list[Dated], activity: list[DatedActivity], seed: int
) -> None:
    until, events, chance = day(900), events_of(found), Random(seed)
    at_once = ended(Customer(timeline, activity=activity), events, None, until)
    mixed = [*events, *chance.sample(events, len(events) // 2)]
    chance.shuffle(mixed)
    spread = ended(Customer(timeline, activity=activity), mixed, chance, until)
    assert (spread.card.course, spread.card.silence) == (at_once.card.course, at_once.card.silence)
    assert standing(spread, churn_risk.RULE) == standing(at_once, churn_risk.RULE)
    assert (spread.card.ahead, at_once.card.ahead) == (None, None)
    assert spread.desk.every(PURCHASES, spread.subject) == at_once.desk.every(PURCHASES, at_once.subject)
    assert standing(spread) == standing(at_once)
    assert not (spread.desk.dead or at_once.desk.dead)
    days = [one.bought.on for one in spread.desk.every(PURCHASES, spread.subject).values() if one.bought is not None]
    story = tell(days, timeline, until)
    assert [one[1] for one in standing(spread)] == [one.raised_on for one in story.episodes]
    assert [one[3] for one in standing(spread)] == [one.ended_on for one in story.episodes]


@settings(max_examples=30, deadline=None)
@given(found=facts(), timeline=timelines(), activity=params(), seed=st.integers(0, 2**32))
def test_folded_again_from_the_ledger_it_is_the_same(
    found: Facts, timeline: list[Dated], activity: list[DatedActivity], seed: int
) -> None:
    events, chance = events_of(found), Random(seed)
    chance.shuffle(events)
    customer = ended(Customer(timeline, activity=activity), events, chance, day(900))
    before, card, lapses = customer.alerts, customer.card, standing(customer, churn_risk.RULE)
    due = customer.desk.due(RHYTHMS, customer.subject)
    said = len(customer.desk.said)
    customer.desk.refold(ACCOUNTS, customer.subject)
    assert (customer.card.course, customer.card.silence) == (card.course, card.silence)
    assert (customer.card.ahead, standing(customer, churn_risk.RULE)) == (card.ahead, lapses)
    assert standing(customer) == [seen(one) for one in before if one.outcome != "withdrawn"]
    assert customer.desk.due(RHYTHMS, customer.subject) == due
    assert customer.desk.said[said:] == []

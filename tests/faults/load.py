"""The load of a seed: what is delivered on each simulated day, repeats, late ones and poison among it.

All of it is made and says so by its source. The same seed gives the same bytes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Final

from contracts.envelope import Event, encode, encode_json
from contracts.events.lifecycle import LimitChanged, OwnerChanged, ProfileErased
from contracts.events.profiles import ProfileChanged
from contracts.events.staff import Channel, StaffChanged, StaffRegistered
from contracts.money import Money
from contracts.registry import topic_of
from tests.faults import poison, sales
from tests.faults.hand import HR, PROFILES, Hand, Made
from tests.faults.probe import passes
from tests.faults.size import Size, moment, on
from tests.faults.stories import STORIES
from tests.faults.wire import Wire

COLLEAGUES: Final = 12
NEAR, FAR, STRUCTURED = 0.03, 0.02, 0.02  # shares of the events
MOST_INVOICES: Final = 9
DOCUMENTS: Final = {kind.TYPE for kind in poison.DOCUMENTS}


@dataclass
class Load:
    """What is delivered, by day, and what is to be found of it at the end. `port`: where webhooks are received."""

    size: Size
    port: int = 9
    days: dict[int, list[Wire]] = field(default_factory=lambda: defaultdict(list))
    accepted: dict[str, Event] = field(default_factory=dict)  # by name, in the order of delivery
    poison: dict[str, str] = field(default_factory=dict)  # dead letter by name: its reason
    placed: int = 0  # poison without a name of its own: known by its place in the log
    repeats: int = 0
    late: int = 0
    gone: tuple[str, ...] = ()  # customers erased on the way
    again: dict[str, Event] = field(default_factory=dict)  # come again after their ids were forgotten

    @property
    def events(self) -> int:
        """Records delivered."""
        return sum(len(wires) for wires in self.days.values())

    @property
    def partings(self) -> list[Event]:
        """The erasures, to be said on the morning of their day when all before is read."""
        return [parting(self.size, subject) for subject in self.gone]


def make(size: Size, port: int = 9) -> Load:
    """The load of a seed; webhooks go to a `port` of this machine."""
    load = Load(size, port)
    draw = Random(f"{size.seed}/load")
    hands = [customer(size, number) for number in range(size.customers)]
    load.gone = tuple(hand.subject for hand in hands[: size.erased])
    delivered: dict[int, list[Made]] = defaultdict(list)
    for one in (*staff(size, port), *(made for hand in hands for made in hand.made), *waiting(size)):
        delivered[one.day].append(one)
    again: dict[int, list[Wire]] = defaultdict(list)
    for day in range(size.days):
        facts = sorted(delivered[day], key=lambda one: (one.event.time, one.event.id))
        _day(load, day, facts, again, draw)
    return load


def _day(load: Load, day: int, facts: list[Made], again: dict[int, list[Wire]], draw: Random) -> None:
    wires = load.days[day]
    gone = load.gone if day >= load.size.erasure else ()
    for made in facts:
        event, name = made.event, name_of(made.event)
        wire = wire_of(event, structured=draw.random() < STRUCTURED)
        wires.append(wire)
        load.late += event.time < _morning(day)
        if event.subject in gone:
            load.poison[name] = "erased"
            continue
        load.accepted[name] = event
        _repeats(load, day, event, wire, again, draw)
        if event.type in DOCUMENTS and draw.random() < poison.CONFLICTS:
            wires.append(_poisoned(load, poison.conflict(event)))
    wires += again.pop(day, [])
    for kind in draw.sample(poison.KINDS, k=min(len(poison.KINDS), 3 + len(facts) // 150)):
        bad = kind(load.size, day, draw)
        wires.insert(draw.randrange(len(wires) + 1), _poisoned(load, bad))


def _repeats(load: Load, day: int, event: Event, wire: Wire, again: dict[int, list[Wire]], draw: Random) -> None:
    if draw.random() < NEAR:
        load.days[day].append(wire)
        load.repeats += 1
    # What is forgotten of a customer who is erased would be refused when it comes again.
    lasts = not (passes(event) and event.subject in load.gone)
    if lasts and draw.random() < FAR and day < load.size.last:
        again[draw.randint(day + 1, load.size.last)].append(wire)
        load.repeats += 1


def _poisoned(load: Load, bad: poison.Bad) -> Wire:
    if bad.name is None:
        load.placed += 1
    else:
        load.poison[bad.name] = bad.reason
    return bad.wire


def name_of(event: Event) -> str:
    """An event's name, unique over sources."""
    return f"{event.source}:{event.id}"


def wire_of(event: Event, *, structured: bool = False) -> Wire:
    """The record of an event."""
    topic = topic_of(event.type)
    if structured:
        headers = [("content-type", b"application/cloudevents+json; charset=utf-8")]
        return Wire(topic, event.subject.encode(), encode_json(event), headers)
    record = encode(event)
    return Wire(topic, record.key, record.value, record.headers)


def customer(size: Size, number: int) -> Hand:
    """A customer with his profile, his owners, the stories of his invoices, and what else he trades."""
    hand = Hand.of(size, f"C{number:05}")
    draw = hand.draw
    for revision in range(1, 1 + draw.choice((1, 1, 2))):
        data = ProfileChanged(revision=revision, kind="organisation", name=f"Customer {number} (made), no. {revision}")
        hand.say((revision - 1) * 3, data, source=PROFILES)
    first = 0 if draw.random() > 0.04 else draw.randint(3, size.last)  # some have nobody at first
    _owner(hand, first)
    if draw.random() < 0.1:
        _owner(hand, draw.randint(first, size.last), ahead=draw.choice((0, 0, 2)))
    if draw.random() < 0.08:
        day = draw.randrange(size.days)
        grace = LimitChanged(limit=None, valid_from=on(day + draw.randint(-3, 2)), grace_days=draw.randint(1, 4))
        hand.say(day, grace, source=PROFILES, late=draw.choice((0, 0, 1, 3)))
    stories, weights = zip(*STORIES, strict=True)
    for story in draw.choices(stories, weights, k=draw.randint(2, MOST_INVOICES)):
        story(hand)
    sales.trade(hand, every=number < size.erased)
    return hand


def _owner(hand: Hand, day: int, *, ahead: int = 0) -> None:
    data = OwnerChanged(owner_id=colleague(hand.draw.randrange(COLLEAGUES)), valid_from=on(day + ahead))
    hand.say(day, data, source=PROFILES)


def parting(size: Size, subject: str) -> Event:
    """The customer is to be forgotten."""
    return Event(
        id=f"{subject}/erased",
        source=PROFILES,
        type=ProfileErased.TYPE,
        subject=subject,
        time=_morning(size.erasure),
        data=ProfileErased(erased_at=_morning(size.erasure)),
    )


def colleague(number: int) -> str:
    """A made colleague's staff id."""
    return f"staff/made-M{number:02}"


def ways(number: int, port: int) -> list[Channel] | None:
    """How a colleague is reached: in turn by mail, by both, and by webhook alone."""
    hook = Channel(kind="webhook", address=f"http://127.0.0.1:{port}/made-M{number:02}")
    return (None, [Channel(kind="mail"), hook], [hook])[number % 3]


def staff(size: Size, port: int) -> list[Made]:
    """The account managers, each registered at the beginning and changed once."""
    made = []
    for number in range(COLLEAGUES):
        hand = Hand(size, colleague(number), draw=Random(f"{size.seed}/staff/{number}"))
        for kind, day in ((StaffRegistered, 0), (StaffChanged, 2 + number % 5)):
            data = kind(
                name=f"Colleague {number} (made)",
                mail=f"made.m{number:02}@example.test",
                language="en" if number % 2 else "zh-CN",
                channels=ways(number, port),
            )
            hand.say(day, data, source=HR)
        made += hand.made
    return made


def waiting(size: Size) -> list[Made]:
    """Invoices that fall due while the service is down. Their payments come in that time, but for one in ten."""
    made: list[Made] = []
    down = size.outage
    for number in range(size.waiting):
        hand = Hand.of(size, f"W{number:05}")
        _owner(hand, 0)
        due, total = hand.draw.choice(down), Decimal("88.00")
        invoice = hand.invoice(down.start - 2, due, total)
        if number % 10 == 1:  # would be too much from the day after on, if it stood open then
            limit = LimitChanged(limit=Money(Decimal(80), "CNY"), valid_from=on(due + 1))
            hand.say(down.start - 2, limit, source=PROFILES)
        if number % 10:
            hand.settle(hand.draw.randint(down.start, due), total, {invoice: total})
        made += hand.made
    return made


def _morning(day: int) -> datetime:
    return moment(day, 0)

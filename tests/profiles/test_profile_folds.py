"""The folds of profiles: what it knows and says does not depend on the order in which it was told."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.envelope import Event
from contracts.events.customers import (
    ConsentChanged,
    CreditLimitSet,
    CustomerChanged,
    CustomerLinked,
    OwnerAssigned,
)
from contracts.events.lifecycle import LimitChanged, OwnerChanged, StandingChanged
from contracts.events.profile_groups import Basic, Family, Person
from contracts.events.profiles import ProfileChanged
from contracts.events.staff import StaffChanged, StaffLeft, StaffRegistered
from contracts.money import Money
from contracts.payload import Payload
from services.profiles.handlers import profiles_service
from services.profiles.model.customer import Customer, named_on, tenures
from services.profiles.model.facts import CompanyDays
from services.profiles.model.owners import tenure_on
from services.profiles.store import CONSENTS, CUSTOMERS, LIMITS, STAFF, STAFF_TOLD, TOLD
from tests.desk import TestDesk, payloads

DAYS = CompanyDays(ZoneInfo("Asia/Shanghai"))
SERVICE = profiles_service(DAYS)
CUSTOMER = "C-1"
COLLEAGUE = "staff/7"
START = datetime(2026, 3, 10, 4, tzinfo=UTC)
LATER = datetime(2026, 6, 1, tzinfo=UTC)

days = st.integers(0, 20).map(lambda n: date(2026, 3, 1) + timedelta(n))
# Some differ by less than the database keeps.
moments = st.builds(
    lambda n, finer: datetime(2026, 3, 1, 15, 30, tzinfo=UTC) + timedelta(hours=9 * n, microseconds=finer),
    st.integers(0, 24),
    st.sampled_from([0, 0, 100, 900]),
)
staff = st.sampled_from(["staff/1", "staff/2", "staff/3"])
maybe = st.none


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(maybe(), strategy)


described = st.builds(
    CustomerChanged,
    kind=st.just("person"),
    name=st.sampled_from(["Li Lei", "Han Meimei"]),
    relation=st.sampled_from(["potential", "current", "former"]),
    external_role=st.just("consumer"),
    group=optional(st.sampled_from(["g1", "g2"])),
    territory=optional(st.sampled_from(["north", "south"])),
    owner_id=optional(staff),
    language=optional(st.sampled_from(["zh-CN", "en"])),
    person=optional(
        st.builds(
            Person,
            basic=optional(st.builds(Basic, phone=st.sampled_from(["a", "b"]))),
            family=optional(st.builds(Family, children=st.integers(0, 2))),
        )
    ),
)
assigned = st.builds(OwnerAssigned, owner_id=staff, since=days, deputy_id=optional(staff))
limited = st.builds(
    CreditLimitSet,
    limit=optional(st.integers(0, 3).map(lambda n: Money(Decimal(n), "CNY"))),
    valid_from=days,
    company=optional(st.just("north-ltd")),
)
agreed = st.builds(
    ConsentChanged,
    purpose=st.just("mailing"),
    granted=st.booleans(),
    stated_on=optional(days),
    channel=optional(st.just("mail")),
)
linked = st.builds(CustomerLinked, system=st.sampled_from(["erp", "shop"]), local_id=st.sampled_from(["1", "2"]))
employed = st.one_of(
    st.builds(StaffRegistered, name=st.sampled_from(["Wang", "Zhao"]), deputy=optional(staff)),
    st.builds(StaffChanged, name=st.sampled_from(["Wang", "Zhao"]), unit=optional(st.just("sales"))),
    st.builds(StaffLeft, left_on=days, successor=optional(staff)),
)


@dataclass(frozen=True)
class Story:
    """Facts, and one way in which they come: places in `facts`, some of them twice, in batches."""

    facts: list[Event]
    coming: list[list[int]]


@st.composite
def stories(draw: st.DrawFn, kinds: st.SearchStrategy[Payload], subject: str = CUSTOMER) -> Story:
    told = draw(st.lists(st.tuples(kinds, moments, st.sampled_from(["crm", "erp"])), min_size=1, max_size=9))
    facts = [
        Event(id=f"e{n}", source=source, type=data.TYPE, subject=subject, time=time, data=data)
        for n, (data, time, source) in enumerate(told)
    ]
    order = draw(st.permutations(range(len(facts))))
    order += draw(st.lists(st.sampled_from(order), max_size=3))
    batches: list[list[int]] = [[]]
    for place in order:
        batches[-1].append(place)
        if draw(st.booleans()):
            batches.append([])
    return Story(facts, [batch for batch in batches if batch])


anything = st.one_of(described, described, assigned, limited, agreed, linked)


def in_order(story: Story) -> TestDesk:
    desk = TestDesk(SERVICE, START)
    for n, fact in enumerate(sorted(story.facts, key=lambda one: (one.time, one.source, one.id))):
        moment = START + timedelta(hours=7 * n)
        desk.advance(moment)
        desk.take(fact, at=moment)
    desk.advance(LATER)
    return desk


def as_it_came(story: Story) -> TestDesk:
    desk = TestDesk(SERVICE, START)
    for n, batch in enumerate(story.coming):
        moment = START + timedelta(hours=11 * n)
        desk.advance(moment)
        desk.take(*(story.facts[place] for place in batch), at=moment)
    desk.advance(LATER)
    return desk


def customer_of(desk: TestDesk) -> Customer:
    return desk.value(CUSTOMERS, CUSTOMER) or Customer()


def last_snapshot(desk: TestDesk) -> ProfileChanged | None:
    told = desk.value(TOLD, CUSTOMER)
    if told is None or told.snapshot is None:
        return None
    return msgspec.structs.replace(told.snapshot, revision=1)


@given(stories(anything))
def test_any_order_repetition_and_batching_gives_the_same_profile_and_the_same_last_snapshot(story: Story) -> None:
    straight, crooked = in_order(story), as_it_came(story)
    assert crooked.dead == []
    assert customer_of(crooked) == customer_of(straight)
    assert crooked.every(LIMITS, CUSTOMER) == straight.every(LIMITS, CUSTOMER)
    assert crooked.every(CONSENTS, CUSTOMER) == straight.every(CONSENTS, CUSTOMER)
    assert last_snapshot(crooked) == last_snapshot(straight)
    assert customer_of(crooked).owner == tenure_on(tenures(customer_of(straight), DAYS), DAYS.of(LATER))


@given(stories(anything))
def test_each_snapshot_differs_from_the_one_before_and_its_revision_is_one_higher(story: Story) -> None:
    snapshots = payloads(as_it_came(story).said, ProfileChanged)
    assert [one.revision for one in snapshots] == list(range(1, len(snapshots) + 1))
    for before, after in itertools.pairwise(snapshots):
        assert msgspec.structs.replace(after, revision=before.revision) != before


@given(stories(st.one_of(assigned, assigned, described)))
def test_who_hears_every_owner_fact_knows_who_answers_on_which_day(story: Story) -> None:
    desk = as_it_came(story)
    heard: dict[date, OwnerChanged] = {}
    for fact in payloads(desk.said, OwnerChanged):
        heard[fact.valid_from] = fact
    customer = customer_of(desk)
    line = tenures(customer, DAYS)
    # Before the last day on which an owner was named, others know more than the profile: all that was ever named.
    first = named_on(customer, DAYS) or date(2026, 2, 1)
    for n in range(60):
        day = max(first, date(2026, 2, 20)) + timedelta(n)
        wanted = tenure_on(line, day)
        if wanted is None:
            continue
        known = max((fact for fact in heard.values() if fact.valid_from <= day), key=lambda fact: fact.valid_from)
        assert (known.owner_id, known.deputy_id) == (wanted.owner_id, wanted.deputy_id), day


@given(stories(limited))
def test_who_hears_every_limit_fact_knows_the_limits_of_every_day(story: Story) -> None:
    desk = as_it_came(story)
    heard: dict[tuple[str, date], LimitChanged] = {}
    for fact in payloads(desk.said, LimitChanged):
        heard[fact.company or "", fact.valid_from] = fact
    held = {
        (book.company, one.limit.valid_from): (one.limit.amount, one.limit.currency)
        for book in desk.every(LIMITS, CUSTOMER).values()
        for one in book.limits
    }
    said = {at: (fact.limit.amount, fact.limit.currency) if fact.limit else (None, None) for at, fact in heard.items()}
    assert said == held


@given(stories(described))
def test_the_last_standing_that_was_said_is_the_standing_of_the_snapshot(story: Story) -> None:
    desk = as_it_came(story)
    snapshot, standings = last_snapshot(desk), payloads(desk.said, StandingChanged)
    assert snapshot is not None
    last = standings[-1]
    assert (last.group, last.territory, last.relation) == (snapshot.group, snapshot.territory, snapshot.relation)
    assert last.valid_from == max(one.valid_from for one in standings)
    for before, after in itertools.pairwise(standings):
        assert msgspec.structs.replace(after, valid_from=before.valid_from) != before


@settings(max_examples=60)
@given(stories(anything))
def test_a_refold_changes_nothing_and_says_nothing(story: Story) -> None:
    desk = as_it_came(story)
    for _ in range(2):
        again = desk.refold(CUSTOMERS, CUSTOMER)
        assert again.said == []
        assert again.changed == {}


@given(stories(employed, COLLEAGUE))
def test_any_order_repetition_and_batching_gives_the_same_colleague(story: Story) -> None:
    straight, crooked = in_order(story), as_it_came(story)
    assert crooked.value(STAFF, COLLEAGUE) == straight.value(STAFF, COLLEAGUE)
    shown = [desk.value(STAFF_TOLD, COLLEAGUE) for desk in (straight, crooked)]
    cards = [(told.snapshot.name, told.snapshot.staff) for told in shown if told is not None and told.snapshot]
    assert cards[1:] == cards[:1]
    assert crooked.refold(STAFF, COLLEAGUE).said == []

"""Made histories of two accounts that become one customer and are parted again."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import zip_longest

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.alerts.store import ACCOUNTS, FALLEN, NOTIFICATIONS
from services.chassis.aggregate import Key, Stored
from tests.alerts.refoldkit import CUSTOMER, LATER, Story, Told, stories
from tests.desk import TestDesk

OTHER = "C-2"
APART = {CUSTOMER: CUSTOMER, OTHER: OTHER}
TOGETHER = {CUSTOMER: CUSTOMER, OTHER: CUSTOMER}
KEPT = {FALLEN.name, NOTIFICATIONS.name}  # what was said to people stays said


def of_other(story: Story) -> Story:
    """The same, told of another account."""
    facts = [msgspec.structs.replace(fact, subject=OTHER, id=f"o-{fact.id}") for fact in story.facts]
    return Story(facts, story.steps)


def both(told: Told, one: Story, other: Story) -> None:
    """Both stories, step by step in turn."""
    for step, beside in zip_longest(one.steps, other.steps):
        if step is not None:
            told.take(one, [step])
        if beside is not None:
            told.take(other, [beside])


def derived(desk: TestDesk) -> dict[str, dict[Key, Stored]]:
    """What is stored of both accounts and follows from their facts."""
    return {
        name: {
            at: stored
            for at, stored in desk.states[ACCOUNTS.name, name].documents.items()
            if at[0] not in KEPT and stored.value is not None
        }
        for name in (CUSTOMER, OTHER)
        if (ACCOUNTS.name, name) in desk.states
    }


@settings(max_examples=60, deadline=None)
@given(stories(limits=True), stories(limits=True, people=False).map(of_other), st.booleans())
def test_merged_and_parted_both_are_as_before_and_merged_they_are_as_folded_from_the_beginning(
    one: Story, other: Story, to_the_end: bool
) -> None:
    told = Told()
    both(told, one, other)
    if to_the_end:
        told.desk.advance(LATER)
    desk = told.desk
    desk.regroup(ACCOUNTS, APART)
    before = derived(desk)
    desk.regroup(ACCOUNTS, TOGETHER)
    assert derived(desk).get(OTHER, {}).keys() <= {(ACCOUNTS.name, "")}
    again = desk.refold(ACCOUNTS, CUSTOMER)
    assert (again.changed, again.said) == ({}, [])
    desk.regroup(ACCOUNTS, APART)
    assert derived(desk) == before


@settings(max_examples=40, deadline=None)
@given(stories(limits=True, people=False), stories(people=False).map(of_other), st.integers(0, 3))
def test_facts_that_come_before_during_and_after_are_folded_as_if_it_had_always_been_so(
    one: Story, other: Story, cut: int
) -> None:
    told = Told()
    told.take(one, one.steps[:cut]).take(other, other.steps[:cut])
    told.desk.regroup(ACCOUNTS, TOGETHER)
    told.take(one, one.steps[cut:]).take(other, other.steps[cut:])
    told.desk.advance(told.desk.now + timedelta(days=1))
    again = told.desk.refold(ACCOUNTS, CUSTOMER)
    assert (again.changed, again.said) == ({}, [])
    told.desk.regroup(ACCOUNTS, APART)
    told.desk.advance(told.desk.now)  # whose own days of change came while he was another's, the clock sees now
    for name in APART:
        assert told.desk.refold(ACCOUNTS, name).changed == {}


@settings(max_examples=40, deadline=None)
@given(stories(people=False), stories(people=False).map(of_other))
def test_a_merge_writes_to_nobody_about_an_alert_he_was_told_of(one: Story, other: Story) -> None:
    told = Told()
    both(told, one, other)
    told.desk.advance(LATER)
    desk = told.desk
    once = Counter(message.alert_id for name in APART for message in desk.every(NOTIFICATIONS, name).values())
    for to in (TOGETHER, APART, TOGETHER):
        desk.regroup(ACCOUNTS, to)
        now = Counter(message.alert_id for name in APART for message in desk.every(NOTIFICATIONS, name).values())
        assert {name: n for name, n in now.items() if name in once} == once

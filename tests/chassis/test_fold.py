"""The pure middle: what becomes of a subject when its work is folded, whatever the work does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import Event
from contracts.events.customers import CustomerLinked
from contracts.refusal import Refused
from services.chassis.aggregate import Desk, Head, Key, Part, State, Stored
from services.chassis.fold import Folded, fold_subject, known_needs
from services.chassis.plan import settle
from services.chassis.service import Service
from services.chassis.work import Work, tick_work
from tests.chassis.lab import CARDS, NOW, SLIPS, Card, Slip, lab_service, told, work_for

SERVICE = lab_service()
DUE = NOW + timedelta(hours=1)


def blank(subject: str = "C-1") -> State:
    return State(subject, CARDS.name, documents={(CARDS.name, ""): Stored(None)})


def fold(state: State, works: list[Work], service: Service = SERVICE, **options: Any) -> Folded:
    """Fold as the applier does; what is not on the desk is not there."""
    while (one := fold_subject(state, works, "rapport/profiles", service.kinds, **options)).missing:
        for name, key in one.missing:
            if key == "*":
                state.whole.add(name)
            else:
                state.documents[(name, key)] = Stored(None)
    return one


def works(*orders: tuple[str, object]) -> list[Work]:
    return [work_for(SERVICE, told(verb, what, "C-1", f"e{n}")) for n, (verb, what) in enumerate(orders)]


def tick(due: Any = DUE, kind: Any = CARDS, key: str = "", then: Any = None) -> Work:
    return tick_work(kind, CARDS, then or SERVICE.ticks["cards"][1], "C-1", key, due)


def waiting(due: Any = DUE, v: int = 3) -> State:
    return State("C-1", CARDS.name, v=v, documents={(CARDS.name, ""): Stored(Card(), due)})


def card_of(one: Folded) -> Card:
    value: Card = one.changed[(CARDS.name, "")][1].value
    return value


def test_a_fold_that_raises_leaves_its_subject_as_before_and_takes_only_itself_out() -> None:
    one = fold(blank(), works(("add", 1), ("boom", 0), ("no", 0), ("add", 2)))
    assert card_of(one) == Card(n=3, trail=("e0", "e3"))
    assert one.said == []
    assert [(dead.id, dead.reason, dead.field) for dead in one.dead] == [
        ("crm:e1", "fold_failed", None),
        ("crm:e2", "not_wanted", "$.system"),
    ]
    assert "RuntimeError: boom" in one.dead[0].message
    assert [work.cause for work in one.rows] == ["crm:e0", "crm:e3"]


def test_what_a_fold_asks_for_is_asked_for_once_for_all_its_work() -> None:
    one = fold_subject(blank(), works(("slip", "a"), ("slip", "b"), ("slip", "a")), "", SERVICE.kinds)
    assert one.missing == {("slips", "a"), ("slips", "b")}
    assert not one.dead


def test_a_subject_may_be_asked_for_all_it_has_also_for_what_this_batch_made() -> None:
    state = blank()
    state.documents[(SLIPS.name, "old")] = Stored(Slip(5))
    one = fold(state, works(("slip", "new"), ("slip", "old"), ("all", 0)))
    assert card_of(one).n == 7


def test_after_an_erasure_nothing_more_is_taken_and_nothing_of_it_is_kept() -> None:
    state = State("C-1", CARDS.name, v=2, erased=True, documents={(CARDS.name, ""): Stored(None)})
    one = fold(state, [*works(("add", 1)), tick()])
    assert [(dead.reason, dead.bare) for dead in one.dead] == [("erased", True)], "a moment that waited is no letter"
    assert not one.moves


def test_a_moment_that_has_come_is_over_when_its_tick_says_nothing_else() -> None:
    assert fold(waiting(), [tick()]).changed[(CARDS.name, "")][1] == Stored(Card(ticks=1), None)
    idle = fold(waiting(), [tick(then=lambda desk, key, card: None)])
    assert idle.changed[(CARDS.name, "")][1] == Stored(Card(), None), "or the clock would come to it for ever"


def test_a_moment_that_has_moved_is_not_fired() -> None:
    for due in (DUE + timedelta(days=1), DUE - timedelta(minutes=1), None):
        assert not fold(waiting(due), [tick()]).moves


def test_a_tick_that_fails_or_refuses_is_filed_and_does_not_come_again() -> None:
    def refuse(desk: Desk, key: str, card: Card) -> None:
        raise Refused("no", "No.")

    def crash(desk: Desk, key: str, card: Card) -> None:
        raise KeyError(key)

    def again(desk: Desk, key: str, card: Card) -> None:
        desk.put(CARDS, card, due=desk.now)

    for then in (refuse, crash, again):
        one = fold(waiting(), [tick(then=then)])
        assert one.changed[(CARDS.name, "")][1] == Stored(Card(), None)
        assert [(dead.subject, dead.origin) for dead in one.dead] == [("C-1", None)]


def test_the_same_moment_come_again_says_something_else() -> None:
    """An invoice paid, reversed and due on the same day again: the second alarm must not look like a repeat."""
    first, second = (fold(waiting(v=v), [tick()]).said[0] for v in (3, 9))
    again = fold(waiting(v=3), [tick()]).said[0]
    assert first.id != second.id
    assert first.id == again.id, "a transaction that is tried again says the same"


def test_a_fold_keeps_to_its_own_head_and_to_what_the_service_stores() -> None:
    foreign = Head("others", Card)
    hidden = Part("hidden", Slip, CARDS)

    def use(change: Any) -> Folded:
        service = lab_service()
        service.ticks["cards"] = (CARDS, change)
        return fold(waiting(), [tick(then=change)], service)

    for change in (
        lambda desk, key, card: desk.put(foreign, Card()),
        lambda desk, key, card: desk.get(foreign),
        lambda desk, key, card: desk.drop(Part("theirs", Slip, foreign), "k"),
        lambda desk, key, card: desk.put(hidden, Slip(), "k"),
        lambda desk, key, card: desk.get(hidden, "k"),
    ):
        assert [dead.reason for dead in use(change).dead] == ["fold_failed"]


def test_needs_that_cannot_be_read_from_an_event_are_left_to_its_fold() -> None:
    service = lab_service()
    kind = CustomerLinked.TYPE
    service.handlers[kind] = replace(service.handlers[kind], needs=lambda event: [(SLIPS, str(1 // 0))])
    work = work_for(service, told("slip", "a", "C-1"))
    assert known_needs(blank(), {(CARDS.name, "C-1"): [work]}) == set()


def test_what_cannot_be_stored_is_the_events_own_fault_when_it_is_asked() -> None:
    def check(desk: Desk) -> None:
        if desk.cause == "crm:e1":
            raise OverflowError("too much")

    one = fold(blank(), works(("add", 1), ("huge", 0), ("add", 2)), check=check)
    assert (card_of(one).n, [dead.reason for dead in one.dead]) == (3, ["fold_failed"])


orders = st.lists(
    st.tuples(
        st.sampled_from(["add", "say", "slip", "drop", "wait", "all", "no", "boom", "first", "nothing"]),
        st.integers(0, 3),
    ),
    max_size=12,
)


@given(orders=orders, cuts=st.sets(st.integers(0, 12)))
def test_any_split_into_batches_gives_the_same_documents_and_says_the_same(
    orders: list[tuple[str, int]], cuts: set[int]
) -> None:
    told_at_once, told_in_parts = history(orders, set()), history(orders, cuts)
    assert told_in_parts == told_at_once


def history(orders: list[tuple[str, int]], cuts: set[int]) -> tuple[dict[Key, Stored], list[Event], list[str]]:
    """What there is, what was said and what was refused after folding in batches cut at these places."""
    state = blank()
    said: list[Event] = []
    dead: list[str] = []
    edges = sorted({0, len(orders)} | {cut for cut in cuts if cut < len(orders)})
    everything = works(*orders)
    for start, end in pairwise(edges):
        one = fold(state, everything[start:end])
        settle(one)
        said += one.said
        dead += [letter.id for letter in one.dead]
    return {at: stored for at, stored in state.documents.items() if stored != Stored(None)}, said, dead

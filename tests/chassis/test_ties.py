"""Which accounts are one customer: the same in whatever order it is learnt, never a circle, loosed as it was tied."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.chassis.mongo import Doc
from services.chassis.ties import Said, in_order, parents, roots

NAMES = ("A", "B", "C", "D")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def tie(rank: int, account: str, into: str, holds: bool = True) -> Said:
    return Said(rank, f"crm:{rank}", account, into, holds)


ties = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.booleans()), max_size=10
).map(lambda found: [tie(n, *one) for n, one in enumerate(found)])  # fmt: skip


@given(ties, st.randoms())
def test_the_order_in_which_ties_become_known_and_repeats_change_nothing(said: list[Said], dice: Random) -> None:
    shuffled = said + said[:3]
    dice.shuffle(shuffled)
    assert roots(shuffled, NAMES) == roots(said, NAMES)


@given(ties)
def test_every_account_has_one_root_and_a_root_is_its_own(said: list[Said]) -> None:
    found = roots(said, NAMES)
    assert set(found) == set(NAMES)
    assert all(found[root] == root for root in found.values())


@given(ties, st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_what_is_tied_and_loosed_again_is_as_before_it(said: list[Said], account: str, into: str) -> None:
    if account in parents(said) or account == into:
        return  # it leaves another then, or is not tied at all
    assert roots([*said, tie(90, account, into), tie(91, account, into, False)], NAMES) == roots(said, NAMES)


def test_a_tie_that_would_close_a_circle_does_not_hold() -> None:
    said = [tie(1, "A", "B"), tie(2, "B", "C"), tie(3, "C", "A")]
    assert roots(said, NAMES) == {"A": "C", "B": "C", "C": "C", "D": "D"}


def test_a_later_tie_moves_the_account_and_what_is_tied_to_it_goes_along() -> None:
    said = [tie(1, "A", "B"), tie(2, "B", "C"), tie(3, "B", "D")]
    assert roots(said, NAMES) == {"A": "D", "B": "D", "C": "C", "D": "D"}


def test_loosing_counts_against_any_account_above_and_no_other() -> None:
    held = [tie(1, "A", "B"), tie(2, "B", "C")]
    assert roots([*held, tie(3, "A", "C", False)], NAMES)["A"] == "A"
    assert roots([*held, tie(3, "A", "D", False)], NAMES)["A"] == "C"


def test_rows_of_several_accounts_are_told_by_the_moment_and_each_accounts_own_keep_their_order() -> None:
    def row(name: str, o: int, minutes: int, account: str = "") -> Doc:
        made: Doc = {"_id": name, "s": "R", "o": o, "at": NOON + timedelta(minutes=minutes)}
        return made | ({"a": account} if account else {})

    rows = [row("r1", 1, 10), row("a1", 1, 5, "A"), row("r2", 2, 2), row("a2", 2, 20, "A"), row("r3", 9, 30)]
    assert [one["_id"] for one in in_order(rows)] == ["a1", "r1", "r2", "a2", "r3"]
    own = [row("x", 1, 9), row("y", 2, 3)]
    assert in_order(own) is own, "who has one account costs nothing"

"""Accounts that are one customer: their facts are folded together at the root, go back when they part again, and no
kill or second writer on the way does any harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.envelope import Event
from contracts.events.customers import CustomerErased, OutputDeclared
from deploy.local.stack import Stack
from services.chassis import marks
from services.chassis.lease import Leases
from services.chassis.mongo import Doc
from services.chassis.refold import refold_subject
from services.chassis.ties import Said, roots
from services.chassis.withdraw import LEASE
from services.chassis.work import act_work, tick_work
from tests.chassis.lab import CARDS, NOW, Lab, opened, said, told, unique
from tests.chassis.tiekit import (
    LETTERS,
    Seen,
    added,
    everything,
    merged,
    settle,
    tying_service,
    unmerged,
    worker,
    wrote,
)

pytestmark = pytest.mark.stack
LATER = NOW + timedelta(days=1)
SEEN: Seen = []


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(stack: Stack) -> AsyncIterator[Lab]:
    async with opened(stack.mongo, tying_service(SEEN)) as lab:
        yield lab


async def head(lab: Lab, account: str) -> Doc:
    doc = await lab.db["cards"].find_one({"_id": account})
    assert doc is not None
    return dict(doc)


async def test_facts_of_both_accounts_are_folded_at_the_root_before_and_after(lab: Lab) -> None:
    applier, root, other = await lab.applier(), unique("R"), unique("A")
    await applier.apply(lab.works([added(root, 1), added(other, 2), told("slip", "x", other)]))
    await applier.apply(lab.works([merged(root, other)]))
    await settle(lab, applier)
    outcome = await applier.apply(lab.works([added(other, 4), added(root, 8), told("slip", "x", other)]))
    assert not outcome.dead
    card = await lab.card(root)
    assert card is not None and card.n == 15
    assert await lab.slips(root) == {"x": 2} and await lab.slips(other) == {}
    sign = await head(lab, other)
    assert (sign["root"], "state" in sign, (await head(lab, root))["kin"]) == (root, False, [other])
    rows = await lab.db["ledger"].find({"s": root}).to_list(None)
    assert sorted(row.get("a", root) for row in rows) == sorted([other] * 4 + [root] * 3), "each keeps its account"
    assert await refold_subject(applier, CARDS, root, LATER) is False, "streamed as folded from the beginning"


async def test_what_was_merged_and_parted_again_is_as_it_was(lab: Lab) -> None:
    applier, root, other = await lab.applier(), unique("R"), unique("A")
    facts = [added(root, 1), told("slip", "x", root), added(other, 2), told("slip", "x", other), told("wait", 5, other)]
    await applier.apply(lab.works(facts))
    for account, text in ((root, "to-root"), (other, "to-other")):
        act = act_work(CARDS, account, NOW, f"w:{text}", partial(wrote, text=text))
        await applier.apply([act])
    before = await everything(lab, root, other)
    await applier.apply(lab.works([merged(root, other)]))
    await settle(lab, applier)
    during = await everything(lab, root, other)
    assert [doc["s"] for doc in during["letters"]] == [root, root]
    assert {doc["state"]["account"] for doc in during["letters"]} == {"", other}
    await applier.apply(lab.works([unmerged(root, other)]))
    await settle(lab, applier)
    assert await everything(lab, root, other) == before


async def test_what_came_and_was_written_while_they_were_one_goes_with_its_account(lab: Lab) -> None:
    applier, root, other = await lab.applier(), unique("R"), unique("A")
    await applier.apply(lab.works([added(root, 1), merged(root, other)]))
    await settle(lab, applier)
    await applier.apply(lab.works([added(other, 2), told("slip", "y", other)]))
    await applier.apply([act_work(CARDS, root, NOW, f"n:{root}", partial(wrote, text=f"n-{root}", account=other))])
    await applier.apply(lab.works([unmerged(root, other)]))
    await settle(lab, applier)
    mine, its = await lab.card(root), await lab.card(other)
    assert mine is not None and its is not None and (mine.n, its.n) == (1, 2)
    assert await lab.slips(other) == {"y": 1}
    letter = await lab.db["letters"].find_one({"k": f"n-{root}"})
    assert letter is not None and (letter["s"], letter["state"]["account"]) == (other, "")
    rows = await lab.db["ledger"].find({"s": other}).to_list(None)
    assert len(rows) == 2 and not any("a" in row for row in rows)


async def test_a_later_fact_of_the_account_finds_the_root_by_way_of_several(lab: Lab) -> None:
    applier, a, b, c = await lab.applier(), unique("A"), unique("B"), unique("C")
    await applier.apply(lab.works([merged(b, a, 1), added(a, 1)]))
    await settle(lab, applier)
    await applier.apply(lab.works([merged(c, b, 2), added(b, 2), added(a, 4)]))
    await settle(lab, applier)
    await applier.apply(lab.works([added(a, 8), added(b, 16), added(c, 32)]))
    card = await lab.card(c)
    assert card is not None and card.n == 63
    await applier.apply(lab.works([unmerged(c, b, 3)]))
    await settle(lab, applier)
    mine, its = await lab.card(c), await lab.card(b)
    assert mine is not None and its is not None and (mine.n, its.n) == (32, 31)
    assert (await head(lab, a))["root"] == b


async def test_a_circle_is_not_closed(lab: Lab) -> None:
    applier, a, b = await lab.applier(), unique("A"), unique("B")
    await applier.apply(lab.works([added(a, 1), added(b, 2), merged(a, b, 1), merged(b, a, 2)]))
    await settle(lab, applier)
    card = await lab.card(a)
    assert card is not None and card.n == 3 and (await head(lab, b))["root"] == a


async def test_what_is_said_of_the_account_itself_waits_until_it_stands_alone(lab: Lab) -> None:
    applier, root, other = await lab.applier(), unique("R"), unique("A")
    own = OutputDeclared(output_id="o", kind="service", name="x")
    await applier.apply(lab.works([said(own, root), said(own, other), merged(root, other)]))
    await settle(lab, applier)
    await applier.apply(lab.works([said(own, other)]))
    card = await lab.card(root)
    assert card is not None and card.trail == (f"own:{root}",)
    await applier.apply(lab.works([unmerged(root, other)]))
    await settle(lab, applier)
    card = await lab.card(other)
    assert card is not None and card.trail == (f"own:{other}", f"own:{other}")


async def test_a_moment_that_was_due_of_one_is_folded_at_the_root(lab: Lab) -> None:
    applier, root, other = await lab.applier(), unique("R"), unique("A")
    await applier.apply(lab.works([told("wait", 5, other)]))
    due = (await head(lab, other))["due"]
    await applier.apply(lab.works([merged(root, other)]))
    await settle(lab, applier)
    assert (await head(lab, root))["due"] == due
    await applier.apply([tick_work(CARDS, CARDS, lab.service.ticks["cards"][1], other, "", due)])  # read before that
    card = await lab.card(root)
    assert card is not None and card.ticks == 1


async def test_the_service_is_told_what_was_there_once(lab: Lab) -> None:
    applier, root, other = await lab.applier(), unique("R"), unique("A")
    await applier.apply(lab.works([told("slip", "a", other), told("slip", "r", root)]))
    tie, loose = merged(root, other), unmerged(root, other)
    await applier.apply(lab.works([tie]))
    await settle(lab, applier)
    await applier.apply(lab.works([loose]))
    await settle(lab, applier)
    found = [one for one in SEEN if one[0] in (root, other)]
    assert sorted(found) == sorted([
        (root, f"crm:{tie.id}", ["slips/a", "slips/r"]),
        (root, f"crm:{loose.id}", ["slips/r"]),
        (other, f"crm:{loose.id}", ["slips/a"]),
    ])  # fmt: skip


async def test_an_erasure_of_any_account_is_one_of_the_customer(lab: Lab) -> None:
    applier, root, other, late = await lab.applier(), unique("R"), unique("A"), unique("L")
    await applier.apply(lab.works([added(root, 1), added(other, 2), added(late, 4), merged(root, other)]))
    await settle(lab, applier)
    # Known as his, and not gathered yet, when he is erased.
    await applier.apply(lab.works([merged(root, late), said(CustomerErased(), other)]))
    await settle(lab, applier)
    for account in (root, other, late):
        doc = await head(lab, account)
        assert doc.get("erased") and "state" not in doc, account
        outcome = await applier.apply(lab.works([added(account, 1)]))
        assert [dead.reason for dead in outcome.dead] == ["erased"]
    names = [root, other, late]
    assert await lab.db["ledger"].count_documents({"$or": [{"s": {"$in": names}}, {"a": {"$in": names}}]}) == 0
    assert await lab.db["ledger"].count_documents({"m": {"$in": names}}) == 0
    again = await applier.apply(lab.works([said(CustomerErased(), late)]))
    assert not again.dead, "told again, there is nothing to do"


class Killed(BaseException):
    """The process ends here."""


async def test_a_kill_in_the_middle_leaves_all_as_it_was_and_the_next_goes_on(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    applier, root, other = await lab.applier(), unique("R"), unique("A")
    await applier.apply(lab.works([added(root, 1), added(other, 2), merged(root, other)]))
    before = await everything(lab, root, other)

    def die(place: str) -> None:
        if place == marks.IN_TRANSACTION:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(marks, "reach", die)
        await worker(lab, applier).round()
    assert await everything(lab, root, other) == before
    await Leases(lab.db, applier.sessions.holder, 60_000).release(LEASE)  # as if it had run out
    successor = await lab.applier()
    await successor.apply(lab.works([added(other, 4)]))
    await settle(lab, successor)
    card = await lab.card(root)
    assert card is not None and card.n == 7


async def test_a_second_writer_in_the_middle_loses_and_doubles_nothing(lab: Lab) -> None:
    live, second, mending = await lab.applier(), await lab.applier(), await lab.applier()
    root, other = unique("R"), unique("A")

    async def serve(account: str) -> None:
        for _ in range(25):
            outcome = await live.apply(lab.works([added(account, 1)], datetime.now(UTC)))
            assert not outcome.dead
            outcome = await second.apply(lab.works([added(account, 1), told("slip", "s", account)], datetime.now(UTC)))
            assert not outcome.dead

    async def mend() -> None:
        for n in range(1, 6):
            tie = merged(root, other, 2 * n) if n % 2 else unmerged(root, other, 2 * n)
            await mending.apply(lab.works([tie], datetime.now(UTC)))
            await settle(lab, mending)

    await asyncio.gather(serve(root), serve(other), mend())
    card = await lab.card(root)
    assert card is not None and card.n == 100
    assert await lab.slips(root) == {"s": 50}
    assert await refold_subject(mending, CARDS, root, datetime.now(UTC)) is False


ACCOUNTS = ("R", "A", "B")
steps = st.lists(
    st.one_of(
        st.tuples(st.just("fact"), st.sampled_from(ACCOUNTS), st.integers(1, 9)),
        st.tuples(st.sampled_from(["merge", "unmerge"]), st.sampled_from(ACCOUNTS), st.sampled_from(ACCOUNTS)),
        st.just(("settle", "", 0)),
    ),
    min_size=3,
    max_size=14,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=steps, ranks=st.permutations(range(14)), repeat=st.booleans())
async def test_any_order_of_facts_and_ties_gives_the_state_folded_from_the_beginning(
    lab: Lab, story: list[tuple[str, str, int | str]], ranks: list[int], repeat: bool
) -> None:
    applier, run = await lab.applier(), unique("")
    name = {account: f"{account}{run}" for account in ACCOUNTS}
    ties: list[Said] = []
    sums = dict.fromkeys(ACCOUNTS, 0)
    for n, (what, account, more) in enumerate(story):
        event: Event | None = None
        if what == "fact":
            sums[account] += int(more)
            event = added(name[account], int(more), f"{run}-{n}")
        elif what in ("merge", "unmerge") and account != more:
            make = merged if what == "merge" else unmerged
            event = make(name[account], name[str(more)], ranks[n], f"{run}-{n}")
            ties.append(Said(ranks[n], "", str(more), account, what == "merge"))
        elif what == "settle":
            await settle(lab, applier)
        if event is not None:
            for _ in range(1 + repeat):
                await applier.apply(lab.works([event], NOW + timedelta(seconds=n)))
    await settle(lab, applier)
    to = roots(ties, ACCOUNTS)
    for root in ACCOUNTS:
        card = await lab.card(name[root])
        gathered = sum(sums[account] for account in ACCOUNTS if to[account] == root)
        assert (card.n if card is not None else 0) == gathered, (root, to)
        assert await refold_subject(applier, CARDS, name[root], LATER) is False
    assert await lab.db["ledger"].count_documents({"w": True}) == 0


def test_letters_follow_and_what_has_no_account_stays() -> None:
    assert LETTERS.follows
    assert not any(part.follows for part in tying_service().all_parts() if part.name in ("notes", "slips"))

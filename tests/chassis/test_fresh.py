"""The relay's short cut: whatever happens, all is sent, and what one subject said in the order in which it was said."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.chassis.fresh import Fresh

SHARDS = 2
Row = dict[str, Any]


@dataclass
class Play:
    """A relay's rounds without their waiting: rows in the database in the order of their commits, what was sent."""

    fresh: Fresh
    database: list[Row] = field(default_factory=list)
    sent: list[Row] = field(default_factory=list)
    last: dict[str, str] = field(default_factory=dict)  # who spoke last for a subject
    told: int = 0

    def say(self, who: str, subject: str) -> Row:
        """A transaction of this process or of another; what is said here is handed on by the caller."""
        self.told += 1
        row = {"_id": self.told, "shard": ord(subject) % SHARDS, "subject": subject, "at": self.told}
        row["unsure"] = self.last.get(subject, who) != who
        self.last[subject] = who
        self.database.append(row)
        return row

    def hand(self, row: Row) -> None:
        self.fresh.hand([row], [row["shard"]] if row["unsure"] else [])

    def round(self, dice: random.Random, limit: int, meanwhile: Callable[[], None]) -> int:
        """As in `Relay.send_once`; `meanwhile` is done between asking the database and marking."""
        rows = self.fresh.take(range(SHARDS), limit)
        behind = set(self.fresh.behind)
        self.fresh.asking(behind)
        found = [row for row in self.database if row["shard"] in behind][:limit]
        meanwhile()
        if dice.random() < 0.1:  # the broker takes none of it
            self.fresh.doubt({row["shard"] for row in rows + found})
            return 1
        self.sent += rows + found
        gone = {row["_id"] for row in rows + found}
        self.database = [row for row in self.database if row["_id"] not in gone]
        if len(found) < limit:
            self.fresh.caught_up(behind)
        return len(gone)


@given(
    steps=st.lists(st.sampled_from(["here", "here", "here", "there", "round", "doubt"]), max_size=120),
    seed=st.integers(0, 10_000),
    limit=st.integers(1, 6),
    most=st.integers(1, 8),
)
def test_all_is_sent_in_order_whoever_said_it(steps: list[str], seed: int, limit: int, most: int) -> None:
    dice, play = random.Random(seed), Play(Fresh(SHARDS, most))

    def meanwhile() -> None:
        for _ in range(dice.randint(0, 2)):
            step(dice.choice(["here", "there"]))

    def step(what: str) -> None:
        if what == "here":
            play.hand(play.say("here", dice.choice("abcd")))
        elif what == "there":
            play.say("there", dice.choice("abcd"))
        elif what == "doubt":
            play.fresh.doubt([dice.randrange(SHARDS)])
        else:
            play.round(dice, limit, meanwhile)

    for what in steps:
        step(what)
    play.fresh.doubt(range(SHARDS))  # as every relay does twice a second
    while play.database:
        play.round(dice, limit, lambda: None)
    assert {row["_id"] for row in play.sent} == set(range(1, play.told + 1))
    for subject in "abcd":
        order = list(dict.fromkeys(row["_id"] for row in play.sent if row["subject"] == subject))
        assert order == sorted(order)


def test_what_is_said_in_order_here_needs_no_look_into_the_database() -> None:
    play = Play(Fresh(SHARDS))
    play.round(random.Random(1), 10, lambda: None)
    assert not play.fresh.behind
    rows = [play.say("here", subject) for subject in "abcabc"]
    for row in rows:
        play.hand(row)
    assert not play.fresh.behind
    assert [row["_id"] for row in play.fresh.take(range(SHARDS), 4)] != []
    assert play.fresh.take([], 10) == [], "shards that others hold are theirs"


def test_more_than_may_be_held_is_left_to_the_database() -> None:
    play = Play(Fresh(SHARDS, most=3))
    play.round(random.Random(1), 10, lambda: None)
    for _ in range(4):
        play.hand(play.say("here", "b"))
    assert play.fresh.behind == {ord("b") % SHARDS}
    assert play.fresh.take(range(SHARDS), 10) == []

"""The load and the reference themselves: quick tests of what the fault run rests on."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from contracts.envelope import decode
from contracts.refusal import Refused
from tests.faults import load, size, terms, zone
from tests.faults.reference import Books
from tests.faults.size import ZONE, on


def test_a_seed_is_the_same_every_time() -> None:
    assert load.make(size.tiny(3)).days == load.make(size.tiny(3)).days


def test_every_record_is_sound_or_counted_as_poison() -> None:
    made = load.make(size.tiny(4))
    sound, refused = set(), Counter[str]()
    for wires in made.days.values():
        for wire in wires:
            try:
                event = decode(wire.value, wire.headers, wire.key, received_at=datetime(2026, 6, 1, tzinfo=UTC))
                sound.add(load.name_of(event))
            except Refused as reason:
                refused[reason.reason] += 1
    conflicts = {name for name, reason in made.poison.items() if reason == "conflict"}
    assert sound == made.accepted.keys() | conflicts
    assert refused == Counter(reason for reason in made.poison.values() if reason != "conflict") + Counter(
        missing_attribute=made.placed
    )


def test_the_reference_is_the_same_in_any_order() -> None:
    made = load.make(size.tiny(5))
    events = list(made.accepted.values())
    plain = Books.of(terms.rules(ZONE), events)
    Random(5).shuffle(events)
    mixed = Books.of(terms.rules(ZONE), events)
    assert (mixed.items, mixed.settlements, mixed.accounts) == (plain.items, plain.settlements, plain.accounts)
    assert (mixed.orders, mixed.purchases) == (plain.orders, plain.purchases)
    assert mixed.episodes(on(7)) == plain.episodes(on(7))
    assert mixed.weighed(on(7)) == plain.weighed(on(7))


def test_a_made_zone_has_its_midnight_where_it_is_wanted(tmp_path: Path) -> None:
    for hours in range(24):
        at = datetime(2026, 11, 22, hours, 17, 5, tzinfo=UTC)
        made = zone.with_midnight(tmp_path, at)
        assert at.astimezone(made).time().isoformat() == "00:00:00"
        assert abs(made.utcoffset(at) or timedelta()) <= timedelta(hours=12)

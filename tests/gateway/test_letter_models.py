"""A case without broker and database: its state, its words, what a correction changes, what a record says."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.refusal import Refused
from services.gateway.letters import judge
from services.gateway.letters.store import Record, case_id
from services.gateway.letters.wire import Heard, Taken, heard
from services.gateway.model import letter, reasons
from services.gateway.model.difference import MOST, Change, changes
from services.gateway.model.letter import Case
from tests.gateway.gatekit import invoice
from tests.gateway.letterkit import letter_of, record_of

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
ROOT = Path(__file__).parent.parent.parent
# Said to who asks at once, or of rows and requests: never the reason of a dead letter.
ANSWERED = re.compile(r"services/(?:gateway|alerts/(?:plain|decided|commands|api))")


def case(**more: Any) -> Case:
    """One that has just come."""
    given: dict[str, Any] = {"id": "1", "service": "alerts", "letter": "erp:1", "at": NOW, "last": NOW, "touched": NOW}
    place: dict[str, Any] = {"topic": "rapport.trade", "partition": 0, "offset": 1, "reason": "bad_money"}
    return letter.with_state(Case(**(given | place | more)))


def reasons_in_the_code() -> Iterator[tuple[str, str]]:
    """Every reason that contracts and services refuse an event with, and where."""
    for path in [*ROOT.glob("contracts/**/*.py"), *ROOT.glob("services/**/*.py")]:
        name = path.relative_to(ROOT).as_posix()
        if ANSWERED.match(name):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called, first = ast.unparse(node.func), node.args[0]
            if (
                called.rpartition(".")[2] == "Refused"
                and isinstance(first, ast.Constant)
                and isinstance(first.value, str)
            ):
                yield first.value, f"{name}:{node.lineno}"


def test_every_reason_that_the_code_knows_has_words_of_its_own_in_both_languages() -> None:
    found = dict(reasons_in_the_code())
    assert {"conflict", "bad_money", "malformed_json"} <= found.keys()
    assert {reason: place for reason, place in found.items() if reason not in reasons.WORDS} == {}
    for words in (*reasons.WORDS.values(), reasons.OTHER):
        assert re.search("[\u4e00-\u9fff]", words.zh) and re.search("[\u4e00-\u9fff]", words.next_zh)
        assert not re.search("[\u4e00-\u9fff]", words.en + words.next_en)
        assert words.en.endswith(".") and words.next_en.endswith(".")
    assert reasons.words("what nobody has thought of") is reasons.OTHER


Move = Callable[[Case], Case]


def moves(attempt: int, refused_last: bool) -> list[Move]:
    """What is heard of a first sending and a last one, from three sides."""

    def refused(one: Case, n: int) -> Case:
        return letter.refused_again(one, case(reason=f"reason_{n}"), n)

    def out(one: Case, n: int) -> Case:
        return letter.with_state(one, attempts=max(one.attempts, n), outgoing=None)

    told: list[Move] = [lambda one, n=n: out(one, n) for n in range(1, attempt + 1)]  # type: ignore[misc]
    told += [lambda one, n=n: refused(one, n) for n in range(1, attempt + refused_last)]  # type: ignore[misc]
    return told


@given(st.data(), st.integers(1, 4), st.booleans())
def test_the_state_follows_from_what_is_known_in_whatever_order_it_is_heard(
    data: st.DataObject, attempt: int, refused_last: bool
) -> None:
    told = moves(attempt, refused_last)
    order = data.draw(st.permutations(told + told))
    one = case(attempts=0)
    for move in order:
        one = move(one)
    assert (one.attempts, one.refused) == (attempt, attempt if refused_last else attempt - 1)
    assert one.state == ("open" if refused_last else "sent")
    assert letter.taken(one, attempt, NOW).state == "settled"


def test_a_closed_case_that_is_refused_once_more_is_open_again_and_a_repeat_opens_nothing() -> None:
    sent = letter.with_state(case(), attempts=1)
    closed = letter.closed(sent, "enough", "op", NOW)
    assert letter.refused_again(closed, case(reason="conflict"), 0) is closed
    again = letter.refused_again(closed, case(reason="conflict"), 1)
    assert (again.state, again.reason, again.closed) == ("open", "conflict", None)
    assert letter.taken(again, 2, NOW) is not again
    settled = letter.taken(again, 2, NOW)
    assert letter.taken(settled, 2, NOW) is settled


def test_who_called_it_off_and_who_sends_it_cannot_both_have_their_way() -> None:
    claimed = letter.claimed(case(), "op", NOW)
    assert claimed.outgoing is not None
    off = letter.stays(claimed, 1, NOW, "", "called_off")
    assert off is not None and letter.went_out(off, 1, NOW) is None
    out = letter.went_out(claimed, 1, NOW)
    assert out is not None and out.state == "sent" and letter.stays(out, 1, NOW, "") is None


def test_a_history_keeps_its_beginning_and_its_last_lines() -> None:
    one = case()
    for n in range(300):
        one = letter.assigned(one, f"staff/{n}", "op", NOW + timedelta(seconds=n))
    assert len(one.history) == letter.MOST
    assert one.history[0].note == "staff/0" and one.history[-1].note == "staff/299"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", max_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON)
def test_a_difference_is_empty_exactly_where_nothing_differs(before: Any, after: Any) -> None:
    same = msgspec.json.encode(before, order="sorted") == msgspec.json.encode(after, order="sorted")
    assert (changes(before, after) == []) is same


def test_a_difference_names_the_places() -> None:
    before = {"total": {"amount": 1, "currency": "CNY"}, "lines": [1, 2], "old": True}
    after = {"total": {"amount": "1.00", "currency": "CNY"}, "lines": [1, 3, 4], "new": None}
    assert changes(before, after) == [
        Change("$.total.amount", "changed", 1, "1.00"),
        Change("$.lines[1]", "changed", 2, 3),
        Change("$.lines[2]", "added", None, 4),
        Change("$.old", "removed", True),
        Change("$.new", "added"),
    ]
    assert len(changes({}, {str(n): n for n in range(1000)})) == MOST


def read(record: Any, topic: str = "rapport.dead.alerts") -> Heard | Taken | None:
    key, value, headers = record
    return heard(topic, NOW, key, value, list(headers))


def test_a_letter_says_what_it_was_where_it_was_and_why() -> None:
    found = read(letter_of(invoice("C-1"), "bad_money", 7, field="$.total"))
    assert isinstance(found, Heard) and found.attempt == 0 and found.again is None
    one = found.case
    assert (one.service, one.type, one.source, one.event_id, one.subject) == (
        *("alerts", "rapport.invoice.issued.v1", "erp/shanghai", "C-1-1", "C-1"),
    )
    assert (one.topic, one.offset, one.reason, one.field) == ("rapport.trade", 7, "bad_money", "$.total")
    assert one.id == case_id("alerts", "erp/shanghai:C-1-1") and one.why_not is None
    assert all(not name.startswith("x-rapport") for name, _ in found.record.headers)


def test_a_letter_about_who_is_erased_tells_the_event_by_its_name_alone() -> None:
    headers = [
        ("x-rapport-id", b"erp:7"),
        ("x-rapport-reason", b"erased"),
        ("x-rapport-original-topic", b"rapport.trade"),
    ]
    found = heard("rapport.dead.alerts", NOW, b"C-1", None, [(name, value) for name, value in headers])
    assert isinstance(found, Heard)
    assert (found.case.source, found.case.event_id, found.case.subject) == ("erp", "7", "C-1")


OURS = ("id", "reason", "original-topic", "original-offset", "taken", "attempt", "letter")
NAMES = st.sampled_from([*(f"x-rapport-{name}" for name in OURS), "content-type", "ce_id"])
CONTENT = st.binary(max_size=30) | st.just(b"application/cloudevents+json")


@given(st.lists(st.tuples(NAMES, CONTENT), max_size=12), st.none() | st.binary(max_size=30))
def test_whatever_lies_in_a_topic_of_dead_letters_is_read_or_passed_over(
    headers: list[tuple[str, bytes]], value: bytes | None
) -> None:
    found = heard("rapport.dead.alerts", NOW, b"k", value, headers)
    if isinstance(found, Heard):
        judge.data_of(found.record)
        judge.stated(found.case, found.record)
        with pytest.raises(Refused):
            judge.corrected(found.case, found.record, None, {}, NOW)


def test_what_goes_out_again_is_the_same_event_and_names_its_letter() -> None:
    event = invoice("C-1")
    key, value, headers = record_of(event)
    found = read(letter_of(event, "conflict"))
    assert isinstance(found, Heard)
    made = judge.outgoing(found.case, judge.as_it_was(found.record, NOW), 3)
    assert (made.topic, made.record.key, made.record.value) == ("rapport.trade", key, value)
    given = dict(made.record.headers)
    assert dict(headers).items() <= given.items()
    assert (given["x-rapport-letter"], given["x-rapport-attempt"]) == (b"erp/shanghai:C-1-1", b"3")
    with pytest.raises(Refused, match="key_mismatch"):
        judge.as_it_was(found.record._replace(key=b"C-2"), NOW)
    with pytest.raises(Refused, match="empty_value"):
        judge.as_it_was(Record(), NOW)


def test_a_structured_event_is_corrected_like_any_other() -> None:
    event = invoice("C-1")
    held = Record(b"C-1", msgspec.json.encode(event), [("content-type", b"application/cloudevents+json")])
    known = case(event_id="C-1-1", source="erp/shanghai", type=event["type"], subject="C-1")
    assert judge.data_of(held) == event["data"]
    judged = judge.corrected(known, held, event["data"] | {"company": "SH01"}, {}, NOW)
    assert judged.differences == [Change("$.company", "added", None, "SH01")]
    assert (judged.given.id, judged.given.time) == (event["id"], event["time"])

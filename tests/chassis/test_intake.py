"""Records to work: everything that can lie in a topic becomes work, a dead letter, or nothing; never a fault."""

from __future__ import annotations

from datetime import datetime, timedelta

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import Event, encode, encode_data, encode_json
from contracts.events.customers import CreditLimitSet, ReferralMade
from contracts.events.lifecycle import OwnerChanged
from contracts.money import Money
from services.chassis.logtime import LogTime, millis
from services.chassis.reader import Read, Reader, body_of
from tests.chassis.lab import NOW, lab_service, said, told

T0 = int(NOW.timestamp() * 1000)
TOPIC, PLACE = "rapport.customers", ("rapport.customers", 0)


def record(
    value: bytes | None,
    headers: list[tuple[str, bytes | None]] | list[tuple[str, bytes]],
    key: bytes | None = b"C-1",
    *,
    offset: int = 0,
    at: int = T0,
    topic: str = TOPIC,
) -> ConsumerRecord:
    return ConsumerRecord(
        topic=topic,
        partition=0,
        offset=offset,
        timestamp=at,
        timestamp_type=1,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=tuple(headers),
    )


def of(event: Event, **more: int) -> ConsumerRecord:
    made = encode(event)
    return record(made.value, made.headers, made.key, **more)  # type: ignore[arg-type]


def read(*records: ConsumerRecord, time: LogTime | None = None, limit: int = 10_000) -> Read:
    batch = {TopicPartition(records[0].topic, 0): list(records)}
    return Reader(lab_service(), time or LogTime(), limit).read(batch)


NAMES = ["content-type", "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time", "ce_specversion", "x"]
VALUES = [b"1.0", b"rapport.customer.linked.v1", b"application/cloudevents+json", b"2026-01-01T00:00:00Z"]
GOOD = b'{"system":"add","local_id":"1"}'
headers = st.lists(
    st.tuples(st.sampled_from(NAMES), st.none() | st.binary(max_size=8) | st.sampled_from(VALUES)), max_size=9
)


@given(value=st.none() | st.binary(max_size=40) | st.just(GOOD), headers=headers, key=st.none() | st.binary(max_size=8))
def test_whatever_lies_in_a_topic_is_read_past(
    value: bytes | None, headers: list[tuple[str, bytes | None]], key: bytes | None
) -> None:
    good = of(told("add", 1, "C-1"), offset=1)
    out = read(record(value, headers, key), good)
    assert len(out.works) + len(out.dead) <= 2
    assert out.works[-1].event is not None
    assert out.positions[0].next == 2


def test_a_fault_of_the_decoder_itself_is_the_records_and_not_the_processs() -> None:
    nested = b'{"system":' + b"[" * 5000 + b"]" * 5000 + b"}"
    out = read(record(nested, encode(told("add", 1, "C-1")).headers), of(told("add", 1, "C-1"), offset=1), limit=10**6)
    assert (len(out.works), len(out.dead)) == (1, 1)


def test_what_others_take_costs_no_decoding_and_what_nobody_knows_is_a_letter() -> None:
    others, ours = said(ReferralMade(referred_id="x"), "C-1"), told("add", 1, "C-1")
    damaged = encode(others)._replace(value=b"{")
    out = read(record(damaged.value, damaged.headers), of(ours))
    assert (len(out.works), out.dead) == (1, []), "not even looked at"
    unknown = [(name, b"rapport.no.such.v1" if name == "ce_type" else value) for name, value in encode(ours).headers]
    assert [dead.reason for dead in read(record(b"{}", unknown)).dead] == ["unknown_type"]


def test_what_the_service_itself_says_is_not_taken_from_the_bus() -> None:
    own = said(OwnerChanged(owner_id="x", valid_from=NOW.date()), "C-1")
    made = encode(own)
    out = read(record(made.value, made.headers, made.key, topic="rapport.lifecycle"))
    assert (out.works, out.dead) == ([], [])


def test_an_event_without_content_is_a_letter_where_no_tombstones_are() -> None:
    assert [dead.reason for dead in read(record(None, encode(told("add", 1, "C-1")).headers)).dead] == ["empty_value"]
    assert read(record(None, [], topic="rapport.profiles")).dead == []


def test_the_ledger_gets_the_payload_whatever_form_the_event_came_in() -> None:
    event = said(CreditLimitSet(limit=Money.of("500", "CNY"), valid_from=NOW.date()), "C-1")
    structured, binary = encode_json(event), encode(event)
    both = [("content-type", b"Application/CloudEvents+JSON"), ("ce_id", b"also there")]
    assert body_of(dict(both), structured, event) == encode_data(event.data)
    assert body_of(dict(binary.headers), binary.value or b"", event) == binary.value


@given(steps=st.lists(st.integers(-5000, 5000), min_size=1, max_size=20))
def test_records_are_known_in_the_order_of_their_offsets_whatever_their_timestamps(steps: list[int]) -> None:
    time = LogTime()
    out = read(*(of(told("add", 1, "C-1"), offset=n, at=T0 + step) for n, step in enumerate(steps)), time=time)
    moments = [work.now for work in out.works]
    assert moments == sorted(moments)
    assert out.positions[0].clock == time.marks[PLACE] == millis(T0 + max(steps))


def test_in_a_simulation_the_events_own_times_move_the_clock_those_of_others_too() -> None:
    then: datetime = NOW - timedelta(days=9000)
    others = said(ReferralMade(referred_id="x"), "C-1", at=then + timedelta(hours=1))
    out = read(record(b"{bad", []), of(told("add", 1, "C-1", at=then)), of(others), time=LogTime("events"))
    assert [work.now for work in out.works] == [then]
    assert out.positions[0].clock == then + timedelta(hours=1)

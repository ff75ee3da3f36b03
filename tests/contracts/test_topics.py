"""The topic files and the registry fit each other, and the plan for a broker."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

import contracts
from contracts.registry import MODELS, TOPICS, Topic, consumed_by, dead_letter_topic, load_topic, model_of, topic_of
from contracts.topic_plan import Acl, Existing, acls, config_of, plan

FILES = sorted((Path(contracts.__file__).parent / "topics").glob("*.yaml"))
TRADE, PROFILES = TOPICS["rapport.trade"], TOPICS["rapport.profiles"]


def there(topic: Topic, *, partitions: int | None = None, config: dict[str, str] | None = None) -> Existing:
    """The topic on a broker of one, as its file wants it but for what is given."""
    return Existing(partitions or topic.partitions, 1, config or config_of(topic))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_topic_file_says_everything_and_nothing_else(path: Path) -> None:
    topic = load_topic(path.read_text("utf-8"))
    assert topic.name == f"rapport.{path.stem}"
    assert topic.purpose.strip()
    assert topic.owner in {"profiles", "alerts", "gateway"}
    assert topic.producers
    assert topic.retention_ms in {-1, 30 * 86_400_000}
    assert topic.partitions == 8
    assert topic.compaction == (topic.kind == "snapshots")
    assert bool(topic.events) == (topic.kind != "dead_letters")


@pytest.mark.parametrize("wrong", ["partition: 8", "partitions: many", "kind: gossip"])
def test_a_topic_file_with_a_wrong_or_unknown_line_is_not_read(wrong: str) -> None:
    text = FILES[0].read_text("utf-8") + f"{wrong}\n"
    with pytest.raises(msgspec.ValidationError):
        load_topic(text)


def test_every_type_is_in_exactly_one_topic_and_every_type_of_a_topic_has_a_model() -> None:
    listed = [event for topic in TOPICS.values() for event in topic.events]
    assert sorted(listed) == sorted(MODELS)
    assert all(topic_of(event) == topic.name for topic in TOPICS.values() for event in topic.events)


def test_every_type_ends_in_its_major_version_and_is_in_the_past_tense_of_a_noun() -> None:
    assert [name for name in MODELS if not re.fullmatch(r"rapport\.[a-z_]+\.[a-z_]+\.v[1-9][0-9]*", name)] == []


def test_every_service_that_reads_has_a_topic_for_its_dead_letters() -> None:
    readers = {name for topic in TOPICS.values() for name in topic.consumers}
    assert {dead_letter_topic(name) for name in readers} <= set(TOPICS)
    assert [topic.name for topic in consumed_by("profiles")] == ["rapport.customers", "rapport.staff"]


def test_snapshots_never_carry_what_is_nobodys_business() -> None:
    fields = set(model_of("rapport.profile.changed.v1").__struct_fields__)
    assert not fields & {"person", "organisation", "ethnicity", "family", "personality", "basic", "address"}


def test_a_broker_without_topics_gets_all_of_them_with_the_append_time_as_their_clock() -> None:
    changes = plan(TOPICS.values(), {}, brokers=3)
    assert [change.kind for change in changes] == ["create"] * len(TOPICS)
    assert all("LogAppendTime" in change.text and "3 replicas" in change.text for change in changes)


def test_a_broker_that_is_as_wanted_needs_nothing() -> None:
    assert plan([TRADE, PROFILES], {one.name: there(one) for one in (TRADE, PROFILES)}, brokers=1) == []


def test_more_partitions_of_a_keyed_topic_are_refused_unless_asked_for() -> None:
    has = {TRADE.name: there(TRADE, partitions=4)}
    (refused,) = plan([TRADE], has, brokers=1)
    assert refused.kind == "partitions"
    assert refused.refused
    assert "--grow" in refused.refused
    (grown,) = plan([TRADE], has, brokers=1, grow=True)
    assert grown.refused is None


def test_more_partitions_of_a_topic_without_keys_need_no_asking() -> None:
    loose = msgspec.structs.replace(TRADE, key="none")
    (grown,) = plan([loose], {loose.name: there(loose, partitions=4)}, brokers=1)
    assert grown.refused is None


def test_fewer_partitions_are_refused_always() -> None:
    (refused,) = plan([TRADE], {TRADE.name: there(TRADE, partitions=12)}, brokers=1, grow=True)
    assert refused.refused
    assert "cannot take partitions away" in refused.refused


def test_a_setting_that_differs_is_shown_with_what_it_is_and_will_be() -> None:
    (change,) = plan(
        [TRADE], {TRADE.name: there(TRADE, config={**config_of(TRADE), "retention.ms": "1000"})}, brokers=1
    )
    assert (change.kind, change.text) == ("config", "retention.ms 1000 -> 2592000000")


def test_settings_that_others_made_are_left_alone() -> None:
    assert plan([TRADE], {TRADE.name: there(TRADE, config={**config_of(TRADE), "segment.ms": "1"})}, brokers=1) == []


def test_replicas_and_unknown_topics_are_told_and_left() -> None:
    has = {TRADE.name: there(TRADE), "rapport.old": Existing(1, 1, {}), "another": Existing(1, 1, {})}
    changes = plan([TRADE], has, brokers=3)
    assert [(change.topic, change.kind, change.harmless) for change in changes] == [
        ("rapport.trade", "replication", True),
        ("rapport.old", "unknown", True),
    ]


def test_the_tombstone_of_a_snapshot_outlives_a_reader_who_was_away() -> None:
    assert int(config_of(PROFILES)["delete.retention.ms"]) >= TRADE.retention_ms


def test_a_service_may_read_and_write_what_its_files_say_and_no_more() -> None:
    rights = [acl for acl in acls(TOPICS.values()) if acl.principal == "profiles"]
    assert {acl.name for acl in rights if acl.operation == "Write"} == {
        *("rapport.profiles", "rapport.lifecycle", "rapport.dead.profiles")
    }
    assert {acl.name for acl in rights if acl.operation == "Read" and acl.resource == "topic"} == {
        *("rapport.customers", "rapport.staff")
    }
    assert Acl("profiles", "Read", "group", "rapport.profiles") in rights
    assert {acl.operation for acl in acls(TOPICS.values()) if acl.principal == "erp"} == {"Write", "Describe"}


def test_a_right_is_a_line_for_the_administrators_shell() -> None:
    assert Acl("erp", "Write", "topic", "rapport.trade").command("b:9092") == (
        "kafka-acls.sh --bootstrap-server b:9092 --add --allow-principal User:erp "
        "--operation Write --topic rapport.trade"
    )

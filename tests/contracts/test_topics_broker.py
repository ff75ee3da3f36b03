"""`rapport topics apply` on the real broker."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from typer.testing import CliRunner

from contracts.registry import TOPICS, Topic
from contracts.topic_plan import Change, Existing, config_of
from deploy.local.stack import Stack
from services.chassis import topics
from services.chassis.topics import TopicsError, apply_topics, existing_topics, topics_app

pytestmark = pytest.mark.stack


@pytest.fixture
async def admin(stack: Stack) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await client.start()
    yield client
    await client.close()


@pytest.fixture
async def topic(admin: AIOKafkaAdminClient) -> AsyncIterator[Topic]:
    """A keyed topic of this test's own, not on the broker yet."""
    made = msgspec.structs.replace(TOPICS["rapport.trade"], name=f"test.{uuid.uuid4().hex}", partitions=2)
    yield made
    if made.name in await admin.list_topics():
        await admin.delete_topics([made.name])


async def now(admin: AIOKafkaAdminClient, topic: Topic) -> Existing:
    return (await existing_topics(admin, [topic.name]))[topic.name]


def own(changes: list[Change], topic: Topic) -> list[tuple[str, bool]]:
    return [(change.kind, change.refused is not None) for change in changes if change.topic == topic.name]


async def test_a_topic_is_made_as_its_file_wants_and_then_needs_nothing(
    stack: Stack, admin: AIOKafkaAdminClient, topic: Topic
) -> None:
    options = {"bootstrap_servers": stack.kafka}
    assert own(await apply_topics(options, [topic]), topic) == [("create", False)]
    assert await now(admin, topic) == Existing(2, 1, config_of(topic))
    assert own(await apply_topics(options, [topic]), topic) == []


async def test_partitions_of_a_keyed_topic_grow_only_when_asked_and_settings_change_meanwhile(
    stack: Stack, admin: AIOKafkaAdminClient, topic: Topic
) -> None:
    options = {"bootstrap_servers": stack.kafka}
    await apply_topics(options, [topic])
    wider = msgspec.structs.replace(topic, partitions=3, retention="2d")
    assert own(await apply_topics(options, [wider]), topic) == [("partitions", True), ("config", False)]
    assert await now(admin, topic) == Existing(2, 1, config_of(wider))
    assert own(await apply_topics(options, [wider], grow=True), topic) == [("partitions", False)]
    assert (await now(admin, topic)).partitions == 3


async def test_settings_that_an_administrator_made_survive(
    stack: Stack, admin: AIOKafkaAdminClient, topic: Topic
) -> None:
    options = {"bootstrap_servers": stack.kafka}
    await apply_topics(options, [topic])
    by_hand = {**config_of(topic), "segment.ms": "3600000", "retention.ms": "1000"}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, by_hand)])
    await apply_topics(options, [topic])
    assert (await now(admin, topic)).config == {**config_of(topic), "segment.ms": "3600000"}


async def test_nothing_is_done_before_the_difference_was_agreed_to(
    stack: Stack, admin: AIOKafkaAdminClient, topic: Topic
) -> None:
    changes = await apply_topics({"bootstrap_servers": stack.kafka}, [topic], decide=lambda _: False)
    assert own(changes, topic) == [("create", False)]
    assert topic.name not in await admin.list_topics()


async def test_what_the_broker_refuses_is_told_in_its_words(stack: Stack, topic: Topic) -> None:
    broken = msgspec.structs.replace(topic, partitions=0)
    with pytest.raises(TopicsError, match="artitions"):
        await apply_topics({"bootstrap_servers": stack.kafka}, [broken])


def test_the_command_shows_first_and_asks_and_then_makes(
    stack: Stack, topic: Topic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(topics, "TOPICS", {topic.name: topic})
    runner, bootstrap = CliRunner(), ["apply", "--bootstrap", stack.kafka]
    dry = runner.invoke(topics_app, [*bootstrap, "--dry-run"])
    assert (dry.exit_code, f"{topic.name}: create with 2 partitions" in dry.output) == (0, True)
    no = runner.invoke(topics_app, bootstrap, input="n\n")
    assert (no.exit_code, "Make it so?" in no.output) == (1, True)
    rights = tmp_path / "acls.txt"
    yes = runner.invoke(topics_app, [*bootstrap, "--yes", "--acls", str(rights)])
    assert yes.exit_code == 0, yes.output
    assert f"User:erp --operation Write --topic {topic.name}" in rights.read_text("utf-8")
    monkeypatch.setattr(topics, "TOPICS", {topic.name: msgspec.structs.replace(topic, partitions=4)})
    grow = runner.invoke(topics_app, [*bootstrap, "--yes"])
    assert (grow.exit_code, "--grow" in grow.output) == (1, True)


def test_a_broker_that_is_not_there_is_said_so() -> None:
    done = CliRunner().invoke(topics_app, ["apply", "--bootstrap", "127.0.0.1:1", "--yes"])
    assert done.exit_code == 1
    assert "rapport stack status" in done.output

"""The AsyncAPI document of a service says what the topic files and schemas say, and holds together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from contracts.asyncapi import document
from contracts.registry import MODELS, TOPICS, consumed_by, produced_by

SERVICES = ["alerts", "gateway", "profiles"]


def references(node: Any) -> Iterator[str]:
    """Every `$ref` of a document."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def find(root: dict[str, Any], reference: str) -> Any:
    """What a `$ref` points to; KeyError if nothing."""
    node: Any = root
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


@pytest.mark.parametrize("service", [*SERVICES, "erp"])
def test_every_reference_of_the_document_resolves(service: str) -> None:
    made = document(service)
    assert made["asyncapi"] == "3.0.0"
    assert all(find(made, reference) for reference in references(made))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_receives_what_it_consumes_and_sends_what_it_produces(service: str) -> None:
    said = {
        (one["action"], one["channel"]["$ref"].rpartition("/")[2]) for one in document(service)["operations"].values()
    }
    wanted = {("receive", topic.name) for topic in consumed_by(service)}
    assert said == wanted | {("send", topic.name) for topic in produced_by(service)}


@pytest.mark.parametrize("service", SERVICES)
def test_every_type_of_its_topics_is_a_message_with_cloudevents_headers_and_its_schema(service: str) -> None:
    made = document(service)
    for topic in [*consumed_by(service), *produced_by(service)]:
        for name in topic.events:
            message = find(made, made["channels"][topic.name]["messages"][name]["$ref"])
            assert message["headers"]["properties"]["ce_type"]["const"] == name
            payload = find(made, message["payload"]["$ref"])
            assert set(payload["properties"]) == set(MODELS[name].__struct_fields__)


@pytest.mark.parametrize("service", SERVICES)
def test_every_message_of_an_operation_is_one_of_its_channel(service: str) -> None:
    for operation in document(service)["operations"].values():
        channel = operation["channel"]["$ref"]
        assert all(one["$ref"].startswith(f"{channel}/messages/") for one in operation["messages"])


def test_the_tombstone_and_the_dead_letter_are_told_too() -> None:
    messages = document("profiles")["components"]["messages"]
    assert messages["tombstone"]["payload"] == {"type": "null"}
    assert "x-rapport-reason" in messages["dead.letter"]["headers"]["required"]


def test_the_channel_shows_how_the_topic_is_kept() -> None:
    kafka = document("profiles")["channels"]["rapport.profiles"]["bindings"]["kafka"]
    assert (kafka["partitions"], kafka["topicConfiguration"]["cleanup.policy"]) == (8, ["compact"])
    assert TOPICS["rapport.profiles"].compaction


def test_who_changes_the_document_he_was_given_changes_no_one_elses() -> None:
    document("alerts").clear()
    assert document("alerts")["asyncapi"] == "3.0.0"


def test_a_service_that_no_topic_names_has_no_document() -> None:
    with pytest.raises(KeyError, match="no topic file names bakery"):
        document("bakery")

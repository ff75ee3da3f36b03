"""The AsyncAPI 3 document of a service: what it takes from the bus and what it says there, from topics and schemas."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

from contracts.payload import MAX_EVENT_ID, MAX_ID
from contracts.registry import MODELS, TOPICS, Topic, consumed_by, produced_by
from contracts.schema import generate
from contracts.topic_plan import config_of

Document = dict[str, Any]
_TEXT: Final = {"type": "string"}
_DEAD: Final = "dead.letter"
_TAKEN: Final = "dead.letter.taken"
_TOMBSTONE: Final = "tombstone"
_KEY: Final = {"kafka": {"key": {"type": "string", "description": "the subject"}, "bindingVersion": "0.5.0"}}


def document(service: str) -> Document:
    """The AsyncAPI 3 document of a service named in the topic files, such as `alerts`. Raises KeyError for another."""
    made: Document = json.loads(_document(service))  # a copy of its own for each caller
    return made


@cache
def _document(service: str) -> str:
    taken, given = consumed_by(service), produced_by(service)
    if not taken and not given:
        raise KeyError(f"no topic file names {service} as producer or consumer")
    channels = {topic.name: _channel(topic) for topic in [*taken, *given]}
    operations = {f"receive.{topic.name}": _operation("receive", topic, service) for topic in taken}
    operations |= {f"send.{topic.name}": _operation("send", topic, service) for topic in given}
    schemas: Document = {}
    messages = {name: _message(name, schemas) for topic in channels for name in _messages_of(TOPICS[topic])}
    return json.dumps(
        {
            "asyncapi": "3.0.0",
            "info": {
                "title": f"Rapport {service}",
                "version": "1.0.0",
                "description": "CloudEvents 1.0 on Kafka in binary mode; structured mode is read too.",
                "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
                "tags": [{"name": service}],
            },
            "defaultContentType": "application/json",
            "channels": channels,
            "operations": operations,
            "components": {"messages": messages, "schemas": schemas},
        }
    )


def _messages_of(topic: Topic) -> list[str]:
    if topic.kind == "dead_letters":
        return [_DEAD, _TAKEN]
    return [*topic.events, _TOMBSTONE] if topic.compaction else topic.events


def _channel(topic: Topic) -> Document:
    config = config_of(topic)
    settings: Document = {
        "cleanup.policy": [config["cleanup.policy"]],
        "retention.ms": topic.retention_ms,
    }
    kafka = {
        "topic": topic.name,
        "partitions": topic.partitions,
        "replicas": topic.replication,
        "topicConfiguration": settings,
        "bindingVersion": "0.5.0",
    }
    messages = {name: {"$ref": f"#/components/messages/{name}"} for name in _messages_of(topic)}
    return {
        "address": topic.name,
        "description": topic.purpose,
        "messages": messages,
        "bindings": {"kafka": kafka},
    }


def _operation(action: str, topic: Topic, service: str) -> Document:
    made: Document = {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": f"{service} {'reads' if action == 'receive' else 'writes'} {topic.name}",
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{name}"} for name in _messages_of(topic)],
    }
    if action == "receive":
        group = {"type": "string", "const": f"rapport.{service}"}
        made["bindings"] = {"kafka": {"groupId": group, "bindingVersion": "0.5.0"}}
    return made


def _message(name: str, schemas: Document) -> Document:
    if name == _DEAD:
        return _dead_letter()
    if name == _TAKEN:
        return _letter_taken()
    if name == _TOMBSTONE:
        said = "A record without value: the subject in its key is erased."
        return {"name": name, "title": name, "summary": said, "payload": {"type": "null"}, "bindings": _KEY}
    schema = generate(MODELS[name])
    _hoist(name, schema, schemas)
    return {
        "name": name,
        "title": name,
        "summary": schema.get("description", name),
        "contentType": "application/json",
        "headers": _headers(name),
        "payload": {"$ref": f"#/components/schemas/{name}"},
        "bindings": _KEY,
    }


def _headers(name: str) -> Document:
    ids = {"type": "string", "minLength": 1, "maxLength": MAX_EVENT_ID}
    return {
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time"],
        "properties": {
            "content-type": {"type": "string", "const": "application/json"},
            "ce_specversion": {"type": "string", "const": "1.0"},
            "ce_id": {**ids, "description": "with ce_source, identifies the event for ever"},
            "ce_source": ids,
            "ce_type": {"type": "string", "const": name},
            "ce_subject": {**ids, "maxLength": MAX_ID, "description": "the party; also the record's key"},
            "ce_time": {"type": "string", "format": "date-time"},
            "ce_traceparent": {**_TEXT, "description": "W3C trace context"},
            "ce_history": {**_TEXT, "format": "date", "description": "Of a load of the past: the day of cut-over"},
        },
    }


def _dead_letter() -> Document:
    names = ("reason", "message", "id", "original-topic", "original-partition", "original-offset")
    properties = {f"x-rapport-{name}": _TEXT for name in names}
    return {
        "name": _DEAD,
        "title": _DEAD,
        "summary": "A record as it was, with the reason why it was not taken.",
        "headers": {
            "type": "object",
            "required": list(properties),
            "properties": {**properties, **{f"x-rapport-{name}": _TEXT for name in ("field", "letter", "attempt")}},
        },
        "payload": {"description": "the value as it was, which may be anything"},
        "bindings": _KEY,
    }


def _letter_taken() -> Document:
    properties = {"x-rapport-id": _TEXT, "x-rapport-taken": _TEXT}
    return {
        "name": _TAKEN,
        "title": _TAKEN,
        "summary": "The event of the dead letter with this id was sent again and is taken now.",
        "headers": {"type": "object", "required": list(properties), "properties": properties},
        "payload": {"type": "null"},
        "bindings": _KEY,
    }


def _hoist(name: str, schema: Document, schemas: Document) -> None:
    """Put the schema under its type's name, and its parts beside it: the document has one place for definitions."""
    parts: Document = schema.pop("$defs", {})
    alike = all(schemas.get(part, _moved(one, {})) == _moved(one, {}) for part, one in parts.items())
    names = {part: part if alike else f"{name}.{part}" for part in parts}
    schemas |= {names[part]: _moved(one, names) for part, one in parts.items()}
    body = {key: value for key, value in schema.items() if key not in ("$schema", "$id")}
    schemas[name] = _moved(body, names)


def _moved(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_moved(one, names) for one in node]
    if not isinstance(node, dict):
        return node
    made = {key: _moved(value, names) for key, value in node.items()}
    if "$ref" in made:
        part = made["$ref"].rpartition("/")[2]
        made["$ref"] = f"#/components/schemas/{names.get(part, part)}"
    return made

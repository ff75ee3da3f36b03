"""JSON Schemas of the payloads: generated from the models, and frozen in contracts/schemas.

The frozen file is what was promised to other teams. The generated one is what the code reads today. They have to be
equal; where they are not, contracts.compat says whether the promise is kept.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from contracts.compat import Break, Schema, breaks
from contracts.payload import Payload, schema_hook
from contracts.registry import MODELS

FOLDER: Final = Path(__file__).parent / "schemas"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class Verdict(NamedTuple):
    """How a type's model compares with its frozen schema."""

    type: str
    state: str  # "same" | "new" | "changed" (readers are safe) | "broken" | "orphan" (frozen, but no model reads it)
    breaks: tuple[Break, ...] = ()


def generate(model: type[Payload]) -> Schema:
    """The JSON Schema of a payload class, with `$id` its full type."""
    made = msgspec.json.schema(model, schema_hook=schema_hook)
    body: dict[str, Any] = {"$schema": DIALECT, "$id": f"urn:{model.TYPE.replace('.', ':')}"}
    definitions = dict(made["$defs"])
    top = definitions.pop(made["$ref"].removeprefix("#/$defs/"))
    body |= top | {"title": model.TYPE}
    if definitions:
        body["$defs"] = definitions
    tidied: Schema = _tidy(body)
    return tidied


def _tidy(node: Any) -> Any:
    """What msgspec's schema leaves unsaid or says too widely.

    A decimal that is no money is read from a text and from a number. An optional field is absent, not null: null is
    read as absent, but never promised.
    """
    if isinstance(node, list):
        return [_tidy(one) for one in node]
    if not isinstance(node, dict):
        return node
    if node.get("format") == "decimal":
        others = {key: value for key, value in node.items() if key not in ("type", "format")}
        return {"anyOf": [{"type": "string", "format": "decimal"}, {"type": "number"}], **others}
    if "default" in node and node["default"] is None:
        kinds = [_tidy(kind) for kind in node["anyOf"] if kind != {"type": "null"}]
        return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    return {key: _tidy(value) for key, value in node.items()}


def text_of(schema: Schema) -> str:
    """The schema as it stands in its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def read_frozen(folder: Path = FOLDER) -> dict[str, Schema]:
    """The frozen schemas by full type."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}


def compare(folder: Path = FOLDER, models: dict[str, type[Payload]] = MODELS) -> list[Verdict]:
    """How every model, and every frozen schema without one, stands."""
    frozen = read_frozen(folder)
    verdicts = [_verdict(name, frozen.get(name), generate(model)) for name, model in sorted(models.items())]
    return verdicts + [Verdict(name, "orphan") for name in frozen if name not in models]


def _verdict(name: str, frozen: Schema | None, now: Schema) -> Verdict:
    if frozen is None:
        return Verdict(name, "new")
    if frozen == now:
        return Verdict(name, "same")
    found = breaks(frozen, now)
    return Verdict(name, "broken" if found else "changed", tuple(found))


def freeze(folder: Path = FOLDER, models: dict[str, type[Payload]] = MODELS) -> tuple[list[Verdict], list[Path]]:
    """Write what is new or changed without breaking a reader; nothing at all when something is broken or orphaned.

    Gives all verdicts and the files written.
    """
    verdicts = compare(folder, models)
    if any(verdict.state in ("broken", "orphan") for verdict in verdicts):
        return verdicts, []
    written = []
    for verdict in verdicts:
        if verdict.state in ("new", "changed"):
            path = folder / f"{verdict.type}.json"
            path.write_text(text_of(generate(models[verdict.type])), "utf-8")
            written.append(path)
    return verdicts, written

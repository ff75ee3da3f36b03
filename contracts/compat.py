"""Whether a change of a schema keeps its promise to both sides of the bus.

A major version is read by old and new readers at once, over old and new events at once. So a change is compatible only
if the new reader reads every old event *and* the old reader reads every new one, both ignoring fields they do not know.
That leaves little: optional fields may come, descriptions may change. Everything else needs a new major version.

Only the keywords that msgspec writes are judged; another keyword that differs counts as a break, never as harmless.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

Schema = dict[str, Any]
_NOTES: Final = frozenset({"title", "description", "examples", "$comment", "$schema", "$id", "$defs"})
# For these a reader may not be tighter than the writer: the larger value is tighter, or the smaller.
_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_SAME: Final = ("pattern", "format", "multipleOf", "uniqueItems", "contentEncoding")
_STRUCTURE: Final = (
    "type",
    "enum",
    "const",
    "anyOf",
    "$ref",
    "properties",
    "required",
    "additionalProperties",
    "items",
)
_HANDLED: Final = _NOTES | {*_LOWER, *_UPPER, *_SAME, *_STRUCTURE, "default"}
_TYPE_OF: Final = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


class Break(NamedTuple):
    """A place where the promise is broken, and how."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


_Say = Callable[[str, str], None]


def breaks(old: Schema, new: Schema) -> list[Break]:
    """Why the change from `old` to `new` breaks a reader; empty when it does not."""
    backward = _Reading(new, old, "new readers of old events", loses=True).judge()
    forward = _Reading(old, new, "old readers of new events", loses=False).judge()
    return backward + forward


class _Reading:
    """Does a reader with one schema take all that a writer with another may write?"""

    def __init__(self, reader: Schema, writer: Schema, side: str, *, loses: bool) -> None:
        self.reader, self.writer, self.side, self.loses = reader, writer, side, loses
        self._inside: set[tuple[str, str]] = set()

    def judge(self) -> list[Break]:
        found: list[Break] = []
        self._take(self.reader, self.writer, "$", lambda path, why: found.append(Break(path, f"{self.side}: {why}")))
        return found

    def _take(self, reader: Schema, writer: Schema, path: str, say: _Say) -> None:
        pair = (reader.get("$ref", ""), writer.get("$ref", ""))
        if all(pair):
            if pair in self._inside:  # a schema that holds itself
                return
            self._inside.add(pair)
        self._judge(_resolve(reader, self.reader), _resolve(writer, self.writer), path, say)
        self._inside.discard(pair)

    def _judge(self, reader: Schema, writer: Schema, path: str, say: _Say) -> None:
        if reader.get("default") != writer.get("default"):
            say(
                path,
                f"absent means {reader.get('default')!r} to the reader and {writer.get('default')!r} to the writer",
            )
        rules = (_unknown, _kinds, _values, _bounds)
        if "anyOf" in reader or "anyOf" in writer:
            self._branches(reader, writer, path, say)
            return
        for rule in rules:
            rule(reader, writer, path, say)
        self._fields(reader, writer, path, say)
        self._contents(reader, writer, path, say)

    def _branches(self, reader: Schema, writer: Schema, path: str, say: _Say) -> None:
        taken = [_resolve(one, self.reader) for one in reader.get("anyOf", [reader])]
        for branch in writer.get("anyOf", [writer]):
            kind = _types(_resolve(branch, self.writer))
            tries: list[tuple[bool, list[tuple[str, str]]]] = []
            for one in taken:
                said: list[tuple[str, str]] = []
                self._take(one, branch, path, lambda where, why, said=said: said.append((where, why)))  # type: ignore[misc]
                tries.append((_types(one) == kind, said))
            if all(said for _, said in tries):
                # The branch of the same type explains best what is wrong.
                nearest = next((said for same, said in tries if same), None)
                for where, why in nearest or [(path, f"the type {' or '.join(sorted(kind))} is refused")]:
                    say(where, why)

    def _fields(self, reader: Schema, writer: Schema, path: str, say: _Say) -> None:
        takes, gives = reader.get("properties", {}), writer.get("properties", {})
        for name in sorted(set(reader.get("required", ())) - set(writer.get("required", ()))):
            say(f"{path}.{name}", "the field is required, and not in every event")
        for name in sorted(gives.keys() - takes.keys()):
            if self.loses:
                say(f"{path}.{name}", "the field is gone, so what was said in it is lost")
            elif reader.get("additionalProperties") is False:
                say(f"{path}.{name}", "the field is refused, because no unknown fields are taken")
        for name in sorted(takes.keys() & gives.keys()):
            self._take(takes[name], gives[name], f"{path}.{name}", say)

    def _contents(self, reader: Schema, writer: Schema, path: str, say: _Say) -> None:
        for word, mark in (("items", "[]"), ("additionalProperties", ".*")):
            takes, gives = reader.get(word, True), writer.get(word, True)
            if isinstance(takes, dict) and isinstance(gives, dict):
                self._take(takes, gives, path + mark, say)
            elif takes not in (True, {}) and takes != gives:
                say(path, f"{word} is tighter than what is written")


def _unknown(reader: Schema, writer: Schema, path: str, say: _Say) -> None:
    for word in sorted((reader.keys() | writer.keys()) - _HANDLED):
        if reader.get(word) != writer.get(word):
            say(path, f"the keyword {word} differs, and this check cannot judge it")


def _kinds(reader: Schema, writer: Schema, path: str, say: _Say) -> None:
    takes = _types(reader)
    refused = _types(writer) - takes - ({"integer"} if "number" in takes else set())
    if refused and "anything" not in takes:
        say(path, f"the type {' or '.join(sorted(refused))} is refused, expected {' or '.join(sorted(takes))}")


def _values(reader: Schema, writer: Schema, path: str, say: _Say) -> None:
    takes, gives = _listed(reader), _listed(writer)
    if takes is None:
        return
    refused = ["any other value"] if gives is None else [repr(one) for one in gives if one not in takes]
    if refused:
        say(path, f"{', '.join(refused)} is refused, expected {', '.join(map(repr, takes))}")


def _bounds(reader: Schema, writer: Schema, path: str, say: _Say) -> None:
    for word in (*_LOWER, *_UPPER):
        if word in reader:
            bound, given = reader[word], writer.get(word)
            if given is None or (given < bound if word in _LOWER else given > bound):
                say(path, f"{word} {bound} is tighter than {'none' if given is None else given}")
    for word in _SAME:
        if word in reader and reader[word] != writer.get(word):
            say(path, f"{word} {reader[word]!r} is expected, {writer.get(word)!r} is kept")


def _resolve(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")] | beside
    return schema


def _types(schema: Schema) -> set[str]:
    stated = schema.get("type")
    if stated is None:
        return {_TYPE_OF.get(type(one), "anything") for one in _listed(schema) or [...]}
    return {stated} if isinstance(stated, str) else set(stated)


def _listed(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    listed: list[Any] | None = schema.get("enum")
    return listed

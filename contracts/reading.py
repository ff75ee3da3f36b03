"""What the JSON reader says about a payload, turned into a sentence for the person who sent it."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import inspect

from contracts.refusal import Refused

_place = re.compile(r"(?s)(.*?)(?: - at `([^`]*)`)?").fullmatch
_expected_got = re.compile(r"Expected `([^`]*)`, got `([^`]*)`").fullmatch
_missing = re.compile(r"Object missing required field `([^`]*)`").fullmatch
_bound = re.compile(r"Expected `([^`]*)`((?: of length)? [<>=]+ .*)").fullmatch
_step = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[(?:[0-9]+|\.\.\.)\]").finditer
_KINDS: Final = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "nothing (null)",
    "decimal": "a decimal",
    "date": "a date such as 2026-11-22",
    "datetime": "a moment with offset such as 2026-11-22T08:30:00+08:00",
}


def json_error(error: Exception, body: bytes, model: type | None = None) -> Refused:
    """The refusal for what msgspec (or Money) raised while reading `body` as `model`."""
    if isinstance(error.__cause__, Refused):
        place = _place(str(error))
        return error.__cause__.at(place[2] if place and place[2] else "$")
    if isinstance(error, msgspec.ValidationError):
        return _validation(str(error), model)
    if isinstance(error, RecursionError):
        return Refused("malformed_json", "the JSON is nested too deeply; expected an event's few levels")
    if isinstance(error, UnicodeDecodeError):
        byte = error.object[error.start]
        return Refused("malformed_json", f"the JSON is not UTF-8 (byte {error.start} is {byte:#x}); expected UTF-8")
    start = body[:40].decode("utf-8", "replace")
    return Refused("malformed_json", f"expected JSON, but the value is none ({error}); it starts with {start!r}")


def _validation(said: str, model: type | None) -> Refused:
    found = _place(said)
    message, place = (found[1], found[2] or "$") if found else (said, "$")
    if (missing := _missing(message)) is not None:
        field = f"{place}.{missing[1]}"
        return Refused("bad_field", f"{field} is missing; expected it in every event of this type", field)
    if (kinds := _expected_got(message)) is not None:
        expected = " or ".join(_KINDS.get(kind.strip(), kind) for kind in kinds[1].split("|") if kind.strip() != "null")
        return Refused("bad_field", f"{place}: expected {expected}, but got {_KINDS.get(kinds[2], kinds[2])}", place)
    return Refused("bad_field", f"{place}: {_plain(message, place, model)}", place)


def _plain(message: str, place: str, model: type | None) -> str:
    if message.startswith("Invalid RFC3339 encoded datetime"):
        return f"expected {_KINDS['datetime']}, but got another text"
    if message.startswith("Invalid RFC3339 encoded date"):
        return f"expected {_KINDS['date']}, but got another text"
    if "timezone component" in message:
        return f"expected {_KINDS['datetime']}, but the offset is missing"
    if model is not None and message.startswith(("Invalid enum value", "Expected `str` matching regex")):
        wanted = _wanted(model, place)
        if wanted is not None:
            return f"expected {wanted}, but got {message.partition('value ')[2] or 'another text'}"
    if (bound := _bound(message)) is not None:
        return f"expected {_KINDS.get(bound[1], bound[1])}{bound[2]}, but got another"
    return f"{message[:1].lower()}{message[1:].replace('`', '')}; expected what the schema of the type says"


def _wanted(model: type, place: str) -> str | None:
    """What the field at `place` takes: its list of values, or its description."""
    kind: inspect.Type | None = inspect.type_info(model)
    description = None
    for step in _step(place):
        kind, description = _open(_below(kind, step[1]))
    if isinstance(kind, inspect.LiteralType):
        return " or ".join(str(value) for value in kind.values)
    return description


def _below(kind: inspect.Type | None, field: str | None) -> inspect.Type | None:
    if isinstance(kind, inspect.StructType) and field is not None:
        return next((one.type for one in kind.fields if one.encode_name == field), None)
    if isinstance(kind, inspect.ListType):
        return kind.item_type
    return kind.value_type if isinstance(kind, inspect.DictType) else None


def _open(kind: inspect.Type | None) -> tuple[inspect.Type | None, str | None]:
    """The type without its wrapping: optional, annotated."""
    description: Any = None
    while True:
        if isinstance(kind, inspect.Metadata):
            description = (kind.extra_json_schema or {}).get("description", description)
            kind = kind.type
        elif isinstance(kind, inspect.UnionType):
            kind = next((one for one in kind.types if not isinstance(one, inspect.NoneType)), None)
        else:
            return kind, description

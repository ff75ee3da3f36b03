"""What the JSON reader says about a payload, turned into a sentence for the person who sent it."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from contracts.refusal import Refused

_place = re.compile(r"(?s)(.*?)(?: - at `([^`]*)`)?").fullmatch
_expected_got = re.compile(r"Expected `([^`]*)`, got `([^`]*)`").fullmatch
_missing = re.compile(r"Object missing required field `([^`]*)`").fullmatch
_pattern = re.compile(r"(?s)Expected `str` matching regex (.*)").fullmatch
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


def payload_error(error: Exception, body: bytes) -> Refused:
    """The refusal for what msgspec (or Money) raised while reading `body`."""
    if isinstance(error.__cause__, Refused):
        place = _place(str(error))
        return error.__cause__.at(place[2] if place and place[2] else "$")
    if isinstance(error, msgspec.ValidationError):
        return _validation(str(error))
    if isinstance(error, RecursionError):
        return Refused("malformed_json", "the JSON is nested too deeply to be an event")
    if isinstance(error, UnicodeDecodeError):
        return Refused(
            "malformed_json", f"the JSON is not UTF-8 text: byte {error.start} is {error.object[error.start]:#x}"
        )
    start = body[:40].decode("utf-8", "replace")
    return Refused("malformed_json", f"the value is not JSON ({error}); it starts with {start!r}")


def _validation(said: str) -> Refused:
    found = _place(said)
    message, place = (found[1], found[2] or "$") if found else (said, "$")
    if (missing := _missing(message)) is not None:
        field = f"{place}.{missing[1]}"
        return Refused("bad_field", f"{field} is missing; expected it in every event of this type", field)
    if (kinds := _expected_got(message)) is not None:
        expected = " or ".join(_KINDS.get(kind.strip(), kind) for kind in kinds[1].split("|") if kind.strip() != "null")
        return Refused("bad_field", f"{place}: expected {expected}, but got {_KINDS.get(kinds[2], kinds[2])}", place)
    if (pattern := _pattern(message)) is not None:
        return Refused("bad_field", f"{place}: expected a text of the form {pattern[1]}, but got another", place)
    return Refused("bad_field", f"{place}: {_plain(message)}", place)


def _plain(message: str) -> str:
    if message.startswith("Invalid RFC3339 encoded datetime"):
        return f"expected {_KINDS['datetime']}, but got another text"
    if message.startswith("Invalid RFC3339 encoded date"):
        return f"expected {_KINDS['date']}, but got another text"
    if "timezone component" in message:
        return f"expected {_KINDS['datetime']}, but the offset is missing"
    return message[:1].lower() + message[1:].replace("`", "")

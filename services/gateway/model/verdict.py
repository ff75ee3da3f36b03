"""What the gateway says about one event: taken, or what is wrong with it and how a right one looks."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Final, Literal

import msgspec

from contracts.refusal import Refused
from contracts.registry import MODELS

ACCEPTED: Final = "accepted"
REFUSED: Final = "refused"
UNKNOWN: Final = "unknown"
USUAL: Final = "rapport.invoice.issued.v1"  # what is shown where nothing is closer
_LONGEST_TYPE: Final = 128
# What a reason is about, where its refusal names no place.
_PLACES: Final = {"unknown_type": "type", "newer_major": "type", "wrong_content_type": "datacontenttype"}
_EXPECTED: Final = "expected "
_OURS: Final = ("made", "expectedreason", "expectedfield")  # extension attributes that only the examples have


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """On the event at `index` (from 0) of the request. `unknown`: the broker has not said; send the same again."""

    index: int
    verdict: Literal["accepted", "refused", "unknown"]
    id: str | None = None
    source: str | None = None
    reason: str | None = None
    field: str | None = None
    message: str | None = None
    expected: str | None = None
    example: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Verdicts(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a request: how many events met which fate, and each event's own, in its order."""

    accepted: int
    refused: int
    unknown: int
    verdicts: Sequence[Verdict]


class Stated(msgspec.Struct, frozen=True):
    """What could be read of an event that was refused; each only if it is a text."""

    id: Any = None
    source: Any = None
    type: Any = None


def refused(index: int, refusal: Refused, stated: Stated, *, hint: bool = True) -> Verdict:
    """The verdict on an event that is refused. Without `hint` a type that nobody knows gets the usual example, which
    saves looking for the closest one.
    """
    message = refusal.message
    return Verdict(
        index=index,
        verdict=REFUSED,
        id=_text(stated.id),
        source=_text(stated.source),
        reason=refusal.reason,
        field=refusal.field or _PLACES.get(refusal.reason, "$"),
        message=message,
        expected=expected(message),
        example=example(_type(_text(stated.type), hint)),
    )


def expected(message: str) -> str:
    """What a refusal's sentence says was expected, without what came; the whole of it where it has no such part."""
    at = message.rfind(_EXPECTED)
    return message[at + len(_EXPECTED) :].partition(", but ")[0] if at >= 0 else message


def _text(value: Any) -> str | None:
    return value[:512] if isinstance(value, str) and value else None


def _type(stated: str | None, hint: bool) -> str:
    if stated is None or stated in MODELS:
        return stated or USUAL
    return closest(stated[:_LONGEST_TYPE]) if hint else USUAL


@lru_cache(maxsize=1024)
def closest(stated: str) -> str:
    """The known type whose name is most like the one stated; the usual one where none is."""
    return next(iter(get_close_matches(stated, MODELS, 1)), USUAL)


@cache
def example(event_type: str) -> msgspec.Raw:
    """A right event of that type, from the golden examples (contracts/examples)."""
    folder = resources.files("contracts") / "examples" / event_type
    files = sorted((file for file in folder.iterdir() if file.name.startswith("valid-")), key=lambda file: file.name)
    chosen = next((file for file in files if file.name == "valid-minimal.json"), files[0])
    content: dict[str, Any] = msgspec.json.decode(chosen.read_bytes())
    return msgspec.Raw(msgspec.json.encode({name: value for name, value in content.items() if name not in _OURS}))

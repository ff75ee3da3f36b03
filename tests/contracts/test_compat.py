"""What counts as breaking a reader, in both directions, and that what does not count really is read."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from contracts.compat import breaks
from contracts.money import Amount, Money
from contracts.payload import Number, schema_hook

Schema = dict[str, Any]
Field = tuple[str, Any] | tuple[str, Any, Any]


def model(*fields: Field) -> type[msgspec.Struct]:
    """A payload class as a release might have it."""
    return msgspec.defstruct("Example", list(fields), kw_only=True, omit_defaults=True)


def schema(*fields: Field) -> Schema:
    return msgspec.json.schema(model(*fields), schema_hook=schema_hook)


BASE: tuple[Field, ...] = (("invoice_id", str), ("due_on", date))
PART: Any = msgspec.defstruct("Part", [("amount", str)], kw_only=True)
PART_MORE: Any = msgspec.defstruct("Part", [("amount", str), ("note", str | None, None)], kw_only=True)
PART_STRICT: Any = msgspec.defstruct("Part", [("amount", str), ("note", str)], kw_only=True)

KEPT = {
    "an optional field comes": (BASE, (*BASE, ("note", str | None, None))),
    "an optional list comes": (BASE, (*BASE, ("lines", list[PART] | None, None))),
    "a description changes": (BASE, (BASE[0], ("due_on", Annotated[date, Meta(description="day of payment")]))),
    "fields change places": (BASE, BASE[::-1]),
    "an optional field comes in a part": ((*BASE, ("part", PART)), (*BASE, ("part", PART_MORE))),
    "an optional field comes in the parts of a list": ((*BASE, ("p", list[PART])), (*BASE, ("p", list[PART_MORE]))),
    "nothing changes at all": ((*BASE, ("total", Money), ("n", Number)), (*BASE, ("total", Money), ("n", Number))),
}
# Each of these breaks a reader in whichever direction it is made.
BROKEN = {
    "a required field": (BASE, (*BASE, ("total", str)), "total"),
    "a required field in a part": ((*BASE, ("part", PART)), (*BASE, ("part", PART_STRICT)), "part.note"),
    "a required field in a list": ((*BASE, ("p", list[PART])), (*BASE, ("p", list[PART_STRICT])), "p[].note"),
    "required or optional": ((*BASE, ("n", str)), (*BASE, ("n", str | None, None)), "n"),
    "null or not": ((*BASE, ("n", str)), (*BASE, ("n", str | None)), "n"),
    "the type": ((*BASE, ("n", str)), (*BASE, ("n", int)), "n"),
    "whole or any number": ((*BASE, ("n", int)), (*BASE, ("n", float)), "n"),
    "one or a list": ((*BASE, ("n", str)), (*BASE, ("n", list[str])), "n"),
    "what is in a list": ((*BASE, ("n", list[str])), (*BASE, ("n", list[int])), "n[]"),
    "what is in a map": ((*BASE, ("n", dict[str, int])), (*BASE, ("n", dict[str, str])), "n.*"),
    "a value of an enumeration": ((*BASE, ("n", Literal["a", "b"])), (*BASE, ("n", Literal["a", "b", "c"])), "n"),
    "an enumeration or any text": ((*BASE, ("n", Literal["a", "b"])), (*BASE, ("n", str)), "n"),
    "a constant": ((*BASE, ("n", Literal["a"])), (*BASE, ("n", Literal["b"])), "n"),
    "a longest length": ((*BASE, ("n", str)), (*BASE, ("n", Annotated[str, Meta(max_length=9)])), "n"),
    "another longest length": (
        (*BASE, ("n", Annotated[str, Meta(max_length=8)])),
        (*BASE, ("n", Annotated[str, Meta(max_length=9)])),
        "n",
    ),
    "a least number": (
        (*BASE, ("n", Annotated[int, Meta(ge=1)])),
        (*BASE, ("n", Annotated[int, Meta(ge=0)])),
        "n",
    ),
    "a pattern": ((*BASE, ("n", str)), (*BASE, ("n", Annotated[str, Meta(pattern="^[A-Z]+$")])), "n"),
    "a format": ((*BASE, ("n", date)), (*BASE, ("n", datetime)), "n"),
    "what absent means": ((*BASE, ("n", str, "zh-CN")), (*BASE, ("n", str, "en")), "n"),
    "money or a part of a document": ((*BASE, ("n", Money)), (*BASE, ("n", Amount)), "n"),
}


@pytest.mark.parametrize("name", KEPT)
def test_readers_are_safe_when(name: str) -> None:
    old, new = KEPT[name]
    assert breaks(schema(*old), schema(*new)) == []


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("turned", [False, True], ids=["there", "back"])
def test_a_reader_breaks_when_this_changes(name: str, turned: bool) -> None:
    old, new, place = BROKEN[name]
    if turned:
        old, new = new, old
    found = breaks(schema(*old), schema(*new))
    assert found
    assert {one.path for one in found} == {f"$.{place}"}


def test_a_field_that_goes_is_a_break_because_what_was_said_in_it_is_lost() -> None:
    old, new = schema(*BASE, ("note", str | None, None)), schema(*BASE)
    assert [str(one) for one in breaks(old, new)] == [
        "$.note: new readers of old events: the field is gone, so what was said in it is lost"
    ]


def test_a_keyword_that_the_check_does_not_know_is_never_taken_for_harmless() -> None:
    old = {"type": "object", "properties": {"n": {"type": "string"}}}
    new = {"type": "object", "properties": {"n": {"type": "string", "not": {"const": "x"}}}}
    assert {one.path for one in breaks(old, new)} == {"$.n"}


def test_a_reader_that_takes_no_unknown_fields_makes_every_new_field_a_break() -> None:
    old = {"type": "object", "properties": {}, "additionalProperties": False}
    new = {"type": "object", "properties": {"n": {"type": "string"}}, "additionalProperties": False}
    assert [one.path for one in breaks(old, new)] == ["$.n"]


def test_a_schema_that_holds_itself_is_judged_to_its_end() -> None:
    tree = {"$ref": "#/$defs/T"}
    old = {"$ref": "#/$defs/T", "$defs": {"T": {"type": "object", "properties": {"t": tree, "n": {"type": "string"}}}}}
    new = {"$ref": "#/$defs/T", "$defs": {"T": {"type": "object", "properties": {"t": tree, "n": {"type": "integer"}}}}}
    assert breaks(old, old) == []
    assert {one.path for one in breaks(old, new)} == {"$.n"}


KINDS: list[Any] = [
    str,
    int,
    float,
    bool,
    date,
    list[int],
    list[str],
    Literal["a", "b"],
    Literal["a", "b", "c"],
    Annotated[int, Meta(ge=0)],
    Annotated[int, Meta(ge=0, le=9)],
    Annotated[str, Meta(max_length=3)],
    Annotated[str, Meta(min_length=1)],
    dict[str, int],
    int | None,
    str | int,
    PART_MORE,
    list[PART_MORE],
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 12)
    | st.floats(-3, 12)
    | st.sampled_from(["", "a", "b", "c", "long text", "2026-11-22"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["amount", "note", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)
FIELDS = st.dictionaries(
    st.sampled_from("abcd"), st.tuples(st.sampled_from(KINDS), st.booleans()), min_size=1, max_size=3
)


def _model(fields: dict[str, tuple[Any, bool]]) -> type[msgspec.Struct]:
    return model(
        *((name, kind | None, None) if optional else (name, kind) for name, (kind, optional) in fields.items())
    )


@settings(max_examples=300, deadline=None)
@given(FIELDS, FIELDS, st.booleans(), st.dictionaries(st.sampled_from("abcd"), VALUES))
def test_what_is_called_compatible_is_read_by_both_sides(
    old: dict[str, tuple[Any, bool]], new: dict[str, tuple[Any, bool]], grown: bool, event: dict[str, Any]
) -> None:
    # Most random pairs break; every other time the new schema is the old one with other fields beside it.
    if grown:
        new |= old
    before, after = _model(old), _model(new)
    if breaks(*(msgspec.json.schema(one, schema_hook=schema_hook) for one in (before, after))):
        return
    text = msgspec.json.encode(event)
    for writer, reader in ((before, after), (after, before)):
        if _reads(writer, text, known=True):
            assert _reads(reader, text, known=False)


def _reads(kind: type[msgspec.Struct], text: bytes, *, known: bool) -> bool:
    """Whether the text is an event of this kind; `known`: and has no fields but the kind's own, as a writer's."""
    if known and not msgspec.json.decode(text).keys() <= set(kind.__struct_fields__):
        return False
    try:
        msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError:
        return False
    return True

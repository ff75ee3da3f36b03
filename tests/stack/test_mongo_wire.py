"""The page of BSON that sets the replica set up, against the real library."""

from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.mongo_wire import decode, encode

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
plain = st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4))
documents = st.dictionaries(names, values, max_size=6)


@given(documents)
def test_the_real_library_reads_what_is_written_here(document: dict[str, Any]) -> None:
    assert bson.decode(encode(document)) == document


@given(documents)
def test_what_the_real_library_writes_is_read_here(document: dict[str, Any]) -> None:
    assert decode(bson.encode(document)) == document


def test_values_that_nobody_looks_into_pass_through_unchanged() -> None:
    document = {
        "_id": bson.ObjectId(),
        "term": bson.Timestamp(7, 1),
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "hash": b"\x00\x01",
        "rate": 0.5,
        "none": None,
        "amount": bson.Decimal128("1.10"),
        "deep": [{"seen": bson.ObjectId()}],
    }
    written = bson.encode(document)
    assert bson.decode(encode(decode(written))) == bson.decode(written)


def test_a_value_without_a_place_in_a_command_is_refused() -> None:
    with pytest.raises(TypeError, match="float has no place"):
        encode({"a": 0.5})

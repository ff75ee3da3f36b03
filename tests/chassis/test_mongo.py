"""Values into the database and out of it again, and what it will not hold."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest
from bson.decimal128 import Decimal128
from hypothesis import given
from hypothesis import strategies as st

from contracts.money import Money
from services.chassis.mongo import (
    MOST_BYTES,
    Collection,
    Index,
    check_doc,
    ensure,
    find,
    from_decimal128,
    from_doc,
    to_decimal128,
    to_doc,
)
from tests.chassis.lab import Lab, unique

decimals = st.decimals(allow_nan=False, allow_infinity=False, places=None).filter(
    lambda value: len(value.as_tuple().digits) <= 34
)


class Holder(msgspec.Struct, frozen=True):
    """Every kind of value a document may have."""

    amount: Decimal
    on: date
    at: datetime
    money: Money
    names: tuple[str, ...] = ()


@given(value=decimals | st.sampled_from([Decimal("-0"), Decimal("1E+6111"), Decimal("9" * 34), Decimal("0E-6176")]))
def test_decimals_are_written_and_read_as_the_driver_does_it(value: Decimal) -> None:
    ours = to_decimal128(value)
    assert ours.bid == Decimal128(value).bid
    assert from_decimal128(ours).as_tuple() == ours.to_decimal().as_tuple()


@pytest.mark.stack
async def test_a_document_comes_back_as_it_was(lab: Lab) -> None:
    at = datetime(2026, 3, 1, 12, 30, 0, 5000, tzinfo=UTC)
    value = Holder(Decimal("12.50"), date(2026, 3, 1), at, Money.of("3.10", "CNY"), ("a", "中"))
    await lab.db["holders"].insert_one({"_id": "x", **to_doc(value)})
    (doc,) = await find(lab.db, "holders", {"amount": Decimal("12.5"), "on": {"$gte": "2026-02-28"}})
    assert from_doc(doc, Holder) == value
    assert str(from_doc(doc, Holder).amount) == "12.50", "cents stay cents"


@pytest.mark.stack
async def test_making_sure_twice_and_beside_another_makes_it_once(lab: Lab) -> None:
    one = Collection(
        unique("made"), (Index((("a", 1),), unique=True), Index((("due", 1),), partial={"due": {"$exists": True}}))
    )
    await ensure(lab.db, [one])
    await ensure(lab.db, [one])
    assert len(await lab.db[one.name].index_information()) == 3


@pytest.mark.parametrize("value", [2**70, {"a\0b": 1}, "x" * MOST_BYTES, object()])
def test_what_the_database_cannot_hold_is_known_before(value: object) -> None:
    with pytest.raises(Exception, match=r".+"):
        check_doc({"state": value})
    check_doc({"state": 2**62})

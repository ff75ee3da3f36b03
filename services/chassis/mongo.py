"""The one door to MongoDB: connection, value codecs, collections and their indexes.

Motor is no longer developed, so nothing outside this folder may import it; a change of driver touches these files
alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Context, Decimal
from typing import Any, TypeVar, cast

import bson
import msgspec
import pymongo.client_session
import pymongo.database
from bson.codec_options import CodecOptions, TypeCodec, TypeRegistry
from bson.decimal128 import Decimal128
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase
from pymongo import IndexModel, UpdateOne
from pymongo.errors import CollectionInvalid, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from contracts.payload import read_hook, write_hook

T = TypeVar("T")
Doc = dict[str, Any]
Client = AsyncIOMotorClient[Doc]
Database = AsyncIOMotorDatabase[Doc]
# The driver below Motor, for what is done in a thread of its own from beginning to end.
Below = pymongo.database.Database[Doc]
Session = pymongo.client_session.ClientSession

MAJORITY = WriteConcern("majority")
FORGETFUL = WriteConcern(1)
READ_MAJORITY = ReadConcern("majority")
NAMESPACE_EXISTS = 48

MOST_BYTES = 15_000_000  # MongoDB holds 16 MiB a document; the rest is for what the chassis adds
_EXACT = Context(prec=34, Emin=-7000, Emax=7000)  # the usual context would round to 28 digits, without a word
_BIAS = 6176
_EXPONENT_SHIFT = 49
_COEFFICIENT_BITS = 113
_LOW = (1 << 64) - 1


def to_decimal128(value: Decimal) -> Decimal128:
    """Encode a finite Decimal exactly; four times as quick as the driver's own way, which runs on the path of every
    event.

    The bit layout is IEEE 754-2008 decimal128, binary integer significand: sign, 14 exponent bits with bias 6176, 113
    bits of coefficient. What does not fit that form (NaN, infinities, more than 34 digits) is left to the driver,
    which refuses or rounds by its rules.
    """
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or len(digits) > 34 or not -_BIAS <= exponent <= 6111:
        return Decimal128(value)
    coefficient = int("".join(map(str, digits)))
    high = (sign << 63) | ((exponent + _BIAS) << _EXPONENT_SHIFT) | (coefficient >> 64)
    return Decimal128(cast("Any", (high, coefficient & _LOW)))


def from_decimal128(value: Decimal128) -> Decimal:
    """Decode what `to_decimal128` wrote; other forms go through the driver."""
    raw = int.from_bytes(value.bid, "little")
    exponent_bits = (raw >> _COEFFICIENT_BITS) & 0x3FFF
    if exponent_bits >= 0x3000:  # NaN, infinity, or the other form of a large significand
        return value.to_decimal()
    coefficient = raw & ((1 << _COEFFICIENT_BITS) - 1)
    number = Decimal(coefficient).scaleb(exponent_bits - _BIAS, _EXACT)
    return number.copy_negate() if raw >> 127 else number


class _DecimalCodec(TypeCodec):
    python_type = Decimal
    bson_type = Decimal128

    def transform_python(self, value: Decimal) -> Decimal128:
        return to_decimal128(value)

    def transform_bson(self, value: Decimal128) -> Decimal:
        return from_decimal128(value)


CODEC: CodecOptions[Doc] = CodecOptions(tz_aware=True, type_registry=TypeRegistry([_DecimalCodec()]))


def to_doc(value: msgspec.Struct) -> Doc:
    """A struct as BSON takes it: dates as ISO strings (they sort), moments and decimals native."""
    doc: Doc = msgspec.to_builtins(value, builtin_types=(Decimal, datetime), enc_hook=write_hook)
    return doc


def from_doc(doc: Mapping[str, Any], kind: type[T]) -> T:
    """The struct a document was made from.

    Raises:
        msgspec.ValidationError: the document does not fit `kind`: stored by a newer version, or damaged.
    """
    return msgspec.convert(doc, type=kind, dec_hook=read_hook)


def check_doc(doc: Doc) -> None:
    """Whether the database can hold a document.

    Raises:
        ValueError: it is too large.
        Exception: the encoder's own, for what has no form in BSON (a number of more than 64 bits, a key with a NUL).
    """
    size = len(bson.encode(doc, codec_options=CODEC))
    if size > MOST_BYTES:
        raise ValueError(f"a document of {size:,} bytes is more than the database holds ({MOST_BYTES:,})")


@dataclass(frozen=True, slots=True)
class Index:
    """An index of a collection. `partial` keeps documents without the field out, so that the index grows with what
    waits, not with all.
    """

    keys: tuple[tuple[str, int], ...]
    unique: bool = False
    partial: Mapping[str, Any] | None = None

    def model(self) -> IndexModel:
        """What the driver wants to see."""
        options: Doc = {"unique": self.unique}
        if self.partial is not None:
            options["partialFilterExpression"] = dict(self.partial)
        return IndexModel(list(self.keys), **options)


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection and the indexes it must have."""

    name: str
    indexes: tuple[Index, ...] = field(default=())


def connect(uri: str, **options: Any) -> Client:
    """A client with the suite's value codecs. Opens no connection until it is used."""
    return AsyncIOMotorClient(uri, tz_aware=True, type_registry=CODEC.type_registry, **options)


def database(client: Client, name: str) -> Database:
    """The service's database: majority writes, since what is answered must survive a change of primary."""
    return client.get_database(name, codec_options=CODEC, write_concern=MAJORITY)


def below(db: Database) -> Below:
    """The same database without Motor: its calls wait."""
    return cast("Below", db.delegate)


async def make(db: Database, name: str) -> None:
    """Create a collection, unless another process or an earlier start has made it."""
    try:
        with suppress(CollectionInvalid):
            await db.create_collection(name)
    except OperationFailure as there:
        if there.code != NAMESPACE_EXISTS:  # another was quicker by less than the driver's own look
            raise


async def ensure(db: Database, collections: Iterable[Collection]) -> None:
    """Create collections and indexes that are missing; safe beside other processes doing the same."""
    for collection in collections:
        await make(db, collection.name)
        if collection.indexes:
            await db[collection.name].create_indexes([index.model() for index in collection.indexes])


async def find(
    db: Database,
    collection: str,
    where: Mapping[str, Any],
    *,
    sort: Sequence[tuple[str, int]] = (),
    limit: int = 0,
    fields: Mapping[str, Any] | None = None,
) -> list[Doc]:
    """Documents for a reader (HTTP, a report). `limit` 0 is all: only for what is bounded by its filter."""
    cursor = db[collection].find(dict(where), projection=dict(fields) if fields else None)
    if sort:
        cursor = cursor.sort(list(sort))
    if limit:
        cursor = cursor.limit(limit)
    return await cursor.to_list(None)


async def update_many(db: Database, collection: str, writes: Sequence[tuple[Doc, Doc]], *, upsert: bool = False) -> int:
    """Several updates, each of the one document that it names, in one go; returns how many documents were made."""
    if not writes:
        return 0
    updates = [UpdateOne(where, change, upsert=upsert) for where, change in writes]
    return int((await db[collection].bulk_write(updates, ordered=False)).upserted_count)


async def total(db: Database, collection: str, where: Mapping[str, Any], group: Mapping[str, Any]) -> list[Doc]:
    """Sums over the documents that fit, as MongoDB's `$group` says them."""
    stages = [{"$match": dict(where)}, {"$group": dict(group)}]
    return await db[collection].aggregate(stages).to_list(None)


# What the driver raises, for those outside this folder who must hold on when the database is away.
DatabaseError = PyMongoError

"""What the database's errors mean to a writer: known already, mended by time, or a fault; and one of the log's."""

from __future__ import annotations

from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
)

DUPLICATE = 11000
WRITE_CONFLICT = 112


class OffsetGoneError(RuntimeError):
    """The record to be read next is no longer in the log: reading on would lose what has expired without a word."""


def duplicate(error: PyMongoError) -> bool:
    """Something to be inserted is there already."""
    if isinstance(error, BulkWriteError):
        return any(fault.get("code") == DUPLICATE for fault in (error.details or {}).get("writeErrors", []))
    return isinstance(error, DuplicateKeyError)


def heals(error: PyMongoError) -> bool:
    """Whether time can mend it: the database is away or changing primary, or another writer was in the way."""
    if isinstance(error, ConnectionFailure | ExecutionTimeout) or error.has_error_label("TransientTransactionError"):
        return True
    if error.has_error_label("RetryableWriteError") or error.has_error_label("UnknownTransactionCommitResult"):
        return True
    if isinstance(error, BulkWriteError):
        return any(fault.get("code") == WRITE_CONFLICT for fault in (error.details or {}).get("writeErrors", []))
    return isinstance(error, OperationFailure) and error.code in {
        WRITE_CONFLICT,
        43,  # a cursor that lay open for too long, while the broker was away: another is opened
        91,
        189,
        11600,
        11601,  # a session ended by a successor that took this process for dead
        11602,
        10107,
        13435,
        251,
        24,
        50,
        263,
        246,
    }

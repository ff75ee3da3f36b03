"""Records that nobody can take: what comes out of broken systems, each with the reason it has to be refused for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Final

import msgspec

from contracts.envelope import Event, encode
from contracts.events.sales import OrderPlaced, PurchaseMade
from contracts.events.trade import InvoiceIssued
from contracts.money import Money
from tests.faults.hand import BOOKS
from tests.faults.size import Size, moment, on
from tests.faults.wire import Wire

TRADE: Final = "rapport.trade"
CONFLICTS: Final = 0.004  # share of such documents that come again under a new id with another sum
DOCUMENTS: Final = (InvoiceIssued, PurchaseMade, OrderPlaced)


@dataclass(frozen=True, slots=True)
class Bad:
    """A record to be refused. `name` is that of its dead letter; None where the record tells none."""

    wire: Wire
    name: str | None
    reason: str


def good(size: Size, day: int, draw: Random, tag: str) -> Event:
    """A sound invoice, to be spoilt."""
    number = draw.randrange(10**9)
    data = InvoiceIssued(
        invoice_id=f"I-{number}", issued_on=on(day), due_on=on(day + 5), total=Money(Decimal("10.00"), "CNY")
    )
    return Event(
        id=f"poison/{size.seed}/{tag}/{day}/{number}",
        source=BOOKS,
        type=data.TYPE,
        subject=f"made-{size.seed}-P{number % 50}",
        time=moment(day, draw.randrange(1000)),
        data=data,
    )


def _bad(event: Event, reason: str, *, named: bool = True, **change: object) -> Bad:
    record = encode(event)
    wire = Wire(TRADE, record.key, record.value, record.headers)._replace(**change)  # type: ignore[arg-type]
    return Bad(wire, f"{event.source}:{event.id}" if named else None, reason)


def _headers(event: Event, **change: bytes | None) -> list[tuple[str, bytes]]:
    given = {**dict(encode(event).headers), **{f"ce_{name}": value for name, value in change.items()}}
    return [(name, value) for name, value in given.items() if value is not None]


def malformed(size: Size, day: int, draw: Random) -> Bad:
    """Half a JSON object."""
    return _bad(good(size, day, draw, "malformed"), "malformed_json", value=b'{"invoice_id": "I-1", "issued')


def no_envelope(size: Size, day: int, draw: Random) -> Bad:
    """Text that says nothing of itself."""
    return _bad(
        good(size, day, draw, "bare"), "missing_attribute", named=False, value=b"not an event at all", headers=[]
    )


def unknown_type(size: Size, day: int, draw: Random) -> Bad:
    """A type that nobody knows."""
    event = good(size, day, draw, "type")
    return _bad(event, "unknown_type", headers=_headers(event, type=b"rapport.invoice.guessed.v1"))


def newer_major(size: Size, day: int, draw: Random) -> Bad:
    """A type of the future."""
    event = good(size, day, draw, "major")
    return _bad(event, "newer_major", headers=_headers(event, type=b"rapport.invoice.issued.v2"))


def no_time(size: Size, day: int, draw: Random) -> Bad:
    """An attribute is missing."""
    event = good(size, day, draw, "time")
    return _bad(event, "missing_attribute", headers=_headers(event, time=None))


def other_key(size: Size, day: int, draw: Random) -> Bad:
    """Keyed by something else than its subject."""
    return _bad(good(size, day, draw, "key"), "key_mismatch", key=b"made-somebody-else")


def wrong_content(size: Size, day: int, draw: Random) -> Bad:
    """Said to be XML."""
    event = good(size, day, draw, "content")
    headers = [(name, value) for name, value in encode(event).headers if name != "content-type"]
    return _bad(event, "wrong_content_type", headers=[("content-type", b"application/xml"), *headers])


def far_future(size: Size, day: int, draw: Random) -> Bad:
    """Of a time that is still to come."""
    event = good(size, day, draw, "future")
    return _bad(msgspec.structs.replace(event, time=event.time + timedelta(days=36_500)), "absurd_time")


def float_money(size: Size, day: int, draw: Random) -> Bad:
    """A sum that has been through a binary fraction."""
    event = good(size, day, draw, "float")
    value = encode(event).value.replace(b'"10.00"', b"10.00")
    return _bad(event, "bad_money", value=value)


def fine_money(size: Size, day: int, draw: Random) -> Bad:
    """More decimals than the currency has."""
    event = good(size, day, draw, "fine")
    return _bad(event, "bad_money", value=encode(event).value.replace(b'"10.00"', b'"10.001"'))


def unknown_money(size: Size, day: int, draw: Random) -> Bad:
    """A currency that is none."""
    event = good(size, day, draw, "money")
    return _bad(event, "bad_money", value=encode(event).value.replace(b'"CNY"', b'"XXQ"'))


def phone_number(size: Size, day: int, draw: Random) -> Bad:
    """A customer known by his phone number."""
    event = msgspec.structs.replace(good(size, day, draw, "phone"), subject="13812345678")
    return _bad(event, "personal_id")


def over_applied(size: Size, day: int, draw: Random) -> Bad:
    """More is used than there is."""
    event = good(size, day, draw, "over")
    value = b'{"document_id":"D-1","dated_on":"%s","total":{"amount":"5.00","currency":"CNY"},"applied_to":[%s]}' % (
        on(day).isoformat().encode(),
        b'{"invoice_id":"I-1","amount":"6.00"}',
    )
    return _bad(event, "over_applied", value=value, headers=_headers(event, type=b"rapport.payment.received.v1"))


def too_large(size: Size, day: int, draw: Random) -> Bad:
    """More than a megabyte, and still within what the broker takes."""
    event = good(size, day, draw, "large")
    return _bad(event, "too_large", value=encode(event).value[:-1] + b',"note":"%s"}' % (b"x" * 1_010_000))


def conflict(event: Event) -> Bad:
    """A document that came before, under a new id and with another sum."""
    data = event.data
    if not isinstance(data, DOCUMENTS):
        raise TypeError(f"{type(data).__name__} is none of the documents that are told once")
    total = Money(data.total.amount + 1, data.total.currency)
    again = msgspec.structs.replace(event, id=f"{event.id}/conflict", data=msgspec.structs.replace(data, total=total))
    return _bad(again, "conflict")


KINDS: Final[tuple[Callable[[Size, int, Random], Bad], ...]] = (
    malformed, no_envelope, unknown_type, newer_major, no_time, other_key, wrong_content, far_future,
    float_money, fine_money, unknown_money, phone_number, over_applied, too_large,
)  # fmt: skip

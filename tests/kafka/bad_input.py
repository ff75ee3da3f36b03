"""Bad input, each with what it gets: the table that test_bad_input.py sends to the running services.

A case is one record among two good ones about the same party, in the same partition and the same batch. What is refused
becomes a dead letter; `says` are words of its sentence that tell a person what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from contracts.envelope import Event, encode, encode_json
from contracts.events import trade
from contracts.events.lifecycle import ProfileErased
from contracts.money import Amount, Money
from contracts.payload import Payload

TRADE: Final = "rapport.trade"
STRUCTURED: Final = "application/cloudevents+json"
PHONE: Final = "13800138000"  # a number that is given to nobody
DAY: Final = date(2026, 3, 2)


@dataclass(frozen=True)
class Wire:
    """A record as a publisher hands it over."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    gzip: bool = False  # compressed on its way, so that the broker does not see how large it is


Spoil = Callable[[Event], Wire]


@dataclass(frozen=True)
class Bad:
    """A record to be refused. `came` is what is wrong with it, `reason` and `says` what its letter holds."""

    came: str
    reason: str
    says: str
    spoil: Spoil
    payload: Payload | None = None  # by itself a sound invoice

    @property
    def name(self) -> str:
        """Short, for the test's id."""
        return self.came.replace(" ", "-")


def invoice(number: str = "BAD-1", total: str = "1250.50") -> trade.InvoiceIssued:
    """A sound invoice."""
    return trade.InvoiceIssued(
        invoice_id=number, issued_on=DAY, due_on=DAY + timedelta(days=3650), total=Money.of(total, "CNY")
    )


def wire(event: Event, **change: Any) -> Wire:
    """The event's record with something changed."""
    record = encode(event)
    given = {"key": record.key, "value": record.value, "headers": record.headers} | change
    return Wire(**given)


def headers(**change: bytes | None) -> Spoil:
    """Attributes changed; None takes one away."""

    def spoil(event: Event) -> Wire:
        given: dict[str, bytes | None] = dict(encode(event).headers)
        given |= {"content-type" if name == "content_type" else f"ce_{name}": text for name, text in change.items()}
        return wire(event, headers=[(name, text) for name, text in given.items() if text is not None])

    return spoil


def text(old: str, new: str) -> Spoil:
    """The payload with a piece of its text replaced."""

    def spoil(event: Event) -> Wire:
        value = encode(event).value.decode()
        assert old in value, value
        return wire(event, value=value.replace(old, new).encode())

    return spoil


def value(content: bytes | None, **more: Any) -> Spoil:
    """Another value altogether."""
    return lambda event: wire(event, value=content, **more)


def ahead(**time: int) -> Spoil:
    """Of a moment that far ahead."""
    return lambda event: wire(msgspec.structs.replace(event, time=event.time + timedelta(**time)))


def about(subject: str) -> Spoil:
    """About somebody else, and keyed by him."""
    return lambda event: wire(msgspec.structs.replace(event, subject=subject))


def padded(size: int, *, gzip: bool = False) -> Spoil:
    """Sound, but for a note of so many letters that nobody asked for."""

    def spoil(event: Event) -> Wire:
        note = b"x" * size
        return wire(event, value=encode(event).value[:-1] + b',"note":"' + note + b'"}', gzip=gzip)

    return spoil


def structured(event: Event, **change: Any) -> Wire:
    """The event as one JSON object, with something of it changed."""
    whole = msgspec.json.decode(encode_json(event)) | change
    content = msgspec.json.encode({name: one for name, one in whole.items() if one is not None})
    return Wire(event.subject.encode(), content, [("content-type", STRUCTURED.encode())])


def payment(total: str) -> trade.PaymentReceived:
    """A payment of which 1.00 is used."""
    used = [trade.AppliedTo(invoice_id="I-1", amount=Amount(Decimal("1.00")))]
    return trade.PaymentReceived(document_id="P-BAD", dated_on=DAY, total=Money.of(total, "CNY"), applied_to=used)


REFUSED: Final = (
    Bad("half a JSON object", "malformed_json", "expected JSON", value(b'{"invoice_id": "BAD-1", "issued')),
    Bad("plain text", "malformed_json", "it starts with", value(b"invoice BAD-1, 1250.50 yuan")),
    Bad("JSON in another encoding", "malformed_json", "expected UTF-8",
        lambda one: wire(one, value=encode(one).value[:-1] + ',"note":"发票"}'.encode("gb18030"))),
    Bad("no value at all", "empty_value", "the record is empty", value(None)),
    Bad("a list of events", "bad_field", "expected an object", lambda one: value(b"[%s]" % encode(one).value)(one)),
    Bad("XML by its content type", "wrong_content_type", "application/xml", headers(content_type=b"application/xml")),
    Bad("a structured event with data of another kind", "wrong_content_type", "expected datacontenttype",
        lambda one: structured(one, datacontenttype="application/xml")),
    *(
        Bad(f"no {name}", "missing_attribute", f"ce_{name} is missing", headers(**{name: None}))
        for name in ("specversion", "id", "source", "type", "subject", "time")
    ),
    Bad("a structured event without data", "missing_attribute", "expected the payload",
        lambda one: structured(one, data=None)),
    Bad("CloudEvents 0.3", "bad_attribute", "expected 1.0", headers(specversion=b"0.3")),
    Bad("a time without offset", "bad_attribute", "with offset", headers(time=b"2026-03-02T10:00:00")),
    Bad("a time in words", "bad_attribute", "with offset", headers(time="昨天上午".encode())),
    Bad("an unknown type", "unknown_type", "rapport.invoice.guessed.v1",
        headers(type=b"rapport.invoice.guessed.v1")),
    Bad("a type of another house", "unknown_type", "com.example.created", headers(type=b"com.example.created")),
    Bad("a newer major version", "newer_major", "which knows rapport.invoice.issued.v1",
        headers(type=b"rapport.invoice.issued.v2")),
    Bad("another key than its subject", "key_mismatch", "'somebody-else'",
        lambda one: wire(one, key=b"somebody-else")),
    Bad("a time of 1601", "absurd_time", "expected 1980 or later", headers(time=b"1601-01-01T00:00:00Z")),
    Bad("a time two days ahead", "absurd_time", "more than a day after it was sent", ahead(days=2)),
    Bad("a due date in the year 2926", "absurd_date", "absurdly late", text('"due_on":"2036', '"due_on":"2926')),
    Bad("a date that does not exist", "bad_field", "expected a date such as", text("2026-03-02", "2026-02-30")),
    Bad("a field missing", "bad_field", "due_on is missing", text('"due_on"', '"due_at"')),
    Bad("money as a float", "bad_money", "but got the number 1250.5", text('"1250.50"', "1250.50")),
    Bad("three decimals of yuan", "bad_money", "expected at most 2", text("1250.50", "1250.505")),
    Bad("yen with decimals", "bad_money", "more decimals than JPY has", text("CNY", "JPY")),
    Bad("a currency that is none", "bad_money", "'RMB' is not a currency in use", text("CNY", "RMB")),
    Bad("money without a currency", "bad_money", "without amount and currency", text(',"currency":"CNY"', "")),
    Bad("an amount below zero", "bad_money", "below zero", text('"1250.50"', '"-1250.50"')),
    Bad("a part in another currency than its payment", "bad_money", "its document in CNY",
        text('"amount":"1.00"', '"amount":{"amount":"1.00","currency":"USD"}'), payment("5.00")),
    Bad("more applied than was paid", "over_applied", "but the document is of 5.00",
        text('"amount":"1.00"', '"amount":"6.00"'), payment("5.00")),
    Bad("a phone number as the customer", "personal_id", "looks like a phone number", about(PHONE)),
    Bad("a phone number as the invoice", "personal_id", "looks like a phone number", text("BAD-1", f"+86 {PHONE}")),
    Bad("a mail address as the customer", "personal_id", "looks like an e-mail address", about("li@company.example")),
    Bad("just over a megabyte", "too_large", "at most 1,000,000", padded(1_010_000)),
    Bad("five megabytes that were compressed on their way", "too_large", "5,000,", padded(5_000_000, gzip=True)),
    Bad("an erasure in the topic of invoices", "wrong_topic", "expected it in rapport.lifecycle",
        wire, ProfileErased(erased_at=datetime(2026, 3, 2, tzinfo=UTC))),
)  # fmt: skip

"""What the customer agreed to, by purpose and channel, with its history."""

from __future__ import annotations

from datetime import date

import msgspec

from services.profiles.model.facts import FactKey

SENSITIVE = "sensitive_data"  # the purpose under which ethnicity, family and personality may be looked at


class Consent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One statement: given or taken back, on which day, for one channel or (without one) for all."""

    stated_on: date
    key: FactKey
    granted: bool
    channel: str | None = None
    evidence_id: str | None = None


class ConsentBook(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All statements about one purpose, by day and fact."""

    purpose: str
    statements: tuple[Consent, ...] = ()


def with_consent(book: ConsentBook, new: Consent) -> ConsentBook:
    """The book with one more statement. The same object if it is in there."""
    if any(one.key == new.key for one in book.statements):
        return book
    statements = sorted((*book.statements, new), key=lambda one: (one.stated_on, one.key))
    return msgspec.structs.replace(book, statements=tuple(statements))


def granted(book: ConsentBook | None, channel: str | None = None) -> bool:
    """Whether the purpose is agreed to: the latest statement about the channel, or about all of them, decides.

    Without a channel: whether it is agreed to in general; what was said about single channels does not count.
    """
    statements = book.statements if book is not None else ()
    said = [one.granted for one in statements if one.channel is None or one.channel == channel]
    return said[-1] if said else False

"""The company's own people: the latest card of each, and whether he is still there."""

from __future__ import annotations

from datetime import date

import msgspec

from contracts.events.staff import Channel, Hours, StaffLanguage
from services.profiles.model.facts import FactKey


class Card(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a colleague stands, and when, how and in which language he is reached.

    `token_subject` is how he is called in tokens.
    """

    name: str
    mail: str | None = None
    unit: str | None = None
    position: str | None = None
    supervisor: str | None = None
    deputy: str | None = None
    zone: str | None = None
    hours: list[Hours] | None = None
    language: StaffLanguage | None = None
    channels: list[Channel] | None = None
    token_subject: str | None = None


class Leaving(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From which day on the colleague is no longer there, and who takes over."""

    key: FactKey
    left_on: date
    successor: str | None = None


class Staff(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A colleague. `registered` is the latest fact that took him in, `gone` whether he had left the last time this was
    looked at.
    """

    card: Card | None = None
    card_key: FactKey | None = None
    registered: FactKey | None = None
    leaving: Leaving | None = None
    gone: bool = False


def described(staff: Staff, card: Card, key: FactKey, *, registers: bool) -> Staff:
    """The colleague after a statement of his whole card. The same object if a later one is known."""
    if registers and (staff.registered is None or staff.registered < key):
        staff = msgspec.structs.replace(staff, registered=key)
    if staff.card_key is None or staff.card_key < key:
        staff = msgspec.structs.replace(staff, card=card, card_key=key)
    return staff


def leaves(staff: Staff, leaving: Leaving) -> Staff:
    """The colleague after word that he leaves. The same object if a later word is known."""
    if staff.leaving is not None and staff.leaving.key >= leaving.key:
        return staff
    return msgspec.structs.replace(staff, leaving=leaving)


def leaving_day(staff: Staff) -> date | None:
    """The day from which on he is gone; None where he stays, or was taken in again after it was said."""
    leaving = staff.leaving
    if leaving is None or (staff.registered is not None and staff.registered > leaving.key):
        return None
    return leaving.left_on


def staff_as_of(staff: Staff, today: date) -> tuple[Staff, date | None]:
    """The colleague as of `today`, and the day ahead on which he will be gone."""
    day = leaving_day(staff)
    gone = day is not None and day <= today
    if gone != staff.gone:
        staff = msgspec.structs.replace(staff, gone=gone)
    return staff, None if gone else day

"""A colleague as far as alerts must reach him."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final

import msgspec

from services.alerts.model.facts import FactKey
from services.alerts.model.notification import Channel

DELIVERED: Final[tuple[Channel, ...]] = ("mail", "webhook")
_BEFORE_ALL: Final = FactKey(time=datetime(1, 1, 1, tzinfo=UTC), source="", id="")


class Way(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A channel by which a colleague is reached. Of `mail` the address may be left to his card."""

    kind: str  # one of the contract's, also those that nobody here delivers by yet
    address: str = ""


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """From when he works, on some days of the week (1 is Monday), in his zone."""

    days: tuple[int, ...]
    start: str


class Digest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When he wants a digest: on which days of the week (none: never), and when if not as his hours begin."""

    days: tuple[int, ...] = ()
    at: str = ""


class Colleague(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a colleague is reached; the fact with the latest key holds. `token_subject`: who he is in tokens, if not
    his id. `ways`: how he wants to be reached, the first most; none means by mail. `digest`: what he says of it, if
    anything. `leaving`: the latest word that he goes, on `left_on`, which may lie ahead.
    """

    key: FactKey
    name: str = ""
    mail: str = ""
    language: str = "zh-CN"
    zone: str = ""
    deputy: str = ""
    supervisor: str = ""
    token_subject: str = ""
    ways: tuple[Way, ...] = ()
    hours: tuple[Hours, ...] = ()
    digest: Digest | None = None
    leaving: FactKey | None = None
    left_on: date | None = None


def latest(held: Colleague | None, told: Colleague, *, registers: bool = True) -> Colleague:
    """What holds of the two cards: the later one. That he leaves stays true, unless he `registers` again later."""
    if held is None:
        return told
    card = told if told.key > held.key else held
    stays = registers and held.leaving is not None and told.key > held.leaving
    return msgspec.structs.replace(
        card, leaving=None if stays else held.leaving, left_on=None if stays else held.left_on
    )


def leaves(held: Colleague | None, key: FactKey, on: date) -> Colleague:
    """The colleague, who goes on a day; of several such words the latest holds."""
    held = held or Colleague(key=_BEFORE_ALL)
    if held.leaving is not None and held.leaving >= key:
        return held
    return msgspec.structs.replace(held, leaving=key, left_on=on)


def gone(colleague: Colleague, day: date) -> bool:
    """Whether he is no longer there on a day."""
    return colleague.left_on is not None and colleague.left_on <= day


def addresses(colleague: Colleague, usable: Callable[[Channel, str], bool]) -> dict[Channel, str]:
    """His address by each channel he wants, the most wanted first; of a kind of channel the first that is `usable`.
    Who has none is reached by mail, for to be told in another way than one wants is better than not to be told.
    """
    found: dict[Channel, str] = {}
    for way in colleague.ways:
        for channel in DELIVERED:
            address = way.address or (colleague.mail if channel == "mail" else "")
            if way.kind == channel and address and usable(channel, address):
                found.setdefault(channel, address)
    if not found and colleague.mail:
        found["mail"] = colleague.mail
    return found

"""What becomes of the notifications that are due by a channel: decided here, recorded and sent by the courier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Generic, NamedTuple, Protocol, TypeVar

from services.alerts.channels.outcome import Outcome
from services.alerts.model.digest import digest_id
from services.alerts.model.notification import (
    Channel,
    Notification,
    begun,
    gathered,
    held_back,
    rerouted,
    routed,
    suppressed,
)
from services.alerts.pipeline.compose import Letter, Shelf
from services.alerts.pipeline.letters.parts import Withheld
from services.alerts.pipeline.queue import Due, Row
from services.alerts.settings import AlertsSettings

Key = tuple[str, str]  # subject and key
Step = Callable[[Notification], Notification]
Message = TypeVar("Message")
Sent_contra = TypeVar("Sent_contra", contravariant=True)


class Carrier(Protocol[Sent_contra]):
    """What takes messages to their receivers. Whatever these or the network do is in the outcome, never raised."""

    async def send(self, message: Sent_contra, /) -> Outcome:
        """Hand one message over."""

    async def close(self) -> None:
        """Let go of what is open."""


@dataclass(frozen=True, slots=True)
class Way(Generic[Message]):
    """A channel: what a letter looks like there, what carries it, and how several make one, where they can."""

    channel: Channel
    write: Callable[[Letter, AlertsSettings], Message]
    carrier: Carrier[Message]
    gather: Callable[[Sequence[Letter], AlertsSettings, datetime], Message] | None = None


class Note(NamedTuple):
    """What becomes of a notification, and the channels by which its receiver gets a copy."""

    row: Row
    step: Step
    others: tuple[Channel, ...] = ()


class Part(NamedTuple):
    """A notification under way, its attempt opened."""

    row: Row
    letter: Letter


@dataclass(frozen=True, slots=True)
class Parcel(Generic[Message]):
    """What is handed over in one go: the message of one notification, or that of several, which is written last."""

    parts: tuple[Part, ...]
    message: Message | None = None


@dataclass
class Opening(Generic[Message]):
    """The decisions of one round."""

    way: Way[Message]
    made_from: Shelf
    now: datetime
    holder: str
    notes: list[Note] = field(default_factory=list)
    parcels: list[Parcel[Message]] = field(default_factory=list)
    doubts: int = 0

    def decide(self, due: Due) -> None:
        """What becomes of all that is due."""
        for row in due.single:
            self.single(row)
        for rows in due.together:
            self.together(rows)

    def single(self, row: Row) -> None:
        """A notification that goes by itself: out, or not at all, or by another channel, or with a digest."""
        letter = self._letter(row, self._alone(row.notification, row.key))
        if letter is None:
            return
        if not row.notification.attempts and self.way.gather is not None:
            until = self.made_from.held_until(letter)
            if until is not None:
                self.notes.append(Note(row, partial(held_back, until=until), self._others(letter)))
                return
        self._send_alone(row, letter)

    def together(self, rows: Sequence[Row]) -> None:
        """Notifications that go in one mail. What is left of a digest that has been begun keeps its Message-ID; one
        that would begin with a single letter is that letter.
        """
        first = rows[0].notification
        name = first.digest or digest_id(first.recipient, [row.key for row in rows])
        letters: list[tuple[Row, Letter]] = []
        for row in rows:
            letter = self._letter(row, self._gathered(row.notification, row.key, name))
            letters += [(row, letter)] if letter is not None else []
        if len(letters) == 1 and not first.digest:
            row, letter = letters[0]
            self._send_alone(row, replace(letter, notification=self._alone(row.notification, row.key)))
        elif letters:
            self.parcels.append(
                Parcel(tuple(self._open(row, letter, partial(self._gathered, name=name)) for row, letter in letters))
            )

    def recorded(self, stored: AbstractSet[Key]) -> list[Parcel[Message]]:
        """What is handed over: the parcels of which something is recorded."""
        found = (self.packed(parcel, stored) for parcel in self.parcels)
        return [parcel for parcel in found if parcel is not None]

    def packed(self, parcel: Parcel[Message], stored: AbstractSet[Key]) -> Parcel[Message] | None:
        """The parcel with those of its parts that are recorded, and written; None where none is."""
        parts = tuple(part for part in parcel.parts if (part.row.subject, part.row.key) in stored)
        if not parts or parcel.message is not None or self.way.gather is None:
            return parcel if parts else None
        letters = [part.letter for part in parts]
        return Parcel(parts, self.way.gather(letters, self.made_from.settings, self.made_from.now))

    def _letter(self, row: Row, notification: Notification) -> Letter | None:
        """What it says; None where it goes out not at all, or not by this channel, which is noted."""
        try:
            # Renewed, for its receiver may be another by now.
            letter = self.made_from.letter(row.subject, row.key, notification)
        except Withheld as reason:
            self.notes.append(Note(row, partial(suppressed, why=str(reason))))
            return None
        if self.way.channel not in letter.addresses:
            self.notes.append(Note(row, partial(rerouted, key=row.key, channel=next(iter(letter.addresses)))))
            return None
        return letter

    def _send_alone(self, row: Row, letter: Letter) -> None:
        part = self._open(row, letter, self._alone)
        self.parcels.append(Parcel((part,), self.way.write(letter, self.made_from.settings)))

    def _open(self, row: Row, letter: Letter, named: Callable[[Notification, str], Notification]) -> Part:
        def step(held: Notification) -> Notification:
            return begun(named(held, row.key), self.now, self.holder)

        self.doubts += row.notification.state == "sending"
        self.notes.append(Note(row, step, self._others(letter)))
        return Part(row._replace(notification=step(row.notification)), letter)

    def _alone(self, notification: Notification, key: str) -> Notification:
        return routed(notification, key, self.way.channel)

    def _gathered(self, notification: Notification, key: str, name: str) -> Notification:
        return gathered(self._alone(notification, key), name)

    def _others(self, letter: Letter) -> tuple[Channel, ...]:
        if letter.notification.copy_of:
            return ()
        return tuple(one for one in letter.addresses if one != self.way.channel)

"""Intake topic rapport.staff: the company's own people, as HR says it. The subject is `staff/<number>`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from contracts.payload import DueOn, Id, Name, Part, Payload, Zone
from contracts.refusal import Refused

StaffLanguage = Literal["zh-CN", "en"]
Clock = Annotated[
    str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$(?!\n)|^24:00$(?!\n)", description="a time of day such as 09:00")
]
MailAddress = Annotated[
    str, Meta(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$(?!\n)", description="a mail address")
]


class Hours(Part, frozen=True, kw_only=True):
    """Working hours on some days of the week (1 is Monday), in the person's zone."""

    days: list[Literal[1, 2, 3, 4, 5, 6, 7]]
    start: Clock
    end: Clock


class Channel(Part, frozen=True, kw_only=True):
    """A way to reach the person, most wanted first; the address of `mail` may be left to the field `mail`."""

    kind: Literal["mail", "chat", "sms", "webhook"]
    address: Annotated[str, Meta(min_length=1, max_length=500)] | None = None


class Digest(Part, frozen=True, kw_only=True):
    """One mail with all that is not urgent, on these days of the week (1 is Monday), in place of a mail an alert; no
    days: every alert at once. Without `at` it comes when the person's working hours begin.
    """

    days: list[Literal[1, 2, 3, 4, 5, 6, 7]]
    at: Clock | None = None


class StaffRegistered(Payload, frozen=True, kw_only=True):
    """A colleague: where he stands, and when, how and in which language he is reached."""

    TYPE: ClassVar[str] = "rapport.staff.registered.v1"
    name: Name
    mail: MailAddress | None = None
    unit: Id | None = None
    position: Id | None = None
    supervisor: Id | None = None
    deputy: Id | None = None
    zone: Zone | None = None
    hours: list[Hours] | None = None
    language: StaffLanguage | None = None
    channels: list[Channel] | None = None
    digest: Digest | None = None
    token_subject: Annotated[str, Meta(min_length=1, max_length=255)] | None = None

    def check(self) -> None:
        for at, span in enumerate(self.hours or ()):
            if span.start >= span.end:
                raise Refused(
                    "bad_field",
                    f"hours from {span.start} to {span.end}; expected the end after the start",
                    f"$.hours[{at}]",
                )
        if self.digest is not None and self.digest.at == "24:00":
            raise Refused("bad_field", "a digest at 24:00; expected 00:00 of the day after", "$.digest.at")


class StaffChanged(StaffRegistered, frozen=True, kw_only=True):
    """The same, now; it replaces what was said before."""

    TYPE: ClassVar[str] = "rapport.staff.changed.v1"


class StaffLeft(Payload, frozen=True, kw_only=True):
    """The colleague leaves; his customers go to the successor, else to his deputy, else to his supervisor."""

    TYPE: ClassVar[str] = "rapport.staff.left.v1"
    left_on: DueOn
    successor: Id | None = None

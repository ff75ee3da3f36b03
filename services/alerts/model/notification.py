"""A message about an alert to one person through one channel, and every attempt to deliver it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

State = Literal["queued", "sending", "accepted", "bounced", "suppressed"]
Reason = Literal["raised", "reopened"]
FIRST_WAIT: Final = timedelta(seconds=5)
LONGEST_WAIT: Final = timedelta(minutes=30)
ATTEMPTS_MOST: Final = 30  # about twelve hours of trying
NO_OWNER: Final = "no_owner"
NO_ADDRESS: Final = "no_address"
NOBODY: Final = (NO_OWNER, NO_ADDRESS)  # why it had nobody to go to


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One try: recorded before it is made, closed by its answer. An open one found after a crash is in doubt."""

    at: datetime
    by: str  # the process
    answer: str = ""
    in_doubt: bool = False


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """The message's life.

    `recipient` is a staff id; addresses are looked up when it is sent and stored nowhere else.
    """

    alert_id: str
    reason: Reason
    recipient: str
    message_id: str
    created_at: datetime
    next_at: datetime
    channel: Literal["mail"] = "mail"
    state: State = "queued"
    why: str = ""  # suppressed or bounced: the reason
    attempts: tuple[Attempt, ...] = ()
    accepted_at: datetime | None = None

    @property
    def doubts(self) -> int:
        """How often it was found open after a crash: so many extra copies may have arrived."""
        return sum(attempt.in_doubt for attempt in self.attempts)


def begun(notification: Notification, at: datetime, by: str) -> Notification:
    """The message with an attempt opened. One that was open before is in doubt, and is sent again under the same id."""
    attempts = (*_heard(notification)[-ATTEMPTS_MOST:], Attempt(at=at, by=by))
    return msgspec.structs.replace(notification, state="sending", attempts=attempts)


def accepted(notification: Notification, at: datetime, answer: str) -> Notification:
    """The next system has taken it."""
    return msgspec.structs.replace(
        notification, state="accepted", accepted_at=at, attempts=_closed(notification, answer, False)
    )


def postponed(notification: Notification, at: datetime, answer: str, *, in_doubt: bool = False) -> Notification:
    """It was not taken, but may be later; after the last attempt it has bounced."""
    attempts = _closed(notification, answer, in_doubt)
    if len(attempts) >= ATTEMPTS_MOST:
        return msgspec.structs.replace(notification, state="bounced", why="gave_up", attempts=attempts)
    wait = min(FIRST_WAIT * 2 ** (len(attempts) - 1), LONGEST_WAIT)
    return msgspec.structs.replace(notification, state="queued", next_at=at + wait, attempts=attempts)


def bounced(notification: Notification, answer: str, why: str) -> Notification:
    """It cannot arrive, and trying again does not help."""
    return msgspec.structs.replace(
        notification, state="bounced", why=why, attempts=_closed(notification, answer, False)
    )


def suppressed(notification: Notification, why: str) -> Notification:
    """It is not sent, for a reason. An attempt that was open before a crash stays in doubt: it may have arrived."""
    return msgspec.structs.replace(notification, state="suppressed", why=why, attempts=_heard(notification))


def requeued(notification: Notification, recipient: str, at: datetime) -> Notification:
    """It had nobody to go to; now it has."""
    return msgspec.structs.replace(notification, state="queued", why="", recipient=recipient, next_at=at)


def _heard(notification: Notification) -> tuple[Attempt, ...]:
    """The attempts, of which no answer will come any more."""
    attempts = notification.attempts
    if notification.state != "sending":
        return attempts
    return (*attempts[:-1], msgspec.structs.replace(attempts[-1], in_doubt=True, answer="never heard"))


def _closed(notification: Notification, answer: str, in_doubt: bool) -> tuple[Attempt, ...]:
    if not notification.attempts:
        return ()
    last = msgspec.structs.replace(notification.attempts[-1], answer=answer[:200], in_doubt=in_doubt)
    return (*notification.attempts[:-1], last)

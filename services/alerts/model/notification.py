"""A message about an alert to one person through one channel, and every attempt to deliver it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import NAMESPACE_URL, uuid5

import msgspec

State = Literal["queued", "held", "sending", "accepted", "bounced", "suppressed"]
Reason = Literal["raised", "reopened", "stepped_up"]
Channel = Literal["mail", "webhook"]
FIRST_WAIT: Final = timedelta(seconds=5)
LONGEST_WAIT: Final = timedelta(minutes=30)
ATTEMPTS_MOST: Final = 30  # about twelve hours of trying
LATER_MOST: Final = timedelta(hours=6)  # a receiver may ask for more time, but not for ever
NO_OWNER: Final = "no_owner"
NO_ADDRESS: Final = "no_address"
HISTORY: Final = "history"  # it stood before the company's cut-over
NOBODY: Final = (NO_OWNER, NO_ADDRESS)  # why it had nobody to go to
_NAMESPACE: Final = uuid5(NAMESPACE_URL, "rapport/webhooks")


class Attempt(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One try: recorded before it is made, closed by its answer. An open one found after a crash is in doubt."""

    at: datetime
    by: str  # the process
    answer: str = ""
    in_doubt: bool = False


class Notification(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The message's life.

    `recipient` is a staff id; addresses are looked up when it is sent and stored nowhere else. Who is reached by more
    than one channel gets a copy by each of the others: a message of its own, `copy_of` the first.

    One that is `held` waits for its receiver's digest, which is due at `next_at`. `digest` is the id of the one mail in
    which it goes out together with others: they have its Message-ID, and it is tried with all of them or not at all.

    `account`: that of the customer's accounts whose alert it is about, where it is not his first.
    """

    alert_id: str
    reason: Reason
    recipient: str
    message_id: str
    created_at: datetime
    next_at: datetime
    channel: Channel = "mail"
    state: State = "queued"
    why: str = ""  # suppressed or bounced: the reason
    attempts: tuple[Attempt, ...] = ()
    accepted_at: datetime | None = None
    copy_of: str = ""
    digest: str = ""
    account: str = ""

    @property
    def untried(self) -> bool:
        """Whether it waits, and nobody has tried to deliver it."""
        return self.state in ("queued", "held") and not self.attempts

    @property
    def doubts(self) -> int:
        """How often it was found open after a crash: so many extra copies may have arrived."""
        return sum(attempt.in_doubt for attempt in self.attempts)


def sent_as(channel: Channel, key: str, recipient: str) -> str:
    """The id it is sent under, the same at every attempt: a mail's Message-ID, a webhook's webhook-id.

    A webhook-id also tells receivers apart, for one address may take the messages to several people.
    """
    if channel == "mail":
        return f"<{key.replace('/', '.')}@rapport>"
    return f"msg_{uuid5(_NAMESPACE, f'{key} {recipient}').hex}"


def routed(notification: Notification, key: str, channel: Channel) -> Notification:
    """The message, to go by itself and by a channel that its receiver has."""
    name = sent_as(channel, key, notification.recipient)
    return msgspec.structs.replace(notification, channel=channel, message_id=name, digest="")


def rerouted(notification: Notification, key: str, channel: Channel) -> Notification:
    """The message, left to whoever delivers by another channel; it waits for no digest there."""
    state = "queued" if notification.state == "held" else notification.state
    return msgspec.structs.replace(routed(notification, key, channel), state=state)


def copy_key(key: str, channel: Channel) -> str:
    """The key of a message's copy by another channel."""
    return f"{key}/{channel}"


def copied(notification: Notification, key: str, channel: Channel, held: Notification | None) -> Notification | None:
    """The copy by another channel; None where the receiver has it already (`held`), or will have it."""
    name = copy_key(key, channel)
    if held is None:
        fresh = msgspec.structs.replace(
            notification, state="queued", why="", attempts=(), accepted_at=None, copy_of=key, digest=""
        )
        return routed(fresh, name, channel)
    if held.recipient == notification.recipient:
        return None
    return routed(requeued(held, notification.recipient, notification.next_at), name, channel)


def held_back(notification: Notification, until: datetime) -> Notification:
    """The message, to go out with its receiver's digest."""
    return msgspec.structs.replace(notification, state="held", next_at=until)


def gathered(notification: Notification, digest: str) -> Notification:
    """The message as part of a digest."""
    return msgspec.structs.replace(notification, digest=digest, message_id=f"<digest.{digest}@rapport>")


def begun(notification: Notification, at: datetime, by: str) -> Notification:
    """The message with an attempt opened. One that was open before is in doubt, and is sent again under the same id."""
    attempts = (*_heard(notification)[-ATTEMPTS_MOST:], Attempt(at=at, by=by))
    return msgspec.structs.replace(notification, state="sending", next_at=at, attempts=attempts)


def accepted(notification: Notification, at: datetime, answer: str) -> Notification:
    """The next system has taken it."""
    return msgspec.structs.replace(
        notification, state="accepted", accepted_at=at, attempts=_closed(notification, answer, False)
    )


def postponed(
    notification: Notification,
    at: datetime,
    answer: str,
    *,
    in_doubt: bool = False,
    asked: timedelta = timedelta(),
    tries: int = 0,
) -> Notification:
    """It was not taken, but may be later, and no sooner than the receiver `asked`; after the last attempt it has
    bounced. `tries`: how often the mail was tried that it is part of, for all parts wait alike.
    """
    attempts = _closed(notification, answer, in_doubt)
    tries = max(tries, len(attempts))
    if tries >= ATTEMPTS_MOST:
        return msgspec.structs.replace(notification, state="bounced", why="gave_up", attempts=attempts)
    wait = max(min(FIRST_WAIT * 2 ** (tries - 1), LONGEST_WAIT), min(asked, LATER_MOST))
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
    """It had nobody to go to, or went to somebody who is gone; now it has."""
    attempts = _heard(notification)
    return msgspec.structs.replace(
        notification, state="queued", why="", recipient=recipient, next_at=at, attempts=attempts, digest=""
    )


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

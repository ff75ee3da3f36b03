"""What became of one attempt to deliver, whatever the channel."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    RETRY = "retry"
    REFUSED = "refused"


class Stage(StrEnum):
    """How far the conversation with the receiver's server came."""

    CONNECT = "connect"
    SENDER = "sender"
    RECIPIENT = "recipient"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one attempt.

    `answer` is the server's (or the network's) word without addresses of people, fit for logs; `code` the SMTP reply
    or HTTP status if the server gave one. `in_doubt` is true where the server may have taken the message although its
    answer never came. `retry_after_s`: it asks to be left alone for so many seconds.
    """

    verdict: Verdict
    stage: Stage
    answer: str
    code: int | None = None
    in_doubt: bool = False
    retry_after_s: float | None = None

    @property
    def accepted(self) -> bool:
        return self.verdict is Verdict.ACCEPTED

    @property
    def retry_can_help(self) -> bool:
        return self.verdict is Verdict.RETRY

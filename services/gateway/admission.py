"""Who is let in: so much at a time and no more, and nobody new while the broker does not keep up.

What is held is counted until the broker has spoken about it, also where its sender has long been told to come again.
So memory has a bound whatever the broker, the network and the senders do.
"""

from __future__ import annotations

import math

from services.chassis.problems import Problem
from services.gateway.metrics import GatewayMetrics
from services.gateway.sender import Sender

LONGEST_PAUSE_S = 30


class Hold:
    """Room that one request takes; given back by `release`, once all of its `owners` have let go."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._bytes = 0
        self._owners = 1

    def more(self, size: int) -> None:
        """So many bytes more. Raises Problem 429 where there is no room for them."""
        self._admission.take(size)
        self._bytes += size

    def share(self) -> None:
        """One more has to let go before the room is free."""
        self._owners += 1

    def release(self) -> None:
        """One owner lets go."""
        self._owners -= 1
        if self._owners == 0:
            self._admission.give_back(self._bytes)


class Admission:
    """The room there is: `most` bytes of requests. `slow_ms`: a broker silent for so long does not keep up."""

    def __init__(self, sender: Sender, metrics: GatewayMetrics, *, most: int, slow_ms: int) -> None:
        self._sender, self._metrics, self._most, self._slow_ms = sender, metrics, most, slow_ms
        self.held = 0
        metrics.held_bytes.set_function(lambda: self.held)

    def enter(self) -> Hold:
        """Let a request in. Raises Problem 429 while the broker is slow, 503 where there is none."""
        self._sender.check()
        if (silent := self._sender.silent_ms()) > self._slow_ms:
            self._turn_away("slow", math.ceil(silent / 1000))
        return Hold(self)

    def take(self, size: int) -> None:
        """So many bytes more are held. Raises Problem 429 where that is too much."""
        # What is larger than all the room there is comes in alone, or it never would.
        if self.held and self.held + size > self._most:
            self._turn_away("full", 1 + self._sender.silent_ms() // 1000)
        self.held += size

    def give_back(self, size: int) -> None:
        """So many are no longer."""
        self.held -= size

    def _turn_away(self, cause: str, pause_s: int) -> None:
        self._metrics.turned_away.labels(cause).inc()
        raise busy(pause_s)


def busy(pause_s: int) -> Problem:
    """429: nothing of the request was taken; the same may come again after the pause."""
    pause = min(max(1, pause_s), LONGEST_PAUSE_S)
    return Problem(
        429,
        "busy",
        f"The broker does not keep up at the moment. Nothing of this request was taken: send the same again in {pause} "
        "s, and fewer at a time.",
        headers={"Retry-After": str(pause)},
    )

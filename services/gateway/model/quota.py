"""How much a source may send: a bucket that fills evenly and may be overdrawn once."""

from __future__ import annotations

MINUTE_MS = 60_000


class Bucket:
    """Room for `per_minute` events, full at first. Times are milliseconds of a clock that never goes back.

    One request may take more than is there, so that no batch is too large for ever; the next waits until that is paid.
    """

    def __init__(self, per_minute: int, now_ms: int) -> None:
        self.per_minute = per_minute
        self._room = per_minute * MINUTE_MS  # in events times milliseconds, so that nothing is lost to rounding
        self._at = now_ms

    def wait_ms(self, now_ms: int) -> int:
        """Milliseconds until the next request may come; 0: now."""
        self._fill(now_ms)
        return 0 if self._room > 0 else -self._room // self.per_minute + 1

    def take(self, events: int, now_ms: int) -> None:
        """So many events were sent."""
        self._fill(now_ms)
        self._room -= events * MINUTE_MS

    def _fill(self, now_ms: int) -> None:
        full = self.per_minute * MINUTE_MS
        self._room = min(full, self._room + (now_ms - self._at) * self.per_minute)
        self._at = now_ms

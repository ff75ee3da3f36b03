"""Who works on which subjects in this process. Two transactions that write the same subject side by side cost one of
them all its work: the database ends it, and a thousand events are folded again for the sake of one. So whoever comes
second waits here. Against other processes the versions guard (apply.py); this only saves repeats.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

Subject = tuple[str, str]  # head's name and subject


class Claims:
    """Claims in the order in which they were asked for: each waits only for earlier ones, so none for itself."""

    def __init__(self) -> None:
        self._last: dict[Subject, asyncio.Future[None]] = {}

    def __len__(self) -> int:
        return len(self._last)

    def ask(self, subjects: Iterable[Subject]) -> Claim:
        """A place in the line, taken at once."""
        return Claim(self._last, set(subjects))


class Claim:
    """Some subjects, for one transaction. Whoever asked for it releases it, come what may."""

    def __init__(self, last: dict[Subject, asyncio.Future[None]], subjects: set[Subject]) -> None:
        self._last, self._subjects = last, subjects
        self._over = asyncio.get_running_loop().create_future()
        self._before = {last[subject] for subject in subjects & last.keys()}
        last.update(dict.fromkeys(subjects, self._over))

    async def turn(self) -> None:
        """Wait until all who asked for any of them before have released them."""
        if self._before:
            await asyncio.wait(self._before)

    def release(self) -> None:
        """Let the next have them; where others have them still, when those are through."""
        if self._over.done():
            return
        for other in self._before:
            if not other.done():
                other.add_done_callback(lambda _: self.release())
                return
        self._over.set_result(None)
        for subject in self._subjects:
            if self._last.get(subject) is self._over:
                del self._last[subject]

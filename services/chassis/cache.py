"""States kept between batches, so that a busy customer is not read again for every batch.

Nothing here is trusted: a state is stored only under the version it was loaded with, so an old one costs a repeat and
never a wrong figure. A state is taken out while it is worked on and given back when it is stored, so two writers of
one process never share one.
"""

from __future__ import annotations

from collections.abc import Iterable

from .aggregate import State

MOST_DOCUMENTS = 64  # of one subject; a dealer with ten thousand open items is read by what a batch touches


class StateCache:
    """Most recently used states, at most `size` (0: none), with at most `documents` in all: it is those that take
    memory, about 1 KB each.
    """

    def __init__(self, size: int, documents: int) -> None:
        self.size, self.documents = size, documents
        self.held = 0  # documents
        self._states: dict[tuple[str, str], tuple[State, int]] = {}  # with the documents it came with

    def __len__(self) -> int:
        return len(self._states)

    def take(self, head: str, subject: str) -> State | None:
        """The state, now the caller's alone."""
        return self._out((head, subject))

    def give(self, state: State) -> None:
        """Keep a state that has just been stored."""
        if not self.size:
            return
        if len(state.documents) > MOST_DOCUMENTS:
            state.documents = {key: stored for key, stored in state.documents.items() if key == (state.head, "")}
            state.whole.clear()
        at = (state.head, state.subject)
        self._out(at)
        self._states[at] = state, len(state.documents)
        self.held += len(state.documents)
        while len(self._states) > self.size or self.held > self.documents:
            self._out(next(iter(self._states)))

    def drop(self, states: Iterable[tuple[str, str]]) -> None:
        """Forget what another writer may have changed."""
        for key in states:
            self._out(key)

    def clear(self) -> None:
        """Forget all: the partitions are another process's now."""
        self._states.clear()
        self.held = 0

    def _out(self, at: tuple[str, str]) -> State | None:
        state, documents = self._states.pop(at, (None, 0))
        self.held -= documents
        return state

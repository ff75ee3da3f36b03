"""What this process has just said, on its way to the relay without a look into the database.

The outbox stays the record: a row is there before it is here, and is deleted there when the broker has it. This is a
short cut for the shards of which the relay knows that all other rows have been sent. Whatever makes that doubtful (a
lease newly taken, a subject that another process may have spoken for, a send that failed, too many rows at once) puts
the shard `behind`, and the relay reads it from the database until it has caught up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from .mongo import Doc

MOST = 5000  # rows held in all; beyond that the database holds them


class Fresh:
    """Rows by shard, in the order in which their transactions were committed here. All shards begin behind."""

    def __init__(self, shards: int, most: int = MOST) -> None:
        self.most = most
        self.behind = set(range(shards))
        self._rows: dict[int, list[Doc]] = {}
        self._held = 0
        self._missed: set[int] = set()  # said while their shard was behind, perhaps after the database was asked

    def hand(self, rows: Iterable[Doc], unsure: Collection[int] = ()) -> None:
        """Take what a transaction has said. `unsure`: shards of subjects whose last word was not said here, so that it
        may still lie in the database and has to go out before.
        """
        self.doubt(unsure)
        for row in rows:
            shard = row["shard"]
            if shard in self.behind:
                self._missed.add(shard)
            elif self._held < self.most:
                self._rows.setdefault(shard, []).append(row)
                self._held += 1
            else:
                self.doubt([shard])

    def doubt(self, shards: Iterable[int]) -> None:
        """Ask the database about these: what is held of them lies there as well."""
        for shard in shards:
            self.behind.add(shard)
            self._missed.add(shard)
            self._held -= len(self._rows.pop(shard, ()))

    def take(self, shards: Collection[int], limit: int) -> list[Doc]:
        """Up to `limit` rows of `shards`; from now on it is the caller who sees to them, or doubts their shard."""
        taken: list[Doc] = []
        for shard in [shard for shard in self._rows if shard in shards]:
            rows = self._rows[shard]
            some = rows[: limit - len(taken)]
            taken += some
            self._held -= len(some)
            if len(some) == len(rows):
                del self._rows[shard]
            else:
                self._rows[shard] = rows[len(some) :]
        return taken

    def asking(self, shards: Iterable[int]) -> None:
        """The database is about to be asked for all rows of these shards."""
        self._missed -= set(shards)

    def caught_up(self, shards: Iterable[int]) -> None:
        """All that was found has been sent. A shard in which more was said meanwhile stays behind."""
        self.behind -= set(shards) - self._missed

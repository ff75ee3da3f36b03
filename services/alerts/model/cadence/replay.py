"""All customers' histories replayed at once, under several settings of c side by side: `tell.told` in arrays.

Purchases are taken in turn, first everyone's first, then everyone's second ... A lane is a customer under one setting.
Lanes of a customer differ only once an episode has ended differently: most tails are worked out once for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.alerts.model.cadence.decision import bars, classes
from services.alerts.model.cadence.episode import NEW_GAPS, RECOVERED_GAPS, RECOVERED_MEANS, window
from services.alerts.model.cadence.histories import Histories, Ints
from services.alerts.model.cadence.rhythm import CALM, JUDGED_GAPS, LATEST, MEMORY
from services.alerts.model.cadence.tail import Floats, Tail, tail
from services.alerts.model.cadence.timeline import Timeline

Flags = NDArray[np.bool_]
Index = NDArray[np.intp]

FIELDS: Final = ("customer", "setting", "raised", "last", "own_mean", "statistic", "full_bar", "bar", "regularity")


@dataclass(slots=True)
class Alarms:
    """Alarms, an entry each in every array. Days are ordinals; `ended` is 0 while one stands."""

    customer: Ints
    setting: Ints
    raised: Ints
    last: Ints
    own_mean: Floats
    statistic: Floats
    full_bar: Floats
    bar: Floats
    regularity: Ints
    ended: Ints
    new_rhythm: Flags


@dataclass(slots=True)
class Replay:
    """What a replay found.

    `quiet[setting, regularity]`: days in gaps that closed without an alarm, although one could have been raised; only
    those from the day asked for on, and so early that the verdict on an alarm would be known by the replay's end.
    """

    alarms: Alarms
    quiet: Floats


@dataclass(slots=True)
class _Lanes:
    """What is carried from purchase to purchase, customers by settings."""

    start: Ints  # place of the purchase with which the rhythm begins
    memory: Floats
    alarm: Ints  # number of the standing alarm, -1 without one
    since: Ints
    old_mean: Floats


@dataclass(slots=True)
class _Step:
    """The gap after everyone's j-th purchase, for those who have one: the first `n` customers."""

    n: int
    at: Ints  # index of the purchase with which the gap opens
    last: Ints
    next: Ints  # day of the purchase that closes it; the day after the replay's end where none does
    closes: Flags
    gaps: Floats  # by lane: n, S, L of the state
    total: Floats
    logs: Floats
    judged: Flags
    free: Flags  # judged, and no alarm stands


class _Replaying:
    def __init__(self, base: Histories, timeline: Timeline, until: int, since: int) -> None:
        self.base, self.timeline, self.until, self.since = base, timeline, until, since
        lanes = (base.customers, timeline.settings)
        self.lanes = _Lanes(
            start=np.zeros(lanes, np.int64),
            memory=np.full(lanes, CALM),
            alarm=np.full(lanes, -1),
            since=np.zeros(lanes, np.int64),
            old_mean=np.ones(lanes),
        )
        self.found: list[dict[str, NDArray[np.generic]]] = []
        self.ended: list[tuple[Ints, Ints, Flags]] = []
        self.alarms = 0
        self.quiet = np.zeros((timeline.settings, 3))

    def run(self) -> Replay:
        for j in range(int(self.base.count[0]) if self.base.customers else 0):
            step = self._step(j)
            if step.judged.any():
                calm = self._search(step)
                self._count_quiet(step, calm)
                self._remember(step)
                self._go_on(step, j)
        return Replay(self._alarms(), self.quiet)

    def _step(self, j: int) -> _Step:
        base, lanes = self.base, self.lanes
        n = int(np.searchsorted(-base.count, -j, side="left"))  # those with more than j purchases
        first = base.first[:n]
        at = first + j
        closes = base.count[:n] > j + 1
        last = base.days[at]
        following = base.days[np.minimum(at + 1, len(base.days) - 1)]
        start = lanes.start[:n]
        begin = first[:, None] + start
        gaps = (j - start).astype(np.float64)
        judged = gaps >= JUDGED_GAPS
        return _Step(
            n=n,
            at=at,
            last=last,
            next=np.where(closes, following, self.until + 1),
            closes=closes,
            gaps=gaps,
            total=(last[:, None] - base.days[begin]).astype(np.float64),
            logs=base.logs[at][:, None] - base.logs[begin],
            judged=judged,
            free=judged & (lanes.alarm[:n] < 0),
        )

    def _tails(self, step: _Step, rows: Index, settings: Index, piece: Ints) -> tuple[Tail, Index, Index]:
        """Tails of lanes given by customer, those of one customer together: each distinct one once, with the places
        (in the lanes given) where they come first, and which of them is each lane's."""
        start = self.lanes.start[rows, settings]
        new = np.ones(len(rows), np.bool_)
        new[1:] = (rows[1:] != rows[:-1]) | (start[1:] != start[:-1])
        firsts, which = np.flatnonzero(new), np.cumsum(new) - 1
        r, s, t = rows[firsts], settings[firsts], self.timeline
        at = piece[firsts]
        pauses = t.pause_share[at], t.pause_length[at]
        made = tail(step.gaps[r, s], step.total[r, s], step.logs[r, s], t.m0[at], t.k0[at], *pauses)
        return made, firsts, which

    def _search(self, step: _Step) -> Ints:
        """Raise the alarms of this gap; gives the class of each lane, -1 where no gap closed without one."""
        live = step.free.copy()
        calm = np.full(live.shape, -1)
        piece = self.timeline.holding(step.last + 1)
        opening = piece.copy()
        while live.any():
            rows, settings = np.nonzero(live)
            regularity, hit = self._search_piece(step, rows, settings, piece)
            at_opening = piece[rows] == opening[rows]
            calm[rows[at_opening], settings[at_opening]] = regularity[at_opening]
            calm[rows[hit], settings[hit]] = -1
            live[rows[hit], settings[hit]] = False
            piece = piece + 1
            live &= (self.timeline.begins(piece) < step.next)[:, None]
        return np.where(step.closes[:, None], calm, -1)

    def _search_piece(self, step: _Step, rows: Index, settings: Index, pieces: Ints) -> tuple[Ints, Index]:
        """The lanes' classes, and which of them cross while one set of priors holds; those are noted."""
        piece, t, last = pieces[rows], self.timeline, step.last[rows]
        made, firsts, which = self._tails(step, rows, settings, piece)
        regularity = classes(made.shape, t.cuts[piece[firsts], 0], t.cuts[piece[firsts], 1])[which]
        c = t.c[piece, settings, regularity]
        full, bar = bars(made.mean[which], t.rate_mean[piece], c, self.lanes.memory[rows, settings])
        upper = np.minimum(step.next[rows], t.begins(piece + 1)) - 1 - last
        reached = made.surprise(upper[firsts].astype(np.float64))[which]
        lower = np.maximum(t.begins(piece) - last, 1) - 1
        hit = np.flatnonzero((reached >= bar) & (upper > lower))
        if not len(hit):
            return regularity, hit
        chosen = made.take(which[hit])
        days = _first_days(chosen, bar[hit], lower[hit], upper[hit])
        own_mean = (step.total / step.gaps)[rows[hit], settings[hit]]
        values = (rows[hit], settings[hit], last[hit] + days, last[hit], own_mean,
                  chosen.surprise(days.astype(np.float64)), full[hit], bar[hit], regularity[hit])  # fmt: skip
        self._note(dict(zip(FIELDS, values, strict=True)))
        return regularity, hit

    def _note(self, alarms: dict[str, NDArray[np.generic]]) -> None:
        lanes, place = self.lanes, (alarms["customer"], alarms["setting"])
        more = len(alarms["customer"])
        lanes.alarm[place] = np.arange(self.alarms, self.alarms + more)
        lanes.since[place] = 0
        lanes.old_mean[place] = alarms["own_mean"]
        self.found.append(alarms)
        self.alarms += more

    def _count_quiet(self, step: _Step, calm: Ints) -> None:
        rows, settings = np.nonzero(calm >= 0)
        # An alarm later than this could not be judged yet: days on which nothing can be found are no days at risk.
        known = self.until - np.floor(window(step.total[rows, settings] / step.gaps[rows, settings])).astype(np.int64)
        begin = np.maximum(step.last, self.since - 1)[rows]
        days = np.maximum(np.minimum(step.next[rows], known) - begin, 0)
        np.add.at(self.quiet, (settings, calm[rows, settings]), days)

    def _remember(self, step: _Step) -> None:
        """E at the purchase that closes the gap, by the priors that hold on its day."""
        rows, settings = np.nonzero(step.judged & step.closes[:, None])
        if not len(rows):
            return
        piece = self.timeline.holding(step.next)
        made, firsts, which = self._tails(step, rows, settings, piece[rows])
        gap = (step.next - step.last)[rows[firsts]].astype(np.float64)
        v = np.minimum(made.surprise(gap), LATEST)[which]
        memory = self.lanes.memory
        memory[rows, settings] += MEMORY * (v - memory[rows, settings])

    def _go_on(self, step: _Step, j: int) -> None:
        """Count the gap that has closed for the standing episodes, and end those that it ends."""
        lanes, n = self.lanes, step.n
        standing = (lanes.alarm[:n] >= 0) & step.closes[:, None]
        lanes.since[:n][standing] += 1
        # Whoever is judged has three gaps, so the purchase three before the next one is his own.
        span = step.next - self.base.days[np.maximum(step.at + 1 - RECOVERED_GAPS, 0)]
        recovered = standing & (lanes.since[:n] >= RECOVERED_GAPS)
        recovered &= span[:, None] <= RECOVERED_MEANS * lanes.old_mean[:n]
        renewed = standing & ~recovered & (lanes.since[:n] >= NEW_GAPS)
        rows, settings = np.nonzero(recovered | renewed)
        if len(rows):
            self.ended.append((lanes.alarm[rows, settings], step.next[rows], renewed[rows, settings]))
            lanes.memory[rows, settings] = CALM
            lanes.alarm[rows, settings] = -1
            lanes.start[:n][renewed] = j + 1 - NEW_GAPS

    def _alarms(self) -> Alarms:
        empty: dict[str, NDArray[np.generic]] = {name: np.zeros(0, np.int64) for name in FIELDS}
        found = self.found or [empty]
        columns = {name: np.concatenate([one[name] for one in found]) for name in FIELDS}
        ended, renewed = np.zeros(self.alarms, np.int64), np.zeros(self.alarms, np.bool_)
        for numbers, day, new in self.ended:
            ended[numbers], renewed[numbers] = day, new
        return Alarms(**columns, ended=ended, new_rhythm=renewed)


def replay(base: Histories, timeline: Timeline, until: int, since: int = 0) -> Replay:
    """All alarms up to the end of the day `until` (an ordinal, not before the last purchase of the base).

    `since`: the day from which quiet days are counted.
    """
    return _Replaying(base, timeline, until, since).run()


def _first_days(gap: Tail, bar: Floats, low: Ints, high: Ints) -> Ints:
    """The smallest whole days above `low` on which v reaches the bar, which it does at `high`."""
    while (wide := high - low > 1).any():
        middle = (low + high) // 2
        reached = gap.surprise(middle.astype(np.float64)) >= bar
        # Where new priors find the day already past, v has reached the bar at `low` too.
        high, low = np.where(wide & reached, middle, high), np.where(wide & ~reached, middle, low)
    return high

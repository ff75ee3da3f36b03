"""What must be kept of a customer's purchases, and how each purchase changes it: constant work and memory."""

from __future__ import annotations

from datetime import date
from math import log
from typing import Final

import msgspec

from services.alerts.model.cadence.episode import NEW_GAPS, RECOVERED_GAPS, Episode, Outcome, fits
from services.alerts.model.cadence.priors import Priors
from services.alerts.model.cadence.tail import SHORTEST_GAP, Tail, single, tail

JUDGED_GAPS: Final = 3  # closed gaps before a customer is judged
CALM: Final = 1.0  # mean of v for whoever buys as ever
MEMORY: Final = 0.5  # weight of the latest gap
LATEST: Final = 5.0  # what one late order can add to the memory at most
KEPT_DAYS: Final = NEW_GAPS + 1


class Rhythm(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A customer's rhythm after his last purchase.

    `gaps` closed gaps between distinct purchase days, `total` days in all, `logs` the sum of their logarithms; `memory`
    (E) an average of v at his purchases that forgets by half a purchase; `recent` the last five purchase days, oldest
    first. `episode` is the alarm that stands, or the last one that did, and `since` the gaps that closed after it was
    raised, the overdue one among them.
    """

    gaps: int = 0
    total: int = 0
    logs: float = 0.0
    memory: float = CALM
    recent: tuple[date, ...] = ()
    episode: Episode | None = None
    since: int = 0

    @property
    def last(self) -> date | None:
        """The last purchase day."""
        return self.recent[-1] if self.recent else None

    @property
    def standing(self) -> bool:
        """Whether an alarm stands: there is no other until it has ended."""
        return self.episode is not None and self.episode.ended_on is None

    @property
    def judged(self) -> bool:
        """Whether there are gaps enough to speak of a rhythm."""
        return self.gaps >= JUDGED_GAPS

    @property
    def mean_gap(self) -> float:
        """Own mean gap in days; of at least one gap."""
        return self.total / self.gaps


class OutOfOrder(ValueError):  # noqa: N818 - a verdict on a purchase, not a failure of the program
    """A purchase before the last one: the customer's history has to be told again (`tell.told`)."""


def open_gap(state: Rhythm, priors: Priors) -> Tail:
    """The tail of the gap that is open now."""
    own = single(state.gaps), single(state.total), single(state.logs)
    pauses = single(priors.pause_share), single(priors.pause_length)
    return tail(*own, single(priors.m0), single(priors.k0), *pauses)


def bought(state: Rhythm, day: date, priors: Priors) -> Rhythm:
    """The rhythm after a purchase on `day`, by the priors that hold on it. A second purchase of a day changes nothing.

    Raises:
        OutOfOrder: the day lies before the last purchase.
    """
    last = state.last
    if last is None:
        return Rhythm(recent=(day,))
    gap = (day - last).days
    if gap < 0:
        raise OutOfOrder(f"a purchase of {day} after one of {last} was counted; tell the whole history again")
    if gap == 0:
        return state
    memory = state.memory
    if state.judged:
        v = float(open_gap(state, priors).surprise(single(gap)))
        memory += MEMORY * (min(v, LATEST) - memory)
    after = msgspec.structs.replace(
        state,
        gaps=state.gaps + 1,
        total=state.total + gap,
        logs=state.logs + log_gap(gap),
        memory=memory,
        recent=(*state.recent, day)[-KEPT_DAYS:],
    )
    return _go_on(after, day) if state.standing else after


def log_gap(gap: int) -> float:
    """What a gap of so many days adds to `logs`."""
    return log(max(gap, SHORTEST_GAP))


def _go_on(state: Rhythm, day: date) -> Rhythm:
    """The episode after another gap has closed: recovered, a new rhythm, or still standing."""
    episode, since = state.episode, state.since + 1
    if episode is None:
        raise AssertionError("only a standing episode goes on")
    # At least four gaps are known here, so the days asked for are all kept.
    if since >= RECOVERED_GAPS and fits((day - state.recent[-1 - RECOVERED_GAPS]).days, episode.mean_gap):
        return msgspec.structs.replace(state, episode=_ended(episode, day, "recovered"), since=since, memory=CALM)
    if since < NEW_GAPS:
        return msgspec.structs.replace(state, since=since)
    gaps = [(later - earlier).days for earlier, later in zip(state.recent, state.recent[1:], strict=False)]
    return msgspec.structs.replace(
        state,
        gaps=len(gaps),
        total=sum(gaps),
        logs=sum(log_gap(gap) for gap in gaps),
        memory=CALM,
        episode=_ended(episode, day, "new_rhythm"),
        since=since,
    )


def _ended(episode: Episode, day: date, outcome: Outcome) -> Episode:
    return msgspec.structs.replace(episode, ended_on=day, outcome=outcome)

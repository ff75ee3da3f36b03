"""Priors with their days as arrays, for a replay under one or several settings of c."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.alerts.model.cadence.histories import Ints
from services.alerts.model.cadence.priors import CLASSES, Dated, Priors
from services.alerts.model.cadence.tail import Floats

_NEVER: Final = 10_000_000  # later than the ordinal of any day


@dataclass(frozen=True, slots=True)
class Timeline:
    """A place for each set of priors, in order, and in `starts` one more, later than any day.

    `c[place, setting, class]`.
    """

    starts: Ints
    m0: Floats
    rate_mean: Floats
    k0: Floats
    pause_share: Floats
    pause_length: Floats
    cuts: Floats
    c: Floats

    @property
    def settings(self) -> int:
        """How many settings are replayed side by side."""
        return int(self.c.shape[1])

    def holding(self, day: Ints) -> Ints:
        """The place of the priors that hold on each day."""
        return np.searchsorted(self.starts[:-1], day, side="right") - 1

    def begins(self, place: Ints) -> Ints:
        """The day from which those at a place hold; for the place after the last, later than any day."""
        return self.starts[np.minimum(place, len(self.starts) - 1)]


def dated(timeline: Sequence[Dated]) -> Timeline:
    """Priors as they came into force; the first hold before their day, too."""
    starts = [one.valid_from.toordinal() for one in timeline]
    priors = [one.priors for one in timeline]
    return _arrays([0, *starts[1:]], priors, np.array([one.c for one in priors])[:, None, :])


def settings(priors: Priors, grid: Floats) -> Timeline:
    """One set of priors for all time, under each c of the grid for all classes alike."""
    return _arrays([0], [priors], np.repeat(grid[None, :, None], CLASSES, axis=2))


def _arrays(starts: list[int], priors: list[Priors], c: Floats) -> Timeline:
    return Timeline(
        starts=np.array([*starts, _NEVER], np.int64),
        m0=np.array([one.m0 for one in priors]),
        rate_mean=np.array([one.rate_mean for one in priors]),
        k0=np.array([one.k0 for one in priors]),
        pause_share=np.array([one.pause_share for one in priors]),
        pause_length=np.array([one.pause_length for one in priors]),
        cuts=np.array([one.cuts for one in priors]),
        c=c,
    )

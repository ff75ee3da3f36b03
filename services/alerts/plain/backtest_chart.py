"""The chart of `rapport backtest cadence`: what another budget would cost, and how early the alarms came."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.figure import Figure

from services.alerts.model.cadence.calibrate import tried
from services.alerts.model.cadence.trial import Trial
from services.alerts.plain.backtest_report import FOLLOWED, Followed, Report
from services.alerts.plain.picture import save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS: Final[dict[Followed, str]] = {
    "nothing": "#8c2d04",
    "less": "#d94801",
    "as_before": "#4292c6",
    "not_yet_known": "#bdbdbd",
}
_SLIDER: Final = 0.05 * 2 ** (np.arange(13) / 2)  # beyond it nobody would set a budget
_LOWEST: Final = 0.005
_LONGEST: Final = 10.0  # own mean gaps; later ones stand in the last bar


def draw(found: Report, trial: Trial, path: Path) -> None:
    """Write the chart, in the kind that the path's ending names. Raises OSError."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    _slider(left, trial)
    _early(right, found)
    summary = found.summary
    rate = summary["unfounded_per_customer_year"]
    figure.suptitle(
        f"Purchase cadence, {summary['from']} to {summary['to']}: {summary['alarms']:,} alarms, "
        f"unfounded a customer-year: {'not known' if rate is None else rate} (budget {summary['budget']:g})"
    )
    save(figure, path)


def _slider(axes: Axes, trial: Trial) -> None:
    """Alarms and unfounded ones a year at risk against c, had the latest priors held all the time."""
    priors = trial.timeline[-1].priors
    until = trial.until.toordinal()
    curve = tried(trial.base, priors, until, _SLIDER)
    years = curve.years.sum(axis=1)
    if years.all():
        axes.plot(curve.c, curve.alarms.sum(axis=1) / years, color="#525252", label="all alarms")
    axes.plot(curve.c, curve.rate(), color=_COLOURS["as_before"], label="unfounded ones")
    axes.axhline(priors.budget, color="#969696", linewidth=0.8, linestyle="--", label="budget")
    axes.axvspan(min(priors.c), max(priors.c), color="#fdd0a2", alpha=0.6, label="c in use, by regularity")
    axes.set(xscale="log", yscale="log", xlabel="c: how many are asked for", ylabel="alarms a customer-year at risk")
    axes.set_ylim(bottom=_LOWEST)
    axes.set_title("What another budget would cost")
    axes.grid(True, which="major", color="#e5e5e5")
    axes.legend(frameon=False)


def _early(axes: Axes, found: Report) -> None:
    """How long customers had been silent, in their own usual gaps, by what followed."""
    bins = np.arange(0, _LONGEST + 1, 0.5)
    by: dict[Followed, list[float]] = {name: [] for name in _COLOURS}
    for line in found.lines:
        by[line.followed].append(min(line.silent_means, _LONGEST + 0.25))
    axes.hist(
        list(by.values()),
        bins=bins.tolist(),
        stacked=True,
        color=list(_COLOURS.values()),
        label=[FOLLOWED[name] for name in by],
    )
    axes.set(xlabel=f"own usual gaps without a purchase (last bar: {_LONGEST:g} and more)", ylabel="alarms")
    axes.set_ylim(top=1.35 * axes.get_ylim()[1])  # room for the legend
    axes.set_title("How early, and what followed")
    axes.legend(frameon=False)

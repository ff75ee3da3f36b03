"""The chart of `rapport activity`: how many customers are how likely to buy nothing, and who brings the purchases."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from services.alerts.plain.activity_report import LIKELY, Report
from services.alerts.plain.picture import save

_CALM, _LIKELY = "#2f6f9f", "#c2552d"


def draw(found: Report, path: Path) -> None:
    """Write the chart to `path` (.svg or .png). Raises OSError."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    bands = found.bands()
    names = [name for name, _ in bands]
    colours = [_LIKELY if float(name.split("%")[0]) / 100 >= LIKELY else _CALM for name in names]
    _bars(left, names, [float(len(inside)) for _, inside in bands], colours, "{:,.0f}")
    left.set_title(f"{len(found.lines):,} customers at {found.as_of}", loc="left", fontsize=11)
    bought = [sum(line.expected for line in inside) for _, inside in bands]
    _bars(right, names, bought, colours, "{:,.0f}" if max(bought) >= 10 else "{:,.1f}")
    right.set_title(f"{found.expected:,.0f} purchases expected in {found.horizon_days} days", loc="left", fontsize=11)
    left.set_ylabel("chance of no purchase")
    save(figure, path)


def _bars(axes: Axes, names: list[str], lengths: list[float], colours: list[str], shown: str) -> None:
    bars = axes.barh(names, lengths, color=colours)
    axes.bar_label(bars, [shown.format(length) for length in lengths], padding=3, fontsize=9)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.xaxis.set_visible(False)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(axis="y", length=0)

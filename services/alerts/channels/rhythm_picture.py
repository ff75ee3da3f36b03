"""A customer's rhythm as a small picture for a mail: his purchase days, the silence, the day of warning.

No words stand in it, for nobody knows whether the machine has a Chinese font: the mail says them beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from services.alerts.channels.words import Language

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE: Final = 5.4, 1.25  # inches
_DPI: Final = 144
_INK, _LATE, _QUIET, _LINE = "#334155", "#b91c1c", "#fee2e2", "#cbd5e1"
_MOST_LABELS: Final = 5


def png(days: Sequence[date], deadline: date | None, raised_on: date | None, language: Language) -> bytes:
    """The picture: a dot a purchase day, with the days of each gap between them; the silence before `raised_on`, or up
    to `deadline` where no alarm was raised, as a band with its days, and that day as a line, red once it was.

    The same days give the same bytes. Raises ValueError where there is no purchase day.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow, and most processes never draw

    if not days:
        raise ValueError("there is no purchase day to draw; expected one at least")
    known = sorted(set(days))
    figure = Figure(figsize=SIZE, dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    _draw(axes, known, deadline, raised_on)
    _label(axes, known, deadline, raised_on, language)
    out = BytesIO()
    figure.savefig(out, format="png", dpi=_DPI, metadata={"Software": None})
    return out.getvalue()


def _draw(axes: Axes, days: list[date], deadline: date | None, raised_on: date | None) -> None:
    numbers = [day.toordinal() for day in days]
    axes.axhline(0, color=_LINE, linewidth=1, zorder=1)
    end = raised_on or deadline
    last = max((day for day in days if end is None or day <= end), default=days[0])
    if end is not None and end > last:
        axes.axvspan(last.toordinal(), end.toordinal(), color=_QUIET if raised_on else "#f1f5f9", zorder=0)
    late = [number for day, number in zip(days, numbers, strict=True) if raised_on is not None and day > raised_on]
    early = [number for number in numbers if number not in late]
    axes.plot(early, [0] * len(early), "o", color=_INK, markersize=6, zorder=3)
    axes.plot(late, [0] * len(late), "o", color="white", markeredgecolor=_INK, markersize=6, zorder=3)
    if end is not None:
        axes.axvline(end.toordinal(), color=_LATE if raised_on else _INK, linewidth=2, linestyle="-", zorder=2)
    for before, after in pairwise(numbers):
        if end is not None and before < end.toordinal() < after:
            continue  # its days stand in the band
        axes.annotate(
            str(after - before), ((before + after) / 2, 0), (0, 6), textcoords="offset points",
            ha="center", fontsize=7, color="#64748b",
        )  # fmt: skip
    if end is not None and end > last:
        axes.annotate(
            str((end - last).days), ((last.toordinal() + end.toordinal()) / 2, 0), (0, 6), textcoords="offset points",
            ha="center", fontsize=9, fontweight="bold", color=_LATE if raised_on else _INK,
        )  # fmt: skip


def _label(axes: Axes, days: list[date], deadline: date | None, raised_on: date | None, language: Language) -> None:
    end = raised_on or deadline
    shown = sorted({*days[-_MOST_LABELS:], *([end] if end is not None else [])})
    margin = max((shown[-1] - days[0]).days * 0.06, 2)
    axes.set_xlim(days[0].toordinal() - margin, max(shown[-1], days[-1]).toordinal() + margin)
    axes.set_ylim(-1, 1)
    apart = (shown[-1] - days[0] + timedelta(days=1)).days / 9  # labels nearer than this would run into each other
    kept: list[date] = []
    for day in reversed(shown):
        if not kept or (kept[-1] - day).days >= apart:
            kept.append(day)
    axes.set_xticks([day.toordinal() for day in kept], [_named(day, language) for day in kept], fontsize=7)
    axes.tick_params(axis="x", length=0, colors="#475569")
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)


def _named(day: date, language: Language) -> str:
    return f"{day:%Y-%m-%d}" if language == "zh-CN" else f"{day.day} {day:%b}\n{day.year}"

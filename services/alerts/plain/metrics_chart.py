"""The chart of `rapport metrics receivables`: days of sales outstanding and what was collected, month by month."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from services.alerts.model.collection import CollectionRow, collection
from services.alerts.model.open_item import OpenItem
from services.alerts.plain.picture import save

_IN_TIME, _LATE, _COLLECTED = "#2f6f9f", "#c2552d", "#3c7d4e"
_CURRENCIES = 4  # the most that fit under each other
_MONTHS = 36  # the most that can be told apart


def months(first: date, last: date) -> list[tuple[date, date]]:
    """The calendar months of a period, the first and the last as far as they lie in it."""
    found: list[tuple[date, date]] = []
    begin = first
    while begin <= last:
        # The 28th and four days more lie in the next month, whichever this one is.
        end = min(last, (begin.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1))
        found.append((begin, end))
        begin = end + timedelta(days=1)
    return found


def draw(items: list[OpenItem], rows: tuple[CollectionRow, ...], path: Path) -> None:
    """Write the chart of the rows' period, its last three years, to `path` (.svg or .png). Raises OSError."""
    currencies = list(dict.fromkeys(row.currency for row in rows))[:_CURRENCIES]
    figure = Figure(figsize=(9, 1 + 3.2 * max(1, len(currencies))), layout="constrained")
    if not currencies:
        figure.text(0.5, 0.5, "No invoice was open or issued in that time.", ha="center")
    else:
        grid = figure.subplots(len(currencies), 2, squeeze=False)
        spans = months(rows[0].first, rows[0].last)[-_MONTHS:]
        by_month = [{row.currency: row for row in collection(items, *span)} for span in spans]
        names = [f"{begin:%Y-%m}" for begin, _ in spans]
        for (left, right), currency in zip(grid, currencies, strict=True):
            held = [month.get(currency) for month in by_month]
            _days(left, currency, names, held)
            _collected(right, names, held)
    save(figure, path)


def _days(axes: Axes, currency: str, names: list[str], months_: list[CollectionRow | None]) -> None:
    best = [0.0 if row is None else float(row.best_possible_dso or 0) for row in months_]
    late = [0.0 if row is None else float(row.average_days_delinquent or 0) for row in months_]
    axes.bar(names, best, color=_IN_TIME, label="not overdue")
    axes.bar(names, late, bottom=best, color=_LATE, label="overdue")
    axes.set_title(f"{currency}: days of the month's sales outstanding", loc="left", fontsize=11)
    _plain(axes, names)
    if any(row is not None and row.sales for row in months_):
        axes.legend(frameon=False, fontsize=9)
        axes.set_ylim(0, 1.25 * max(1, *(sum(both) for both in zip(best, late, strict=True))))
    else:
        axes.text(0.5, 0.5, "nothing was invoiced", ha="center", transform=axes.transAxes)
        axes.set_yticks([])


def _collected(axes: Axes, names: list[str], months_: list[CollectionRow | None]) -> None:
    rates = [None if row is None else row.collection_effectiveness for row in months_]
    shown = [float("nan") if rate is None else float(rate) for rate in rates]
    axes.plot(names, shown, color=_COLLECTED, marker="o", clip_on=False)
    axes.set_title("collected of what came up for collection, %", loc="left", fontsize=11)
    axes.set_ylim(0, 108)
    _plain(axes, names)


def _plain(axes: Axes, names: list[str]) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    step = -(-len(names) // 6)
    axes.set_xticks(range(0, len(names), step), names[::step], fontsize=9)

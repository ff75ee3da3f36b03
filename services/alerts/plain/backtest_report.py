"""What `rapport backtest cadence` says: a row for each alarm, and a summary for whoever looks after sales."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from math import exp
from statistics import quantiles
from typing import TYPE_CHECKING, Any, Final, Literal

from services.alerts.model.cadence.decision import kind_of
from services.alerts.model.cadence.episode import Kind, Outcome
from services.alerts.model.cadence.trial import Trial
from services.alerts.model.cadence.walk import WARM_UP_DAYS

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS: Final = ("customer", "raised_on", "ended_on", "kind", "p", "statistic", "last_purchase", "mean_gap")
FEW: Final = 50  # customers watched, below which the summary warns
LITTLE: Final = 20.0  # years at risk, below which the rate is hardly one

Followed = Literal["as_before", "less", "nothing", "not_yet_known"]
FOLLOWED: Final[dict[Followed, str]] = {
    "as_before": "went on as before (unfounded)",
    "less": "bought less, half or below",
    "nothing": "bought nothing",
    "not_yet_known": "too late in the period to tell",
}
ENDED: Final[dict[Outcome, str]] = {
    "recovered": "recovered: back to the old rhythm",
    "new_rhythm": "settled into a new rhythm",
    "standing": "still stands",
}


@dataclass(frozen=True, slots=True)
class Line:
    """An alarm. `followed` is what came in the 56 days, or four own mean gaps if that is longer, after it."""

    customer: str
    raised_on: date
    ended_on: date | None
    kind: Kind
    statistic: float
    last_purchase: date
    mean_gap: float
    outcome: Outcome
    followed: Followed

    @property
    def p(self) -> float:
        """How often the customer would be silent so long by chance."""
        return exp(-self.statistic)

    @property
    def silent_means(self) -> float:
        """The silence before the alarm, in own mean gaps."""
        return (self.raised_on - self.last_purchase).days / self.mean_gap


@dataclass(frozen=True, slots=True)
class Report:
    """All alarms of the period by day, and the figures of the summary."""

    lines: list[Line]
    summary: dict[str, Any]
    notes: list[str]


def report(trial: Trial, budget: float) -> Report:
    """The rows and figures of a trial."""
    lines = list(_lines(trial))
    return Report(lines, _summary(trial, lines, budget), list(_notes(trial)))


def _lines(trial: Trial) -> Iterator[Line]:
    alarms, verdicts = trial.alarms, trial.verdicts
    for i in range(len(alarms.raised)):
        ended = int(alarms.ended[i])
        outcome: Outcome = "standing" if not ended else "new_rhythm" if alarms.new_rhythm[i] else "recovered"
        followed: Followed = "less" if verdicts.bought[i] else "nothing"
        if not verdicts.complete[i]:
            followed = "not_yet_known"
        elif verdicts.unfounded[i]:
            followed = "as_before"
        yield Line(
            customer=trial.base.names[int(alarms.customer[i])],
            raised_on=date.fromordinal(int(alarms.raised[i])),
            ended_on=date.fromordinal(ended) if ended else None,
            kind=kind_of(float(alarms.statistic[i]), float(alarms.full_bar[i])),
            statistic=float(alarms.statistic[i]),
            last_purchase=date.fromordinal(int(alarms.last[i])),
            mean_gap=float(alarms.own_mean[i]),
            outcome=outcome,
            followed=followed,
        )


def _summary(trial: Trial, lines: list[Line], budget: float) -> dict[str, Any]:
    kinds, ended = Counter(line.kind for line in lines), Counter(line.outcome for line in lines)
    followed = Counter(line.followed for line in lines)
    return {
        "from": trial.begin.isoformat(),
        "to": trial.until.isoformat(),
        "budget": budget,
        "customers": trial.base.customers,
        "customers_watched": trial.watched,
        "customer_years": round(trial.watched_years, 2),
        "alarms": len(lines),
        "alarms_per_customer_year": _rate(len(lines), trial.watched_years),
        "unfounded": trial.unfounded,
        "years_at_risk": round(trial.years_at_risk, 2),
        "unfounded_per_customer_year": _rate(trial.unfounded, trial.years_at_risk),
        "kinds": {kind: kinds[kind] for kind in ("stop", "slowdown")},
        "followed": {name: followed[name] for name in FOLLOWED},
        "ended": {name: ended[name] for name in ENDED},
        "silent_days": _quartiles([float((line.raised_on - line.last_purchase).days) for line in lines]),
        "silent_mean_gaps": _quartiles([line.silent_means for line in lines]),
        "priors": [
            {"valid_from": one.valid_from.isoformat()}
            | {name: round(float(value), 4) for name, value in one.priors.parameters().items()}
            for one in trial.timeline
        ],
    }


def _rate(count: int, years: float) -> float | None:
    return round(count / years, 4) if years else None


def _quartiles(values: list[float]) -> list[float] | None:
    """Lower quartile, median, upper quartile; None of fewer than two."""
    return [round(one, 2) for one in quantiles(values, n=4, method="inclusive")] if len(values) > 1 else None


def _notes(trial: Trial) -> Iterator[str]:
    if not trial.watched:
        yield "nobody is watched in the period: it takes purchases on four days to judge a customer by his own rhythm"
    elif trial.watched < FEW:
        yield f"only {trial.watched} customers are watched (four purchase days and more): take the rates as rough"
    if trial.years_at_risk < LITTLE:
        yield (
            f"{trial.years_at_risk:.1f} customer-years are few to keep a budget by: what holds without a past "
            "weighs as much as 20 of them"
        )
    learnt = trial.timeline[0].valid_from + timedelta(days=WARM_UP_DAYS)
    if trial.begin < learnt:
        yield (
            f"before {learnt} there was no past to learn from, and the budget is not kept there: a later --from, "
            "or purchases from further back, give a fairer picture"
        )


def csv_rows(found: Report) -> list[list[str]]:
    """The rows in the order of COLUMNS."""
    return [
        [
            line.customer,
            line.raised_on.isoformat(),
            line.ended_on.isoformat() if line.ended_on else "",
            line.kind,
            f"{line.p:.6f}",
            f"{line.statistic:.4f}",
            line.last_purchase.isoformat(),
            f"{line.mean_gap:.2f}",
        ]
        for line in found.lines
    ]


def csv_text(found: Report) -> str:
    """The rows as a CSV file's text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(csv_rows(found))
    return text.getvalue()


def as_json(found: Report) -> str:
    """One object: the rows under `alarms` (ended_on null while one stands), and the summary."""
    rows = [
        {
            "customer": line.customer,
            "raised_on": line.raised_on.isoformat(),
            "ended_on": line.ended_on.isoformat() if line.ended_on else None,
            "kind": line.kind,
            "p": round(line.p, 6),
            "statistic": round(line.statistic, 4),
            "last_purchase": line.last_purchase.isoformat(),
            "mean_gap": round(line.mean_gap, 2),
        }
        for line in found.lines
    ]
    return json.dumps({"alarms": rows, "summary": found.summary}, ensure_ascii=False, indent=1)


def show(found: Report, console: Console) -> None:
    """The summary for the screen."""
    for line in _said(found.summary):
        console.print(line, highlight=False, soft_wrap=True)


def _said(s: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{s['from']} to {s['to']}: {s['customers_watched']:,} of {s['customers']:,} customers were watched, "
        f"for {s['customer_years']:,.0f} customer-years."
    )
    if not s["alarms"]:
        yield "No alarm would have been raised."
        return
    yield (
        f"{s['alarms']:,} alarms, {s['alarms_per_customer_year']} a customer-year: {s['kinds']['stop']:,} for a "
        f"silence that was enough by itself, {s['kinds']['slowdown']:,} after late orders before it."
    )
    if s["unfounded_per_customer_year"] is not None:
        yield (
            f"{s['unfounded']:,} were unfounded: {s['unfounded_per_customer_year']} a customer-year at risk "
            f"({s['years_at_risk']:,.0f} years), asked for were at most {s['budget']:g}."
        )
    if s["silent_days"]:
        days, means = s["silent_days"], s["silent_mean_gaps"]
        yield (
            f"How early: half of them within {days[1]:g} silent days, or {means[1]:.1f} usual gaps; "
            f"three quarters within {days[2]:g} days, or {means[2]:.1f} usual gaps."
        )
    yield "What followed:"
    yield from (f"  {s['followed'][name]:>7,}  {text}" for name, text in FOLLOWED.items())
    yield "How they ended:"
    yield from (f"  {s['ended'][name]:>7,}  {text}" for name, text in ENDED.items())

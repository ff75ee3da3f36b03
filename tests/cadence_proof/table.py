"""The figures of the proof, and the page that shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import mean
from typing import Final

from deploy.demo.data import purchases
from services.alerts.model.cadence.trial import Trial, tried_out
from tests.cadence_proof.made import BEGIN, made
from tests.cadence_proof.rules import by_factor, of_trial
from tests.cadence_proof.score import COUNTED, UNTIL, WITHIN, Score, in_hindsight, scored

BUDGET: Final = 0.1
SEEDS: Final = tuple(range(1, 9))
SHAPES: Final = (1, 2, 3, 4, 6, 8, 12)
FACTORS: Final = (2.0, 3.0, 4.0)
BUDGETS: Final = (0.05, 0.1, 0.2, 0.5)


@dataclass(frozen=True, slots=True)
class Compared:
    """Our rule and the simple one on the same made customers; the last factor is the one of hindsight, if asked for.

    `unlearnt` are our false alarms a customer-year counted from the very first day.
    """

    ours: Score
    unlearnt: float
    simple: dict[float, Score]


def compared(seed: int, shapes: tuple[float, float], hindsight: bool = False) -> Compared:
    """Both rules on one made base."""
    base = made(seed, shapes)
    days = {name: one.days for name, one in base.items()}
    raised = of_trial(tried_out(days, BEGIN, UNTIL, BUDGET))
    ours = scored(base, raised)

    def simple(factor: float) -> Score:
        return scored(base, by_factor(days, factor, COUNTED, UNTIL))

    if not hindsight:
        return Compared(ours, scored(base, raised, BEGIN).false, {factor: simple(factor) for factor in FACTORS})
    same = in_hindsight(lambda factor: simple(factor).false, ours.false)
    return Compared(ours, scored(base, raised, BEGIN).false, {factor: simple(factor) for factor in (*FACTORS, same)})


def cdnow(budget: float) -> Trial:
    """The rule on CDNOW's customers, from their first purchase to the last."""
    days: dict[str, set[date]] = {}
    for one in purchases():
        days.setdefault(one.customer, set()).add(one.bought_on)
    begin, until = min(map(min, days.values())), max(map(max, days.values()))
    return tried_out({name: sorted(own) for name, own in days.items()}, begin, until, budget)


def page(say: Callable[[str], None] = lambda line: None) -> str:
    """The whole table as a page. `say` is told what is being done."""
    lines: list[str] = []
    for part in (_made(say), _shapes(say), _cdnow(say)):
        lines += part
    return "\n".join(lines) + "\n"


def _made(say: Callable[[str], None]) -> Iterator[str]:
    yield from (
        "# Purchase cadence, proven",
        "",
        "`make cadence` prints this page and stores it here. Parameters walk forward: each from the past only.",
        "",
        f"## Made customers, budget {BUDGET}",
        "",
        "2,000 customers for three years: gamma gaps of shape 2 to 6, mean gap about 14 days; half of them change on "
        "some day of the last two years, to gaps two, three or four times as long or to none at all (a quarter each). "
        "The first year is the past. False: alarms a customer-year before any change. Recall: share of the changed "
        "with an alarm within so many of their own mean gaps, from the day of the change on. Warning: share of the "
        "first ten own gaps that is left when it comes.",
        "",
        "| seed | rule | false | " + " | ".join(f"within {most}" for most in WITHIN)
        + " | stops: 3 | 5 | warning |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
        "| to reach | | .12 | .37 | .65 | .855 | .72 | .98 | |",
    )  # fmt: skip
    otherwise: list[str] = []
    scores: list[Score] = []
    for seed in SEEDS:
        say(f"made customers, seed {seed}")
        one = compared(seed, (2.0, 6.0), hindsight=True)
        scores.append(one.ours)
        otherwise.append(_otherwise(seed, one))
        yield f"| {seed} | **cadence** | " + _cells(one.ours) + " |"
        for place, (factor, score) in enumerate(one.simple.items()):
            known = " (same false alarms, by hindsight)" if place == len(FACTORS) else ""
            yield f"| {seed} | gap over {factor:.3g} own means{known} | " + _cells(score) + " |"
    yield f"| all | **cadence, mean** | {_cells(_mean(scores))} |"
    yield from ("", "Counted otherwise, our rule alone:", "", *otherwise, "")


def _mean(scores: Sequence[Score]) -> Score:
    def each(name: str) -> tuple[float, ...]:
        return tuple(mean(one) for one in zip(*(getattr(score, name) for score in scores), strict=True))

    return Score(
        false=mean(score.false for score in scores),
        recall=each("recall"),
        stops=each("stops"),
        silent=each("silent"),
        warning=mean(score.warning for score in scores),
    )


def _otherwise(seed: int, one: Compared) -> str:
    silent = " / ".join(map(_f, one.ours.silent[:2]))
    return (
        f"- seed {seed}: false alarms from the very first day on, without a year of past: {_f(one.unlearnt)}; "
        f"stops within 3 / 5 own gaps of the last purchase, and not of the change: {silent}"
    )


def _cells(score: Score) -> str:
    return " | ".join(_f(value) for value in (score.false, *score.recall, *score.stops[:2], score.warning))


def _f(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _shapes(say: Callable[[str], None]) -> Iterator[str]:
    yield from (
        f"## False alarms by regularity, budget {BUDGET}",
        "",
        "As above, all customers of one shape. To stay within .06 and .17. The second column counts from the "
        "very first day, before there is a past to learn from.",
        "",
        "| shape | **cadence** | from the first day | "
        + " | ".join(f"over {factor:g} own means" for factor in FACTORS)
        + " |",
        "|---:|---:|---:|" + "---:|" * len(FACTORS),
    )
    for shape in SHAPES:
        say(f"made customers of shape {shape}")
        one = compared(10 + shape, (shape, shape))
        simple = [one.simple[factor].false for factor in FACTORS]
        yield f"| {shape} | {_f(one.ours.false)} | {_f(one.unlearnt)} | " + " | ".join(map(_f, simple)) + " |"
    yield ""


def _cdnow(say: Callable[[str], None]) -> Iterator[str]:
    yield from (
        "## CDNOW",
        "",
        "All 23,570 customers of the CD shop, January 1997 to June 1998. Unfounded: alarms after which the customer "
        "went on as before (more than half of what his old rate gives, in the next 56 days or four own mean gaps), a "
        "customer-year at risk. At budget .1 at most .20.",
        "",
        "| budget | alarms | a customer-year | unfounded | a customer-year at risk | bought less | bought nothing | "
        "not yet known |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    )
    for budget in BUDGETS:
        say(f"CDNOW at budget {budget}")
        one = cdnow(budget)
        verdict = one.verdicts
        known = verdict.complete & ~verdict.unfounded
        alarms = len(one.alarms.raised)
        nothing = int((known & (verdict.bought == 0)).sum())
        yield (
            f"| {_f(budget)} | {alarms:,} | {_f(alarms / one.watched_years)} | {one.unfounded} | "
            f"{_f(one.unfounded / one.years_at_risk)} | {int(known.sum()) - nothing} | {nothing} | "
            f"{int((~verdict.complete).sum())} |"
        )

"""What a message about a purchase_slowdown says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Final, Literal, cast

from services.alerts.cadence import Cadence
from services.alerts.channels.render_slowdown import (
    SlowdownMail,
    brief_slowdown,
    line_slowdown,
    pictures,
    render_slowdown,
)
from services.alerts.learning import known_priors
from services.alerts.model.account import Account
from services.alerts.model.alert import Alert
from services.alerts.model.cadence.course import Course
from services.alerts.model.cadence.decision import judge, reach
from services.alerts.model.cadence.priors import Dated
from services.alerts.model.signals import of_churn
from services.alerts.model.staff import Colleague
from services.alerts.pipeline.letters import churn
from services.alerts.pipeline.letters.parts import Content, Withheld, Write, heading, named, rows_behind
from services.alerts.settings import AlertsSettings
from services.alerts.store import RHYTHMS, RhythmCard
from services.chassis.mongo import Database, Doc, find, from_doc

_FEW: Final = 0.01  # of all gaps reach further than what is said


async def read(db: Database, alerts: Sequence[Alert]) -> Write:
    """What the messages about these alerts are made from: the customers' rhythms, the priors they are judged by, and
    the events that opened the alerts.
    """
    subjects = sorted({alert.subject for alert in alerts})
    cards, events, known = await asyncio.gather(
        find(db, RHYTHMS.name, {"s": {"$in": subjects}}),
        rows_behind(db, alerts),
        known_priors(db),
    )
    courses = {doc["s"]: from_doc(doc["state"], RhythmCard).course for doc in cards}
    timeline = [Dated(valid_from=one.valid_from, priors=one.priors) for one in known.fitted]
    lost = await churn.read(db, [alert for alert in alerts if of_churn(alert)])

    def write(alert: Alert, account: Account, colleague: Colleague, settings: AlertsSettings) -> Content:
        if of_churn(alert):
            return lost(alert, account, colleague, settings)
        course = courses.get(alert.subject)
        if course is None:
            raise Withheld("erased")
        said = letter(alert, course, account, colleague, settings, timeline, events)
        return Content.of(
            said,
            partial(brief_slowdown, said),
            partial(render_slowdown, said),
            partial(pictures, said),
            partial(line_slowdown, said),
        )

    return write


def letter(
    alert: Alert,
    course: Course,
    account: Account,
    colleague: Colleague,
    settings: AlertsSettings,
    timeline: Iterable[Dated] = (),
    rows: Mapping[str, Doc] | None = None,
) -> SlowdownMail:
    """What the mail about a raised purchase_slowdown says; `timeline` are all priors that were ever fitted."""
    figures = alert.figures
    last, silent = date.fromisoformat(figures["last_purchase"]), int(figures["silent_days"])
    raised_on = last + timedelta(days=silent)
    cadence = settings.rules.cadence
    cadence.learn(timeline)
    return SlowdownMail(
        **heading(alert, account, colleague, settings),
        role=account.role,
        kind=cast("Literal['stop', 'slowdown']", figures["kind"]),
        last_purchase=last,
        usual_gap=figures["usual_gap"],
        expected_by=date.fromisoformat(figures["expected_by"]),
        silent_days=silent,
        raised_on=raised_on,
        p=Decimal(figures["p"]),
        bought_since=int(figures["bought_since"]),
        reach_days=reached(course, cadence, last, raised_on),
        budget=cadence.budget,
        days=days_around(course, last),
        events=tuple(named(alert.opened_by, rows or {})),
    )


def days_around(course: Course, last: date) -> tuple[date, ...]:
    """The purchase days before the gap that opened on `last`, and those since; `last` alone where the course has gone
    on to another gap meanwhile.
    """
    held = sorted({one.on for one in (*course.opened, *course.recent)})
    ends = {known[-1].on for known in (course.opened, course.recent) if known}
    if last not in ends:
        return (last,)
    if course.recent[-1].on == last:
        return tuple(one.on for one in course.recent)
    return tuple(held)


def reached(course: Course, cadence: Cadence, last: date, raised_on: date) -> int | None:
    """Days that 99 of 100 gaps like the one that opened on `last` do not exceed; None once the rhythm is another."""
    rhythm = course.rhythm
    if rhythm.last != last or not rhythm.judged:
        return None
    return reach(judge(rhythm, cadence.times.holding(raised_on).priors).tail, _FEW)

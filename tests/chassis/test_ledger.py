"""Rows that stay for ever in their order, and ids that are forgotten by the month."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contracts.events.customers import RequirementStated
from services.chassis.ledger import Ledger, inbox_of
from services.chassis.refold import work_of
from tests.chassis.lab import NOW, Lab, said, told, unique

pytestmark = pytest.mark.stack


async def test_facts_of_the_same_millisecond_stay_in_the_order_in_which_they_were_applied(lab: Lab) -> None:
    """Names and times of events say nothing about it: `e9` comes before `e10`, and a late fact is dated earlier."""
    applier, subject = await lab.applier(), unique()
    ids = [f"{subject}-e{n}" for n in range(12)]
    events = [told("add", 1, subject, name, at=NOW - timedelta(minutes=n)) for n, name in enumerate(ids)]
    await applier.apply(lab.works(events[:5]))
    await applier.apply(lab.works(events[5:]))
    assert await lab.facts(subject) == [f"crm:{name}" for name in ids]


async def test_a_row_gives_back_the_event_it_was_made_of(lab: Lab) -> None:
    applier, subject = await lab.applier(), unique()
    event = said(told("add", 7, subject).data, subject, "a:b c", source="urn:erp:1")
    await applier.apply(lab.works([event]))
    (row,) = await Ledger(lab.db).rows(subject)
    work = work_of(lab.service, row)
    assert work is not None
    assert work.event == event
    assert work.cause == row["_id"]


async def test_an_inbox_goes_when_its_month_is_long_over(fresh: Lab) -> None:
    applier, book, subject = await fresh.applier(), Ledger(fresh.db), unique()
    months = [datetime(2026, month, 15, tzinfo=UTC) for month in (1, 2, 3)]
    for at in months:
        copy = said(RequirementStated(requirement_id="r", need="text"), subject, at=at)
        await applier.apply(fresh.works([copy], at))
    assert await book.months() == [inbox_of(at) for at in months]
    assert await book.forget(datetime(2026, 3, 20, tzinfo=UTC), 35) == ["inbox_2026_01"]
    await applier.apply(fresh.works([said(RequirementStated(requirement_id="r", need="x"), subject)], months[0]))
    assert await book.months() == [inbox_of(at) for at in months], "a late one makes it again"


async def test_subjects_are_named_once_each(fresh: Lab) -> None:
    applier = await fresh.applier()
    names = sorted(unique() for _ in range(3))
    await applier.apply(fresh.works([told("add", n, name) for name in names for n in range(3)]))
    assert [name async for name in Ledger(fresh.db).subjects()] == names

"""Mails and webhooks while the service is killed between a receiver's answer and its own record of it, and at random:
each notification arrives, and what arrives twice is recognisable and on record.

One message of a channel is in flight at a time, so that a kill can double one of each channel and no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from contracts.envelope import Event
from contracts.events.lifecycle import LimitChanged, OwnerChanged
from contracts.events.sales import PurchaseMade
from contracts.events.trade import InvoiceIssued
from contracts.money import Money
from contracts.payload import Payload
from deploy.local import ports
from deploy.local.stack import Stack
from services.chassis import marks
from tests.faults import found, mails, terms
from tests.faults.crew import Aim
from tests.faults.hand import BOOKS, HR, PROFILES, event_of
from tests.faults.load import COLLEAGUES, Load, colleague, name_of, staff, wire_of
from tests.faults.run import FIRST, Run, opened
from tests.faults.runner import PLANT
from tests.faults.size import ZONE, Size
from tests.faults.table import Table
from tests.faults.verdict import verdict

FORCED: Final = {"mail": marks.MAIL_AFTER_ANSWER, "webhook": marks.HOOK_AFTER_ANSWER}
TOLD: Final = 12  # customers of a step, each with one alert
MOST_WAIT_S: Final = 1.5  # how long a process lives before it is killed at random
SUM: Final = Money(Decimal("88.00"), "CNY")


async def post(
    number: int, stack: Stack, *, forced: int, random: int, say: Callable[[str], None], plant: str = ""
) -> Table:
    """One run: `forced` kills between answer and record for each channel, `random` ones at any moment. `plant` names a
    bug.
    """
    load = _load(number, 2 * forced + random)
    env = {"RAPPORT_CLOCK": "log", "RAPPORT_MAIL_BATCH": "1", PLANT: plant}
    async with opened(stack, load, f"post{number}{plant}", say=say, env=env) as run:
        await _live(run, forced, random)
        table = await verdict(run, simulated=False)
        await _copies(table, run, forced)
        return table


async def _live(run: Run, forced: int, random: int) -> None:
    aims = [Aim(stage, run.draw.randint(1, 3)) for stage in FORCED.values() for _ in range(forced)]
    run.draw.shuffle(aims)
    steps = [True] * len(aims) + [False] * random
    run.draw.shuffle(steps)
    run.crew.aims[FIRST] = aims
    run.crew.join(FIRST)
    await run.bus.send(run.load.days[0])
    await run.quiet()
    for day, aimed in enumerate(steps, start=1):
        run.crew.during = f"step {day}"
        await run.bus.send(run.load.days[day])
        if not aimed:
            await _strike(run)
        await run.deaths(sum(steps[:day]))
        run.note("killed after an answer" if aimed else "killed at random")
    await run.quiet()
    await run.crew.leave(FIRST)


async def _strike(run: Run) -> None:
    """A kill at random, once the process has something to do."""
    await asyncio.sleep(run.draw.uniform(0.2, MOST_WAIT_S))
    await run.crew.strike(FIRST)


async def _copies(table: Table, run: Run, forced: int) -> None:
    """One copy for each forced kill, and at most one for each kill at all."""
    stored = (await found.read(run.store)).notifications.values()
    came = {"mail": mails.mailed(run.stack.home / "mailbox"), "webhook": run.hooks.came}
    landed = [death.aim.stage for death in run.crew.deaths]
    for channel, stage in FORCED.items():
        meant = {one.message_id for one in stored if one.channel == channel}
        extra = came[channel].total() - len(came[channel])
        table.least(f"{channel}: kills between answer and record", landed.count(stage), forced)
        table.none(f"{channel}: notifications that differ from the distinct ids", sorted(meant ^ came[channel].keys()))
        table.least(f"{channel}: extra copies, one for each such kill", extra, forced)
        table.most(f"{channel}: extra copies, against all kills", extra, run.crew.ends)


def _load(number: int, steps: int) -> Load:
    """Customers whose one alert, by each of the rules in turn, is raised as soon as it is told."""
    said, today = datetime.now(UTC) - timedelta(minutes=5), terms.rules(ZONE).day(datetime.now(UTC))
    load = Load(Size(number, steps * TOLD, steps + 1, 0, 0, 0, 0), ports.choose())
    days: list[list[Event]] = [
        [event_of(made.event.subject, HR, made.event.data, said) for made in staff(load.size, load.port)]
    ]
    for n in range(steps * TOLD):
        subject = f"made-{number}-N{n:05}"
        owner = OwnerChanged(owner_id=colleague(n % COLLEAGUES), valid_from=today - timedelta(days=9))
        days[0].append(event_of(subject, PROFILES, owner, said))
        if n % TOLD == 0:
            days.append([])
        days[-1] += [
            event_of(subject, PROFILES if isinstance(data, LimitChanged) else BOOKS, data, said, turn)
            for turn, data in enumerate(_alerting(n, today))
        ]
    for day, events in enumerate(days):
        load.accepted |= {name_of(event): event for event in events}
        load.days[day] = [wire_of(event) for event in events]
    return load


def _alerting(n: int, today: date) -> list[Payload]:
    """What raises an alert: an overdue invoice, a limit that is passed, or purchases that have stopped."""
    if n % 3 == 2:
        stopped = [today - timedelta(days=90 - 3 * step) for step in range(8)]
        return [PurchaseMade(purchase_id=f"P-{day}", purchased_on=day, total=SUM) for day in stopped]
    due = today + timedelta(days=30 if n % 3 else -1)
    invoice = InvoiceIssued(invoice_id="I-1", issued_on=today - timedelta(days=9), due_on=due, total=SUM)
    limit = LimitChanged(limit=Money(Decimal(50), "CNY"), valid_from=today - timedelta(days=9))
    return [limit, invoice] if n % 3 else [invoice]

"""The company's midnight on the wall clock, as in production: invoices fall due while the service cannot read what
denies it, once because it is down, once because its process is frozen. Nobody may be told of what was paid in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

from contracts.envelope import Event
from contracts.events.lifecycle import LimitChanged, OwnerChanged
from contracts.events.trade import AppliedTo, InvoiceIssued, PaymentReceived
from contracts.money import Amount, Money
from contracts.payload import Payload
from deploy.local.stack import Stack
from services.alerts.rules import Rules
from tests.faults import zone
from tests.faults.hand import BOOKS, PROFILES
from tests.faults.load import Load, colleague, name_of, staff, wire_of
from tests.faults.run import FIRST, Run, opened
from tests.faults.size import Size
from tests.faults.table import Table
from tests.faults.verdict import verdict
from tests.faults.wait import until

How = Literal["down", "frozen"]
LEADS_S: Final = (14, 30, 90)  # how long before midnight it begins; more where the machine is slow
PAID, GRANTED, UNPAID = 1000, 100, 60
AFTER_S = 0.5  # after midnight it comes back
BEFORE_GRANTS = 7  # other facts of each customer that lie before the grace periods, so that those are read last
SUM: Final = Decimal("88.00")


class TooSlowError(AssertionError):
    """Midnight came before everything was in place."""


@dataclass(frozen=True, slots=True)
class Eve:
    """The evening before: what is known, and what comes while the service cannot see it."""

    midnight: datetime
    rules: Rules
    load: Load
    before: list[Event]
    meanwhile: list[Event]


async def midnight(
    number: int, stack: Stack, how: How, *, say: Callable[[str], None], env: Mapping[str, str] | None = None
) -> Table:
    """One midnight; tried again with more time where the machine was too slow for it.

    Raises:
        TooSlowError: it always was.
    """
    for lead in LEADS_S:
        at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=lead)
        eve = _eve(number, stack.home / "zones", at)
        zoned = {
            "RAPPORT_CLOCK": "log",
            "RAPPORT_COMPANY_ZONE": zone.NAME,
            "PYTHONTZPATH": str(stack.home / "zones"),
            **(env or {}),
        }
        async with opened(stack, eve.load, f"{how}{number}x{lead}", say=say, env=zoned) as run:
            try:
                await _live(run, eve, how)
            except TooSlowError:
                say(f"midnight after {lead} s was too soon for this machine")
                continue
            return await verdict(run, rules=eve.rules, simulated=False)
    raise TooSlowError(f"midnight came too soon, even after {LEADS_S[-1]} s")


async def _live(run: Run, eve: Eve, how: How) -> None:
    run.crew.join(FIRST)
    await run.bus.send(map(wire_of, eve.before))
    await run.quiet()
    if how == "down":
        await run.crew.kill(FIRST)
    else:
        run.crew.freeze(FIRST, frozen=True)
        await asyncio.sleep(0.3)  # the fetch that lies at the broker is answered, and its answer lies unread
    await run.bus.send(map(wire_of, eve.meanwhile))
    if datetime.now(UTC) > eve.midnight - timedelta(seconds=0.2):
        if how == "frozen":
            run.crew.freeze(FIRST, frozen=False)
        raise TooSlowError
    await asyncio.sleep((eve.midnight - datetime.now(UTC)).total_seconds() + AFTER_S)
    if how == "down":
        run.crew.join(FIRST)
    else:
        run.crew.freeze(FIRST, frozen=False)
    await _past(run, eve.midnight)
    await run.quiet()
    await run.crew.leave(FIRST)


async def _past(run: Run, moment: datetime) -> None:
    """Wait until the service's clock has passed a moment."""

    async def passed() -> bool:
        run.crew.well()
        clocks = [clock for _, clock in (await run.store.places()).values()]
        return bool(clocks) and min(clocks) > moment

    await until(passed, 120, "the clock to pass midnight")


def _eve(number: int, zones: Path, at: datetime) -> Eve:
    rules = Rules(zone.with_midnight(zones, at))
    today = rules.day(at - timedelta(seconds=1))
    said = datetime.now(UTC) - timedelta(minutes=5)
    before = [made.event for made in staff(Size(number, 0, 9, 0, 0, 0, 0))]
    before = [_at(event, said) for event in before]
    meanwhile: list[Event] = []
    others: list[Event] = []
    for n in range(PAID + GRANTED + UNPAID):
        subject = f"made-{number}-M{n:05}"
        owner = OwnerChanged(owner_id=colleague(n % 5), valid_from=today - timedelta(days=9))
        issued = InvoiceIssued(
            invoice_id="I-1", issued_on=today - timedelta(days=3), due_on=today, total=Money(SUM, "CNY")
        )
        before += [_event(subject, PROFILES, owner, said), _event(subject, BOOKS, issued, said)]
        for turn in range(BEFORE_GRANTS):
            owner = OwnerChanged(owner_id=colleague(turn), valid_from=today - timedelta(days=8 - turn))
            others.append(_event(subject, PROFILES, owner, said, turn))
        if n < PAID:
            paid = PaymentReceived(
                document_id="D-1", dated_on=today, total=Money(SUM, "CNY"),
                applied_to=[AppliedTo(invoice_id="I-1", amount=Amount(SUM))],
            )  # fmt: skip
            meanwhile.append(_event(subject, BOOKS, paid, said))
        elif n < PAID + GRANTED:
            granted = LimitChanged(limit=None, valid_from=today, grace_days=30)
            meanwhile.append(_event(subject, PROFILES, granted, said))
    meanwhile = others + meanwhile
    load = Load(Size(number, PAID + GRANTED + UNPAID, 1, 0, 0, PAID, 0))
    load.accepted = {name_of(event): event for event in (*before, *meanwhile)}
    load.days[0] = [wire_of(event) for event in load.accepted.values()]
    return Eve(at, rules, load, before, meanwhile)


def _event(subject: str, source: str, data: Payload, said: datetime, turn: int = 9) -> Event:
    return Event(
        id=f"{subject}/{data.TYPE}/{turn}", source=source, type=data.TYPE, subject=subject, time=said, data=data
    )


def _at(event: Event, moment: datetime) -> Event:
    return Event(id=event.id, source=event.source, type=event.type, subject=event.subject, time=moment, data=event.data)

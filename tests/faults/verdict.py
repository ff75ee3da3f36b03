"""Everything that is looked at when a run has come to rest."""

from __future__ import annotations

from collections import Counter
from statistics import median

from services.alerts.rules import Rules
from services.chassis import marks
from tests.faults import found, judge, knowledge, mails, people, said
from tests.faults.bus import TRADE
from tests.faults.run import Run
from tests.faults.said import ALERTS, DEAD, Said
from tests.faults.size import ZONE
from tests.faults.table import Table

MAIL_BATCH = 50  # messages in flight at most (services/SETTINGS.md, mail_batch)
COMMITS_AGAIN_S = 5.0


async def verdict(run: Run, *, rules: Rules | None = None, simulated: bool = True) -> Table:
    """The table of a run."""
    rules, table, load = rules or Rules(ZONE), Table(), run.load
    have = await found.read(run.store)
    spoken = Said.of(await run.bus.read((ALERTS, DEAD)))
    records = await run.bus.read((TRADE, "rapport.lifecycle"))
    log = knowledge.Log.of(records, load.accepted, simulated=simulated)
    table.told("events delivered", load.events)
    table.told("distinct and sound", len(load.accepted))
    table.told("repeats / late / poison", f"{load.repeats:,} / {load.late:,} / {len(load.poison) + load.placed:,}")
    judge.applied(table, load, have)
    judge.books(table, load, have, rules)
    table.none("false alerts", [*knowledge.false_alerts(log, spoken.events, rules)])
    judge.letters(table, load, have)
    said.wire(table, spoken, have)
    gone = _messages_of(load.gone, spoken)
    mails.mails(table, mails.arrived(run.stack.home / "mailbox"), have, gone, MAIL_BATCH * run.crew.ends)
    await people.writes(table, run.people, run.store, spoken, have)
    return table


def _messages_of(subjects: tuple[str, ...], spoken: Said) -> set[str]:
    """Message-IDs of what was sent about customers who have been erased since."""
    keys = {getattr(event.data, "notification_id", None) for event in spoken.events if event.subject in subjects}
    return {f"<{key.replace('/', '.')}@rapport>" for key in keys if key}


def pauses(table: Table, run: Run, least: int) -> None:
    """Where the kills landed, and how long nothing was committed after them."""
    deaths = run.crew.deaths
    stages = Counter(death.aim.stage for death in deaths)
    for stage in marks.STAGES:
        table.least(f"kills landed: {stage}", stages[stage], least)
    inside = [death.pause for death in deaths if death.aim.stage == marks.IN_TRANSACTION and death.pause is not None]
    outside = [death.pause for death in deaths if death.aim.stage != marks.IN_TRANSACTION and death.pause is not None]
    if inside:
        table.most(
            f"first commit after a kill inside a transaction, s (median of {len(inside)})",
            median(inside),
            COMMITS_AGAIN_S,
        )
    if outside:
        table.told(f"first commit after a kill outside one, s (median of {len(outside)})", median(outside))


def landings(run: Run) -> str:
    """Each kill with the place where it landed."""
    lines = [
        f"  {death.during:8} {death.name}  {death.aim!s:22} next commit "
        + (f"after {death.pause:5.2f} s" if death.pause is not None else "not seen: killed again, or nothing to do")
        for death in run.crew.deaths
    ]
    return "\n".join(["where the kills landed:", *lines])

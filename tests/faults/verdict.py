"""Everything that is looked at when a run has come to rest."""

from __future__ import annotations

from collections import Counter
from statistics import median

from contracts.events.alerts import NotificationFact
from services.alerts.model.notification import Channel, sent_as
from services.alerts.rules import Rules
from services.chassis import marks
from tests.faults import found, judge, judge_sales, knowledge, mails, people, said, terms
from tests.faults.bus import TRADE
from tests.faults.run import Run
from tests.faults.said import ALERTS, DEAD, Said
from tests.faults.size import ZONE
from tests.faults.table import Table

COMMITS_AGAIN_S = 5.0


async def verdict(run: Run, *, rules: Rules | None = None, simulated: bool = True) -> Table:
    """The table of a run."""
    rules, table, load = rules or terms.rules(ZONE), Table(), run.load
    have = await found.read(run.store)
    rules.cadence.learn(have.priors)
    spoken = Said.of(await run.bus.read((ALERTS, DEAD)))
    records = await run.bus.read((TRADE, "rapport.lifecycle"))
    log = knowledge.Log.of(records, load.accepted, simulated=simulated)
    table.told("events delivered", load.events)
    table.told("distinct and sound", len(load.accepted))
    table.told("repeats / late / poison", f"{load.repeats:,} / {load.late:,} / {len(load.poison) + load.placed:,}")
    judge.applied(table, load, have)
    judge.books(table, load, have, rules)
    table.none("alerts about limits that the ledger tells otherwise", await judge_sales.lives(run.store, have, rules))
    judge_sales.priors(table, spoken.events, have)
    table.none("false alerts", [*knowledge.false_alerts(log, spoken.events, rules)])
    judge.letters(table, load, have)
    said.wire(table, spoken, have)
    table.none("webhooks whose signature does not hold", run.hooks.forged)
    table.told("webhooks that said something else when they came again", len(run.hooks.changed))
    came: dict[Channel, Counter[str]] = {
        "mail": mails.mailed(run.stack.home / "mailbox"),
        "webhook": run.hooks.came,
    }
    mails.messages(table, came, have, spoken, _messages_of(load.gone, spoken), run.in_flight)
    await people.writes(table, run.people, run.store, spoken, have)
    return table


def _messages_of(subjects: tuple[str, ...], spoken: Said) -> set[str]:
    """Ids under which was sent what concerned customers who have been erased since."""
    facts = [event.data for event in spoken.events if event.subject in subjects]
    return {
        sent_as(channel, one.notification_id, one.recipient)
        for one in facts
        for channel in mails.CHANNELS
        if isinstance(one, NotificationFact) and one.channel == channel
    }


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

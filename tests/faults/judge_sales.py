"""Laying what was found beside what must be, for the two rules that look at a customer as a whole: his rhythm and his
credit limits.

An alarm about a rhythm follows from the facts alone. One about a limit does not: the present is judged when a fact
comes, so that its life depends on the order in which facts came. What stands at the end has to be what the sums say,
counted from nothing; and every life has to be the one that a plain fold of the ledger tells, in the ledger's own order.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from contracts.envelope import Event
from contracts.events.alerts import PriorFitted
from services.alerts.handlers import alerts_service
from services.alerts.model.cadence.priors import MODEL
from services.alerts.model.rules import receivable_over_limit as over_limit
from services.alerts.rules import Rules
from services.alerts.store import ACCOUNTS, ALERTS, RhythmCard
from services.chassis.refold import rebuild
from tests.faults.found import Found, Store
from tests.faults.reference import Books, Rhythm
from tests.faults.table import Table


def rhythms(known: Books, found: Found, day: date) -> Iterator[str]:
    """Where a stored cadence differs from that of all purchases."""
    wanted = known.rhythms(day)
    cards = {subject: card for (subject, _), card in found.rhythms.items()}
    for subject in wanted.keys() | cards.keys():
        card, told = cards.get(subject, RhythmCard()), wanted.get(subject)
        if told is None or not _same(card, told):
            yield f"{subject}: stored {card}, wanted {told}"


def _same(card: RhythmCard, told: Rhythm) -> bool:
    have, want = card.course, told.course
    if have.prior != want.prior and have.latest is None:
        # Priors that came since concern him only when he buys again: no deadline of his is open.
        counts = (have.rhythm.gaps, have.rhythm.total, have.rhythm.logs)
        return have.recent == want.recent and counts == (want.rhythm.gaps, want.rhythm.total, want.rhythm.logs)
    return (have, card.ahead) == (want, told.ahead)


def standing(known: Books, found: Found, day: date) -> Iterator[str]:
    """Where what stands of the limits is not what the sums say."""
    wanted = {at: (company, one) for at, (company, one) in known.weighed(day).items() if one.stage}
    have: dict[tuple[str, str], list[tuple[int, dict[str, str]]]] = {}
    for owned in found.alerts.values():
        alert = owned.alert
        if alert.rule == over_limit.RULE and alert.state != "resolved":
            have.setdefault((alert.subject, alert.cause), []).append((alert.stage, alert.figures))
    for at in wanted.keys() | have.keys():
        stored = have.get(at, [])
        want = [(wanted[at][1].stage, over_limit.figures(*wanted[at]))] if at in wanted else []
        if want and [stage for stage, _ in stored] == [want[0][0]]:
            # Within a stage an alert keeps the figures it was told with until they have moved by what somebody acts on.
            want = [(want[0][0], over_limit.to_say(stored[0][1], want[0][1], over_limit.Params()))]
        if stored != want:
            yield f"{at}: stored {stored}, wanted {want}"
    kept = {(subject, key) for (subject, key), card in found.credit.items() if card.standing is not None}
    for at in kept ^ wanted.keys():
        yield f"{at}: {'nothing' if at in wanted else 'something'} is kept of it as standing"


async def lives(store: Store, found: Found, rules: Rules) -> list[str]:
    """Alerts about limits that are not as a plain fold of the ledger, fact by fact and tick by tick, tells them."""
    service, wrong = alerts_service(rules), list[str]()
    for subject in sorted({subject for subject, _ in found.credit}):
        rows, ticked = await store.refold(subject)
        built = rebuild(service, ACCOUNTS, subject, rows, ticked, {}).state
        told = {
            key: one.value.alert for (kind, key), one in built.documents.items() if kind == ALERTS.name and one.value
        }
        have = {key: owned.alert for (of, key), owned in found.alerts.items() if of == subject}
        for key in told.keys() | have.keys():
            one, other = told.get(key), have.get(key)
            if one != other and over_limit.RULE in {alert.rule for alert in (one, other) if alert is not None}:
                wrong.append(f"{subject} {key}: stored {other}, the ledger tells {one}")
    return wrong


def priors(table: Table, said: list[Event], found: Found) -> None:
    """Every fit was said once, and what was said is what is judged by."""
    fits = [event.data for event in said if isinstance(event.data, PriorFitted)]
    told = [fit.valid_from for fit in fits if fit.model == MODEL]
    held = [one.valid_from for one in found.priors]
    table.told("fits of the cadence's priors", len(held))
    table.none("fits said otherwise than stored", sorted(set(told) ^ set(held)) + sorted(told)[len(set(told)) :])

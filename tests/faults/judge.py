"""Laying what was found beside what must be: the books, the ledger, the dead letters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import TypeVar

from services.alerts.model.account import owner_on, settled_on
from services.alerts.model.alert import WITHDRAWN
from services.alerts.model.episode import Episode
from services.alerts.model.rules import receivable_over_limit
from services.alerts.rules import Rules
from services.alerts.store import Owned
from tests.faults import judge_sales
from tests.faults.found import Found
from tests.faults.load import Load, name_of
from tests.faults.probe import LASTING, PASSING, Tally, passes
from tests.faults.reference import Books
from tests.faults.table import Table

K = TypeVar("K")
V = TypeVar("V")


def books(table: Table, load: Load, found: Found, rules: Rules) -> None:
    """The state against the reference."""
    known = Books.of(rules, (event for event in load.accepted.values() if event.subject not in load.gone))
    day = rules.day(found.clock)
    stored = {key: card.item for key, card in found.items.items()}
    accounts = {subject: settled_on(account, day) for (subject, _), account in found.accounts.items()}
    staff = {subject: colleague for (subject, _), colleague in found.staff.items()}
    table.none("open items that differ from the reference", [*differences(known.items, stored)])
    table.none("settlements that differ", [*differences(known.settlements, found.settlements)])
    table.none("orders that differ", [*differences(known.orders, found.orders)])
    table.none("purchases that differ", [*differences(known.purchases, found.purchases)])
    table.none("rhythms that differ from all purchases told again", [*judge_sales.rhythms(known, found, day)])
    table.none("accounts that differ", [*differences(known.accounts_on(day), accounts)])
    table.none("colleagues that differ", [*differences(known.staff, staff)])
    table.none("alerts that differ from the episodes of the last day", [*_alerts(known.episodes(day), found)])
    table.none("alerts that differ from the limits of the last day", [*judge_sales.standing(known, found, day)])
    table.none("standing alerts with another owner than their customer's", [*_owners(known, found, day)])
    table.none("erased customers of whom something is left", [*_left(load, found)])
    table.told(
        "open items / settlements / alerts", f"{len(stored):,} / {len(found.settlements):,} / {len(found.alerts):,}"
    )
    table.told("alerts standing at the end", sum(one.alert.state != "resolved" for one in found.alerts.values()))
    for rule, (every, withdrawn) in sorted(_by_rule(found).items()):
        table.told(f"alerts of {rule} / of these withdrawn", f"{every:,} / {withdrawn:,}")


def _by_rule(found: Found) -> dict[str, tuple[int, int]]:
    counts: dict[str, tuple[int, int]] = {}
    for owned in found.alerts.values():
        every, withdrawn = counts.get(owned.alert.rule, (0, 0))
        counts[owned.alert.rule] = every + 1, withdrawn + (owned.alert.outcome == WITHDRAWN)
    return counts


def applied(table: Table, load: Load, found: Found) -> None:
    """Every accepted event once, and no other."""
    lasting = {name for name, event in load.accepted.items() if not passes(event)}
    rows = {name for name in found.ledger if not name.startswith("rapport/")}
    table.none("lost: accepted events without a ledger row", sorted(lasting - rows))
    table.none(
        "ledger rows of events that were not accepted",
        sorted(rows - lasting - {name_of(event) for event in load.partings}),
    )
    wanted = tallies(load)
    more = [
        f"{key}: {found.tally[key]}, wanted {wanted.get(key)}"
        for key in found.tally
        if _over(found.tally[key], wanted.get(key))
    ]
    less = [
        f"{key}: {found.tally.get(key)}, wanted {tally}"
        for key, tally in wanted.items()
        if _over(tally, found.tally.get(key))
    ]
    table.none("applied twice: tallies above what was accepted", more)
    table.none("lost: tallies below what was accepted", less)


def tallies(load: Load) -> dict[tuple[str, str], Tally]:
    """What each subject's tallies must show. Technical ids that were forgotten count again when they come again."""
    wanted: dict[tuple[str, str], Tally] = {}
    for name, event in [*load.accepted.items(), *load.again.items()]:
        if event.subject not in load.gone:
            key = (event.subject, PASSING if passes(event) else LASTING)
            wanted[key] = wanted.get(key, Tally()).counting(name)
    return wanted


def _over(one: Tally, other: Tally | None) -> bool:
    # As many under other names is wrong in both directions.
    return other is None or one.n > other.n or (one.n == other.n and one.names != other.names)


def letters(table: Table, load: Load, found: Found) -> None:
    """Every poison event is a dead letter, once, for the right reason; nothing else is."""
    named = {name: letter for name, letter in found.letters.items() if letter["source"] is not None}
    bare = len(found.letters) - len(named)
    table.told("poison events", f"{len(load.poison) + load.placed:,}")
    table.none("poison that is no dead letter", sorted(load.poison.keys() - named.keys()))
    table.none(
        "dead letters of sound events",
        [f"{name} {named[name]['reason']}: {named[name]['message']}" for name in named.keys() - load.poison.keys()],
    )
    wrong = [
        f"{name}: {named[name]['reason']}, wanted {reason}"
        for name, reason in load.poison.items()
        if name in named and named[name]["reason"] != reason
    ]
    table.none("dead letters with another reason", wrong)
    table.none("poison without a name that is not in the file once", range(abs(bare - load.placed)))


def differences(wanted: Mapping[K, V], have: Mapping[K, V]) -> Iterator[str]:
    """Where two mappings differ."""
    for key in wanted.keys() | have.keys():
        if wanted.get(key) != have.get(key):
            yield f"{key}: stored {have.get(key)}, wanted {wanted.get(key)}"


def _alerts(episodes: Mapping[str, Episode], found: Found) -> Iterator[str]:
    have = {
        name: owned
        for (_, name), owned in found.alerts.items()
        if owned.alert.rule != receivable_over_limit.RULE  # of these judge_sales.py sees to
    }
    for name, episode in episodes.items():
        if (fault := _differs(episode, have.get(name))) is not None:
            yield f"{episode.subject} {episode.cause}: {fault}"
    for name, owned in have.items():
        if name not in episodes and owned.alert.outcome != WITHDRAWN:
            yield f"{owned.alert.subject} {owned.alert.cause}: {owned.alert.state} without an episode"


def _differs(episode: Episode, owned: Owned | None) -> str | None:
    if owned is None:
        return f"no alert for what opened on {episode.opened_on}"
    alert = owned.alert
    if episode.closed_on is not None:
        have = (alert.state, alert.closed_on, alert.outcome, alert.because)
        want = ("resolved", episode.closed_on, episode.outcome, episode.because)
        return None if have == want else f"{have}, wanted {want}"
    if alert.state == "resolved":
        return f"resolved ({alert.outcome}), and stands since {episode.opened_on}"
    told = {name: text for name, text in alert.figures.items() if name not in episode.moving}
    have_standing = (alert.opened_on, alert.stage, told)
    want_standing = (episode.opened_on, episode.stage, episode.figures)
    return None if have_standing == want_standing else f"{have_standing}, wanted {want_standing}"


def _owners(known: Books, found: Found, day: date) -> Iterator[str]:
    for (subject, name), owned in found.alerts.items():
        account = known.accounts.get(subject)
        wanted = owner_on(account, day) if account is not None else ""
        if owned.alert.state != "resolved" and not owned.alert.assigned_to and owned.owner_id != wanted:
            yield f"{subject} {name}: {owned.owner_id or 'nobody'}, wanted {wanted or 'nobody'}"


def _left(load: Load, found: Found) -> Iterator[str]:
    for subject in load.gone:
        if subject not in found.erased:
            yield f"{subject} is not marked as erased"
        for name, kind in vars(found).items():
            if isinstance(kind, dict) and name != "letters" and any(key[0] == subject for key in kind):
                yield f"{subject} still has {name}"

"""Which accounts are one customer: facts tie an account to another or loose it again, and each account has a root.

A fact keeps the account it came with; the state of a customer is kept at his root. Nothing here depends on the order
in which ties become known: of what was said of an account the later said holds.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from .mongo import Doc


class Tie(NamedTuple):
    """What an event says beside its subject: that account is the subject's (`holds`), or is its own again. Of several
    about one account that of the highest `rank` counts: milliseconds of the event's time, or a number its sender gives.
    """

    account: str
    holds: bool
    rank: int


class Said(NamedTuple):
    """A tie with who said it, in the order in which ties count."""

    rank: int
    name: str
    account: str
    into: str
    holds: bool


def fields(tie: Tie, subject: str) -> Doc:
    """What a ledger row keeps of a tie so that it is found from both its accounts; `w` until it has taken effect."""
    return {"m": [tie.account, subject], "tie": {"holds": tie.holds, "rank": tie.rank}, "w": True}


def said(row: Doc) -> Said:
    """The tie of a ledger row."""
    account, into = row["m"]
    return Said(row["tie"]["rank"], row["_id"], account, into, row["tie"]["holds"])


def parents(ties: Iterable[Said]) -> dict[str, str]:
    """To which account each is tied now. A tie that would close a circle does not hold; one that is loosed ends also
    where it led to the subject by way of others.
    """
    held: dict[str, str] = {}
    for tie in sorted(ties):
        above = list(_above(held, tie.account))
        if tie.holds and tie.account != tie.into and tie.account not in _above(held, tie.into):
            held[tie.account] = tie.into
        elif not tie.holds and tie.into in above:
            del held[tie.account]
    return held


def _above(held: Mapping[str, str], account: str) -> Iterator[str]:
    while (up := held.get(account)) is not None:
        yield up
        account = up


def roots(ties: Iterable[Said], accounts: Iterable[str]) -> dict[str, str]:
    """The root of each of these accounts: itself where nothing ties it."""
    held = parents(ties)
    return {account: next(reversed([account, *_above(held, account)])) for account in accounts}


def account_of(row: Doc) -> str:
    """The account with which a ledger row came."""
    account: str = row["a"] if "a" in row else row["s"]
    return account


def in_order(rows: list[Doc]) -> list[Doc]:
    """A customer's rows (sorted by `o`) in the order in which they were applied, where some came with other accounts.

    Each account's own rows keep their order; before accounts were tied their orders say nothing of one another, so
    there the moments at which the service learnt of them decide.
    """
    if len({account_of(row) for row in rows}) < 2:
        return rows
    own: dict[str, list[tuple[datetime, int, str, Doc]]] = defaultdict(list)
    for row in rows:
        line = own[account_of(row)]
        moment = max(row["at"], line[-1][0]) if line else row["at"]
        line.append((moment, row.get("o", 0), row["_id"], row))
    return [row for *_, row in heapq.merge(*own.values(), key=lambda one: one[:3])]
